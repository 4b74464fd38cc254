//! The eye: works everything out again from what is recorded, by its own plain code, and names each
//! object that does not come out.
//!
//! Comes in: the zones, the public keys, the secrets that open commitments. Goes out: [`Audit`].
//! Never: a decision taken over from the station that is audited, a write, or a value in a finding.

mod allotted;
mod apportion;
mod asked;
mod booked;
mod closed;
mod commits;
mod compared;
mod counted;
mod covers;
mod crossed;
mod decided;
mod determined;
mod erased;
mod expected;
mod fresh;
mod generalised;
mod given;
mod goods;
mod inputs;
mod licences;
mod licensed;
mod lines;
mod linked;
mod matched;
mod objects;
mod paid;
mod payees;
mod payouts;
mod person;
mod policies;
mod reckon;
mod recomputed;
mod released;
mod rules;
mod settled;
mod shape;
mod signers;
mod snapshot;
mod stood;
mod table;
mod transferred;
mod transfers;
mod values;
mod weights;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    digest::Sha256,
    instant::Instant,
    ledger::Trust,
    store::{self, Store},
};

pub use objects::{Rehashed, rehash};
pub use recomputed::{Recomputed, recompute};

/// What an audit is given: files, the keys to believe, and what opens keyed commitments.
#[derive(Clone)]
pub struct Evidence {
    /// The private zone.
    pub vault: Store,
    /// The governed zone.
    pub lake: Store,
    /// The zone of the book.
    pub ledger: Store,
    /// The log's origin.
    pub origin: String,
    /// When the site says to have been made.
    pub created: Instant,
    /// The keys of log and steward that the site says to have.
    pub claimed: [String; 2],
    /// Who may sign, as the auditor knows it: from the keys that the log began with on.
    pub trust: Trust,
    /// What opens the keyed commitments of entries.
    pub secrets: Secrets,
    /// The public ledgers of other sites that transfers are held against; none is needed.
    pub partners: Vec<Store>,
}

/// The secrets of a site that an auditor needs to open keyed commitments.
#[derive(Clone)]
pub struct Secrets {
    /// Lines of people whom the register no longer knows.
    pub payout_lines: [u8; 32],
    /// The reference of a payment.
    pub payment_reference: [u8; 32],
    /// The sponsor of a payment.
    pub sponsor_token: [u8; 32],
    /// The researcher of a question.
    pub researcher_token: [u8; 32],
    /// Who is whom.
    pub linkage_commitments: [u8; 32],
    /// What the steward decided on a settlement.
    pub overrides: [u8; 32],
    /// The payees of an import.
    pub payees: [u8; 32],
    /// Which vouchers were issued and ended; it opens no voucher's code.
    pub voucher_ids: [u8; 32],
    /// The payments of an order, and the bank's answers.
    pub payouts: [u8; 32],
    /// What issuers decided on licences.
    pub licences: [u8; 32],
    /// The keys with which patients approve.
    pub approvers: [u8; 32],
    /// Who is enrolled in a policy, and the lines of its evaluations.
    pub covers: [u8; 32],
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// One kind of question that an audit asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The book's files follow from its entries and signed checkpoints.
    Book,
    /// Entries are signed by the steward and of a known kind.
    Entry,
    /// Commits are whole, in order, and as this version writes them.
    Commit,
    /// Each commit has its entry in the book, in order, and each entry its commit.
    Recorded,
    /// An entry says what its commit says.
    Agrees,
    /// Objects hash to the digests that name them.
    Object,
    /// Rows, columns and counts of released tables.
    Rows,
    /// Classes of quasi-identifiers hold k people or more.
    Classes,
    /// Who is in a version.
    Roster,
    /// Each person's leaf in a version's record tree.
    Records,
    /// The keyed root over the decisions of a consent commit.
    Decisions,
    /// The keyed root over who is whom, and what may change that.
    Linkage,
    /// Everyone in a version stood for its purposes.
    Standing,
    /// Who may be paid, and where to.
    Payees,
    /// What covers pay, for which events.
    Covers,
    /// What the bank was told to pay, and what it answered.
    Payouts,
    /// What issuers decided on licences, and what was done under them.
    Licences,
    /// What went from institution to institution, and who approved it.
    Transfers,
    /// What experts signed, and of which version.
    Determinations,
    /// What was made unreadable of people who were erased.
    Erasures,
    /// Whose rows an answer drew on.
    Usage,
    /// What a settlement rests on.
    Inputs,
    /// Each line of a settlement, reckoned anew.
    Lines,
    /// The sums of a settlement and of a pool's books.
    Sums,
    /// No payment, question or period counts twice.
    Once,
}

impl Check {
    /// All checks, in order.
    pub const ALL: [Self; 25] = [
        Self::Book,
        Self::Entry,
        Self::Commit,
        Self::Recorded,
        Self::Agrees,
        Self::Object,
        Self::Rows,
        Self::Classes,
        Self::Roster,
        Self::Records,
        Self::Decisions,
        Self::Linkage,
        Self::Standing,
        Self::Payees,
        Self::Covers,
        Self::Payouts,
        Self::Licences,
        Self::Transfers,
        Self::Determinations,
        Self::Erasures,
        Self::Usage,
        Self::Inputs,
        Self::Lines,
        Self::Sums,
        Self::Once,
    ];

    /// Returns the short name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Entry => "entry",
            Self::Commit => "commit",
            Self::Recorded => "recorded",
            Self::Agrees => "agrees",
            Self::Object => "object",
            Self::Rows => "rows",
            Self::Classes => "classes",
            Self::Roster => "roster",
            Self::Records => "records",
            Self::Decisions => "decisions",
            Self::Linkage => "linkage",
            Self::Standing => "standing",
            Self::Payees => "payees",
            Self::Covers => "covers",
            Self::Payouts => "payouts",
            Self::Licences => "licences",
            Self::Transfers => "transfers",
            Self::Determinations => "determinations",
            Self::Erasures => "erasures",
            Self::Usage => "usage",
            Self::Inputs => "inputs",
            Self::Lines => "lines",
            Self::Sums => "sums",
            Self::Once => "once",
        }
    }

    /// Returns the question in words.
    pub fn asks(self) -> &'static str {
        match self {
            Self::Book => "Does every file of the book follow from its entries and checkpoints?",
            Self::Entry => "Is every entry signed by the steward and of a known kind?",
            Self::Commit => {
                "Is every commit whole, numbered without a gap, and read back the same?"
            }
            Self::Recorded => "Has every commit its entry in the book, in order, and back?",
            Self::Agrees => "Does every entry say what its commit says?",
            Self::Object => "Has every object the digest that names it?",
            Self::Rows => "Have released tables the rows and columns that were recorded?",
            Self::Classes => "Is every class of quasi-identifiers at least k people?",
            Self::Roster => "Does the list of a version's people fit the rows released?",
            Self::Records => "Is every person's record in the version's record tree, once?",
            Self::Decisions => "Does the recorded root follow from the decisions of people?",
            Self::Linkage => {
                "Did no run move a record, and does each root follow from who is whom?"
            }
            Self::Standing => "Had everyone in a version consented to its purposes that day?",
            Self::Payees => "Is every payee of the register one whom a bank could pay, once?",
            Self::Covers => {
                "Does every event of a cover come to what its policy says, for whom it covers?"
            }
            Self::Payouts => {
                "Does every order pay what is owed, to the account registered, and no more?"
            }
            Self::Licences => {
                "Did trusted issuers sign each licence, and did it stand when it was relied on?"
            }
            Self::Transfers => {
                "Did each transfer take its steps in order, and none without the patient's approval?"
            }
            Self::Determinations => {
                "Did the key in the book sign each determination, and of the version that is there?"
            }
            Self::Erasures => "Does the book say so wherever a record was made unreadable?",
            Self::Usage => "Do the lines of every answer fit its sums and the people asked of?",
            Self::Inputs => "Does a settlement rest on all that counted, and only that?",
            Self::Lines => "Is every contributor's line right to the millionth of a cent?",
            Self::Sums => {
                "Is every cent that came in paid, withheld, carried, held, kept, or still there?"
            }
            Self::Once => "Is nothing counted or paid twice?",
        }
    }
}

/// Something that did not come out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    /// The check's short name.
    pub check: &'static str,
    /// The object, by its path in the site.
    pub object: String,
    /// What is wrong with it; never a value.
    pub fault: String,
}

/// What an audit came to.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    counts: BTreeMap<Check, (u64, u64)>,
    findings: Vec<Finding>,
    head: Option<(u64, Sha256)>,
    unreadable: BTreeSet<String>,
    /// The objects that an erasure rewrote.
    redacted: BTreeSet<String>,
    pools: BTreeSet<String>,
}

impl Audit {
    /// Returns how many checks were made.
    pub fn checks(&self) -> u64 {
        self.counts.values().map(|(asked, _)| asked).sum()
    }

    /// Returns how often a check was made, and how often it did not come out.
    pub fn count(&self, check: Check) -> (u64, u64) {
        self.counts.get(&check).copied().unwrap_or_default()
    }

    /// Returns what did not come out, sorted.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns size and root of the newest signed checkpoint.
    pub fn head(&self) -> Option<(u64, Sha256)> {
        self.head
    }

    /// Returns the objects that nobody can read any more, because their keys were destroyed: nothing
    /// that rests on them was checked.
    pub fn unreadable(&self) -> &BTreeSet<String> {
        &self.unreadable
    }

    /// Returns the pools that were seen.
    pub fn pools(&self) -> &BTreeSet<String> {
        &self.pools
    }

    /// Counts a check, and writes down what is wrong where it does not come out.
    fn check(&mut self, check: Check, object: &str, good: bool, fault: &str) -> bool {
        let (asked, wrong) = self.counts.entry(check).or_default();
        *asked = asked.saturating_add(1);
        if !good {
            let finding = Finding {
                check: check.as_str(),
                object: object.to_owned(),
                fault: fault.to_owned(),
            };
            if !self.findings.contains(&finding) {
                *wrong = wrong.saturating_add(1);
                self.findings.push(finding);
            }
        }
        good
    }

    /// Counts many checks that came out.
    fn passed(&mut self, check: Check, times: u64) {
        let (asked, _) = self.counts.entry(check).or_default();
        *asked = asked.saturating_add(times);
    }
}

/// Audits a site: all of it, or with `pool` the money of that pool alone beside all the rest.
/// Fails only where a store does; what is wrong is a finding. `stage` hears what comes next.
pub fn audit(
    evidence: &Evidence,
    pool: Option<&str>,
    stage: &mut dyn FnMut(&str),
) -> Result<Audit, store::Error> {
    let mut audit = Audit::default();
    stage("the book");
    let book = booked::book(evidence, &mut audit)?;
    stage("commits");
    let commits = commits::read(evidence, &mut audit)?;
    expected::compare(evidence, &mut audit, &commits, book.as_ref());
    stage("consents");
    let register = stood::register(evidence, &mut audit, &commits)?;
    payees::check(evidence, &mut audit, &commits)?;
    stage("versions");
    let people = linked::people(evidence, &mut audit, &commits)?;
    let known = released::Known { register: &register, people: &people };
    let versions = released::versions(evidence, &mut audit, &commits, &known)?;
    stage("licences");
    let licences = licences::register(evidence, &mut audit, &commits)?;
    licensed::check(evidence, &mut audit, &commits, &licences, &versions)?;
    stage("transfers");
    let partners = crossed::partners(evidence, &mut audit)?;
    let stewards = crossed::stewards(&partners);
    let sides = transfers::check(evidence, &mut audit, &commits, &licences, &stewards)?;
    crossed::check(&mut audit, &commits, book.as_ref(), &sides, &partners);
    stage("determinations");
    determined::check(evidence, &mut audit, &commits)?;
    stage("questions");
    asked::usage(evidence, &mut audit, &commits, &versions)?;
    stage("values");
    values::values(evidence, &mut audit, &commits)?;
    stage("money");
    let (commits, register, book) = (&commits, &register, book.as_ref());
    let sources = paid::Sources { evidence, commits, register, book };
    paid::pools(&sources, &mut audit, pool)?;
    allotted::goods(&sources, &mut audit, pool)?;
    covers::check(&sources, &mut audit, &people)?;
    payouts::check(evidence, &mut audit, commits)?;
    audit.pools = commits.pools.iter().map(|c| c.body.act.pool().to_owned()).collect();
    audit.findings.sort();
    Ok(audit)
}

//! Covers as an auditor reads them: each policy opened once and funded, people enrolled within its window,
//! and each evaluation reckoned anew from the rows that its lines name.
//!
//! Comes in: the commits, the register of consents, the vault. Goes out: findings. Never: a line taken
//! over. Of the rows themselves a site keeps digests alone: that a value reaches its threshold, the
//! institution that sent it can show, and the audit cannot.

mod reckon;
mod said;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use self::{
    reckon::{Key, Seen, Standing, window},
    shape::{Enrolment, Evaluated, Outcome, Policy, Totals},
};
pub(super) use self::{
    said::said,
    shape::{CoverAct, CoverCommit, Line},
};
use super::{
    Audit, Check, Evidence,
    commits::Numbered,
    erased,
    linked::{History, People},
    paid::Sources,
    shape::{Act, Counted},
    stood::Use,
    table::{ascends, count, leaf_hash, object, root},
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical, hmac_sha3_parts},
    instant::{Date, Instant},
    store,
};

/// A policy with all that was done before.
struct Before<'a> {
    policy: &'a Policy,
    references: BTreeSet<&'a str>,
    funds: i128,
    enrolments: Vec<Enrolment>,
    /// The lines of its evaluations.
    lines: Vec<Vec<Line>>,
    /// What they come to, by the linkage commit that said who was whom.
    standing: (Option<u64>, Standing),
    /// Whose event each key is.
    keys: BTreeMap<Sha3Digest, Key>,
}

/// Judges every commit of covers.
pub(super) fn check(
    sources: &Sources<'_>,
    audit: &mut Audit,
    people: &History,
) -> Result<(), store::Error> {
    let mut policies: BTreeMap<&str, Before<'_>> = BTreeMap::new();
    let pools: BTreeSet<&str> = sources
        .commits
        .pools
        .iter()
        .filter(|c| matches!(c.body.act, Act::Opened(_)))
        .map(|c| c.body.act.pool())
        .collect();
    let mut newest = None;
    for commit in &sources.commits.covers {
        let CoverCommit { time, act, .. } = &commit.body;
        let forward = newest.is_none_or(|newest| newest <= *time);
        audit.check(Check::Commit, &commit.path, forward, "it is older than the one before it");
        newest = Some(*time);
        if let CoverAct::Opened(policy) = act {
            let fresh = policies.insert(&policy.policy, Before::new(policy)).is_none();
            audit.check(Check::Once, &commit.path, fresh, "the policy was opened before");
            let alone = !pools.contains(policy.policy.as_str());
            audit.check(Check::Once, &commit.path, alone, "a pool has the policy's name");
            continue;
        }
        let opened = "the policy was not opened before";
        let before = policies.get_mut(act.policy());
        if !audit.check(Check::Commit, &commit.path, before.is_some(), opened) {
            continue;
        }
        let Some(before) = before else { continue };
        match act {
            CoverAct::Opened(_) => {}
            CoverAct::Funded(act) => {
                let good =
                    act.amount.minor() > 0 && act.amount.currency() == before.policy.currency;
                let fault = "the payment is not a positive one in the policy's currency";
                audit.check(Check::Sums, &commit.path, good, fault);
                let fresh = before.references.insert(&act.reference);
                audit.check(Check::Once, &commit.path, fresh, "the payment was recorded before");
                before.funds = before.funds.saturating_add(act.amount.minor());
            }
            CoverAct::Enrolled(act) => {
                let name = format!("vault/{}", act.people.path);
                let read: Option<Vec<Enrolment>> = values(sources.evidence, audit, &act.people)?;
                let Some(read) = read else { continue };
                audit.check(Check::Covers, &name, ascends(&read), "a person stands twice in it");
                let good = read.iter().all(|enrolment| fits(before.policy, enrolment));
                audit.check(Check::Covers, &name, good, "somebody is enrolled out of the window");
                before.enrol(read);
            }
            CoverAct::Evaluated(act) => {
                let linkage = sources.linkage_before((*time, &commit.body.entry));
                let known = people.at(linkage.unwrap_or_default());
                evaluated(sources, audit, commit, act, before, (linkage, &known))?;
            }
        }
    }
    Ok(())
}

impl<'a> Before<'a> {
    fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            references: BTreeSet::new(),
            funds: 0,
            enrolments: Vec::new(),
            lines: Vec::new(),
            standing: (None, Standing::default()),
            keys: BTreeMap::new(),
        }
    }

    /// Takes enrolments: of one person and day of enrolment, the newest says when a birth is due.
    fn enrol(&mut self, read: Vec<Enrolment>) {
        let is = |a: &Enrolment, b: &Enrolment| {
            a.contributor == b.contributor && a.enrolled == b.enrolled
        };
        self.enrolments.retain(|known| !read.iter().any(|new| is(new, known)));
        self.enrolments.extend(read);
    }

    /// Says whether a day is covered for a person under a trigger: within the term, after an enrolment,
    /// in the weeks of the pregnancy that it names.
    fn is_covered(&self, people: &People, line: &Line) -> bool {
        let trigger = self.policy.triggers.iter();
        let mut triggers =
            trigger.filter(|t| t.name == line.trigger && t.table == line.row.table).peekable();
        let person = people.person(&line.contributor);
        let enrolled = |enrolment: &&Enrolment| {
            people.person(&enrolment.contributor) == person && enrolment.enrolled <= line.day
        };
        let enrolled: Vec<&Enrolment> = self.enrolments.iter().filter(enrolled).collect();
        window(self.policy, line.day).is_some()
            && triggers.peek().is_some()
            && triggers.any(|trigger| {
                enrolled.iter().any(|enrolment| match (&trigger.weeks, enrolment.due) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(weeks), Some(due)) => {
                        (i64::from(weeks.min)..=i64::from(weeks.max)).contains(&week(line.day, due))
                    }
                })
            })
    }
}

/// The completed weeks of a pregnancy on a day: a birth is due at 280 days.
fn week(day: Date, due: Date) -> i64 {
    day.signed_duration_since(due).num_days().saturating_add(280).div_euclid(7)
}

/// Says whether an enrolment lies in the policy's window.
fn fits(policy: &Policy, enrolment: &Enrolment) -> bool {
    let Enrolment { enrolled, due, .. } = enrolment;
    let days = enrolled.signed_duration_since(policy.term.from).num_days();
    let early = *enrolled >= policy.term.from && *enrolled < policy.term.until;
    let within = policy.enrolment_days.is_none_or(|most| days < i64::from(most));
    let weeks = policy
        .enrolment_weeks_max
        .is_none_or(|most| due.is_some_and(|due| week(*enrolled, due) <= i64::from(most)));
    early && within && weeks
}

/// Reads an object of one JSON value a line; a finding where it is not as recorded.
fn values<T: DeserializeOwned>(
    evidence: &Evidence,
    audit: &mut Audit,
    at: &Counted,
) -> Result<Option<Vec<T>>, store::Error> {
    let bytes = object(audit, &evidence.vault, "vault", &at.path, &at.digest)?;
    let Some(bytes) = bytes else { return Ok(None) };
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read: Option<Vec<T>> = lines.map(|line| serde_json::from_slice(line).ok()).collect();
    let name = format!("vault/{}", at.path);
    audit.check(Check::Covers, &name, read.is_some(), "it holds what no cover writes");
    let counted = read.as_ref().is_none_or(|read| count(read) == at.count);
    audit.check(Check::Object, &name, counted, "its lines were counted otherwise");
    Ok(read)
}

/// Judges one evaluation.
fn evaluated(
    sources: &Sources<'_>,
    audit: &mut Audit,
    commit: &Numbered<CoverCommit>,
    act: &Evaluated,
    before: &mut Before<'_>,
    (linkage, people): (Option<u64>, &People),
) -> Result<(), store::Error> {
    let evidence = sources.evidence;
    let leaves = object(audit, &evidence.vault, "vault", &act.leaves.path, &act.leaves.digest)?;
    let lines: Option<Vec<Line>> = values(evidence, audit, &act.lines)?;
    let Some(lines) = lines else { return Ok(()) };
    let name = format!("vault/{}", act.lines.path);
    let policy = before.policy;
    let place = |l: &Line| (l.contributor.clone(), l.event, l.row.clone(), l.outcome);
    let order: Vec<_> = lines.iter().map(place).collect();
    audit.check(Check::Covers, &name, ascends(&order), "a line stands twice or out of order");
    let sums = totals(&lines).is_some_and(|own| own == act.totals) && count(&lines) == act.count;
    audit.check(Check::Sums, &commit.path, sums, "its counts or sums are not those of its lines");
    let nobody = |line: &&Line| sources.commits.erased.is_nobody(&line.contributor);
    let gone = count(&lines.iter().filter(nobody).collect::<Vec<_>>());
    let readable = lines.iter().filter(|line| !nobody(line));
    let own: Option<Vec<[u8; 64]>> =
        readable.map(|line| leaf(sources, &act.policy, line)).collect();
    let mut own = own.unwrap_or_default();
    own.sort_unstable();
    let hashes: Vec<Sha256> = own.iter().map(|leaf| leaf_hash(leaf)).collect();
    let good = if gone > 0 {
        leaves.as_ref().is_some_and(|leaves| erased::sealed(&own, gone, leaves, &act.root))
    } else {
        root(&hashes) == act.root
    };
    audit.check(Check::Lines, &commit.path, good, "its root is not that of its lines");
    if let Some(leaves) = leaves.filter(|_| gone == 0) {
        let name = format!("vault/{}", act.leaves.path);
        audit.check(Check::Lines, &name, own.concat() == leaves, "its leaves are not its lines'");
    }
    let counts =
        |outcome| !matches!(outcome, Outcome::Flagged | Outcome::TakenBack | Outcome::Twice);
    let covered = lines
        .iter()
        .filter(|l| counts(l.outcome) && !nobody(l))
        .all(|line| before.is_covered(people, line));
    audit.check(Check::Covers, &name, covered, "an event counts out of its term or enrolment");
    let who = |id: &str| people.person(id).to_owned();
    if before.standing.0 != linkage {
        let standing = Standing::of(policy, &before.lines, &who).unwrap_or_default();
        before.standing = (linkage, standing);
    }
    let standing = &mut before.standing.1;
    let place = (commit.body.time, commit.body.entry.as_str());
    // What an erased person consented to is not known any more.
    let stands = |person: &str, seen: &Seen| {
        sources.commits.erased.is_nobody(person)
            || sources.consented(place, policy, people, person, seen)
    };
    let known: Vec<&Line> = lines.iter().filter(|l| l.outcome == Outcome::Known).collect();
    let stood = known.into_iter().all(|line| stands(&who(&line.contributor), &Seen::of(line)));
    audit.check(Check::Standing, &name, stood, "a person's row was taken without consent");
    let funds = i64::try_from(before.funds).unwrap_or(i64::MAX);
    let faults = standing.judge(policy, &lines, funds, &who, &stands);
    audit.check(Check::Covers, &name, faults.is_some(), "its sums are too large to reckon with");
    for (check, fault) in faults.unwrap_or_default() {
        audit.check(check, &name, false, fault);
    }
    let left = before.funds >= i128::from(standing.paid());
    audit.check(Check::Sums, &commit.path, left, "the policy paid more than had come in");
    let own: Vec<&Line> = lines.iter().filter(|line| !nobody(line)).collect();
    keys(evidence, audit, &name, before, &own, people);
    audit.passed(Check::Covers, count(&lines));
    before.lines.push(lines);
    Ok(())
}

/// One key is one event's alone: keyed by its first person's id, its name and its window.
fn keys(
    evidence: &Evidence,
    audit: &mut Audit,
    name: &str,
    before: &mut Before<'_>,
    lines: &[&Line],
    people: &People,
) {
    let policy = before.policy;
    let (mut own, mut one) = (true, true);
    for line in lines {
        let window = window(policy, line.day).unwrap_or(u32::MAX);
        let key = (line.contributor.clone(), line.trigger.clone(), window);
        let known = before.keys.entry(line.event).or_insert_with(|| {
            own &= line.event == event(evidence, &policy.policy, &key);
            key.clone()
        });
        let person = |id: &str| people.person(id).to_owned();
        one &= (person(&known.0), &known.1, known.2) == (person(&key.0), &key.1, key.2);
    }
    audit.check(Check::Covers, name, own, "an event has another key than its own");
    audit.check(Check::Once, name, one, "two events have one key");
}

/// The key of an event.
fn event(evidence: &Evidence, policy: &str, (person, trigger, window): &Key) -> Sha3Digest {
    let window = window.to_be_bytes();
    let parts = [
        b"almoner/cover-event/v1".as_slice(),
        policy.as_bytes(),
        person.as_bytes(),
        trigger.as_bytes(),
        &window,
    ];
    Sha3Digest(hmac_sha3_parts(&evidence.secrets.covers, &parts))
}

fn totals(lines: &[Line]) -> Option<Totals> {
    lines.iter().try_fold(Totals::default(), |mut sums, line| {
        let count = sums.lines.entry(line.outcome).or_default();
        *count = count.checked_add(1)?;
        sums.owed_minor = sums.owed_minor.checked_add(line.owed_minor)?;
        sums.recovered_minor = sums.recovered_minor.checked_add(line.recovered_minor)?;
        sums.paid_minor = sums.paid_minor.checked_add(line.paid_minor)?;
        Some(sums)
    })
}

impl Sources<'_> {
    /// Returns the newest commit of the person index before an evaluation.
    fn linkage_before(&self, evaluation: (Instant, &str)) -> Option<u64> {
        let mut before = self.commits.linkage.iter().rev();
        let known = before.find(|c| self.is_before((c.body.time, &c.body.entry), evaluation));
        known.map(|commit| commit.number)
    }

    /// Says whether a person had consented to the policy's purpose on the day of a row of theirs, and
    /// still did on that of the evaluation, by what was known then; of the other ids of one person, those that ever decided must agree.
    fn consented(
        &self,
        evaluation: (Instant, &str),
        policy: &Policy,
        people: &People,
        person: &str,
        seen: &Seen,
    ) -> bool {
        let mut before = self.commits.consents.iter().rev();
        let known = before.find(|c| self.is_before((c.body.time, &c.body.entry), evaluation));
        let commit = known.map_or(0, |commit| commit.number);
        let others = people.aliases(person);
        [seen.day, evaluation.0.date()].into_iter().all(|day| {
            let asked = Use {
                day,
                purposes: std::slice::from_ref(&policy.purpose),
                institution: &seen.row.institution,
                category: &seen.category,
                time: evaluation.0,
                commit,
            };
            let stood = |id: &str| self.register.stood(id, &asked);
            stood(person) && others.iter().all(|id| self.register.key(id).is_none() || stood(id))
        })
    }
}

/// The leaf of a line: a token that only its person's key finds, and a keyed commitment to its text.
fn leaf(sources: &Sources<'_>, policy: &str, line: &Line) -> Option<[u8; 64]> {
    let key = sources.line_key(&line.contributor);
    let digest = Sha3Digest::of(&canonical(line).ok()?);
    let (policy, digest) = (policy.as_bytes(), digest.as_bytes().as_slice());
    let token = hmac_sha3_parts(&key, &[b"rdm/cover-token/v1", policy, digest]);
    let salt = hmac_sha3_parts(&key, &[b"rdm/cover-salt/v1", policy, digest]);
    let sealed = hmac_sha3_parts(&salt, &[b"rdm/cover/v1", policy, digest, digest]);
    let mut leaf = [0; 64];
    let (left, right) = leaf.split_at_mut(32);
    left.copy_from_slice(&token);
    right.copy_from_slice(&sealed);
    Some(leaf)
}

#[cfg(test)]
mod tests;

//! A sponsor's audit: gathers what the acts recorded of a pool, and hands it out as figures and pages.
//!
//! Comes in: a pool, days, the findings of the audit. Goes out: [`SponsorAudit`], its files.
//! Never: a write to what is audited, or a contributor's name.

mod books;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use arrow::array::{Array as _, AsArray as _};

use super::{
    book, fund, payout,
    settle::{self, LineKeys, object},
    statement::{self, Form},
};
use crate::{
    digest::Sha256,
    money::{Accrual, Amount, MICRO},
    report::{
        self, AccountFacts, AuditPage, Checkpoint, Days, Excluded, InstitutionFacts, LayerFacts,
        Money, OfPeople, PoolFacts, PublicCount, QuestionFacts, Receipt, RulesFacts, Sample,
        SampleLine, SettlementFacts, SponsorAudit, SponsorReader, draw,
    },
    reward::{
        Dated, Inputs, InstitutionTotals, Line, Override, Pool, PoolId, RelationError, Settled,
        Settlement, journal,
        proof::{LineTree, leaf_hash},
        read_payee_lines, read_table,
    },
    site::Site,
    store,
};

/// Why there is no sponsor's audit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools or a settlement cannot be read.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// The book cannot be read.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// The journal cannot be made.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The payouts cannot be read.
    #[error(transparent)]
    Payout(#[from] payout::Error),
    /// The relations cannot be read.
    #[error(transparent)]
    Related(#[from] RelationError),
    /// A sum does not fit.
    #[error(transparent)]
    TooLarge(#[from] report::TooLarge),
    /// The page could not be written as JSON.
    #[error("the audit could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The page could not be laid out.
    #[error(transparent)]
    Pdf(#[from] report::PdfError),
    /// The days are none.
    #[error("the first day comes after the last")]
    Days,
}

impl From<fund::Error> for Error {
    fn from(error: fund::Error) -> Self {
        Self::Settle(error.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Settle(error.into())
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The days whose acts are told of.
    pub days: Days,
    /// How many lines are drawn, and the seed that they are drawn by.
    pub sample: Option<(usize, String)>,
}

/// Makes a sponsor's own copy; `audited` is the audit of the pool, whose findings become exceptions.
pub fn audit(
    site: &Site,
    pool: &PoolId,
    ask: &Ask,
    audited: &AuditPage,
) -> Result<SponsorAudit, Error> {
    if ask.days.from.zip(ask.days.until).is_some_and(|(from, until)| from > until) {
        return Err(Error::Days);
    }
    let pools = fund::pools(site)?;
    let pool = pools.get(pool).ok_or_else(|| fund::Error::Unknown(pool.clone()))?;
    let mut gathered = Gathered::new(site, pool);
    for settled in &pool.settled {
        let (inputs, settlement) = statement::settlement(site, settled)?;
        gathered.add(settled, &inputs, &settlement)?;
    }
    let mut facts = gathered.facts(ask, SponsorReader::Sponsor)?;
    facts.checks.clone_from(&audited.checks);
    facts.findings.clone_from(&audited.findings);
    Ok(SponsorAudit::of(facts, SponsorReader::Sponsor)?)
}

/// Writes an audit in the forms asked for: names and bytes of files, the same for the same audit.
pub fn files(audit: &SponsorAudit, forms: &[Form]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let name = |form: Form| format!("{}-sponsor.{}", audit.pool, ending(form));
    let forms: BTreeSet<Form> = forms.iter().copied().collect();
    let write = |form: &Form| {
        let bytes = match form {
            Form::Html => {
                let others = forms.iter().filter(|other| **other != Form::Html);
                let named: Vec<(&str, String)> = others.map(|o| (beside(*o), name(*o))).collect();
                let named: Vec<(&str, &str)> =
                    named.iter().map(|(w, n)| (*w, n.as_str())).collect();
                report::sponsor_page(audit, &named).into_bytes()
            }
            Form::Json => report::json(audit)?.into_bytes(),
            Form::Pdf => report::sponsor_document(audit).pdf(audit.time)?,
            Form::Csv => report::sponsor_csv(audit).into_bytes(),
        };
        Ok((name(*form), bytes))
    };
    forms.iter().map(write).collect()
}

fn ending(form: Form) -> &'static str {
    match form {
        Form::Html => "html",
        Form::Pdf => "pdf",
        Form::Csv => "csv",
        Form::Json => "json",
    }
}

fn beside(form: Form) -> &'static str {
    match form {
        Form::Html => "On the screen",
        Form::Json => "The same for programs",
        Form::Pdf => "On paper",
        Form::Csv => "For a spreadsheet",
    }
}

/// What was gathered of a pool so far.
pub(super) struct Gathered<'a> {
    site: &'a Site,
    pool: &'a Pool,
    /// A number for each payee: a verified person, else a contributor.
    payees: BTreeMap<String, usize>,
    settlements: Vec<SettlementFacts>,
    /// The lines of each settlement, to draw from.
    lines: Vec<Vec<Line>>,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(site: &'a Site, pool: &'a Pool) -> Self {
        Self { site, pool, payees: BTreeMap::new(), settlements: Vec::new(), lines: Vec::new() }
    }

    /// Takes a settlement in, which was computed again from its inputs.
    pub(super) fn add(
        &mut self,
        settled: &Dated<Settled>,
        inputs: &Inputs,
        settlement: &Settlement,
    ) -> Result<(), Error> {
        let (act, totals) = (&settled.act, &settled.act.totals);
        let currency = self.pool.currency();
        let held = total(settlement.held.iter().map(|part| part.micro))?;
        let before = self.settlements.last().map_or(0, |s| s.held.micro());
        let people = AccountFacts {
            opening: sum(totals.opening, Accrual::new(before, currency))?,
            earned: sum(totals.person, totals.adjusted)?,
            payable: totals.payable,
            closing: sum(totals.carried, Accrual::new(held, currency))?,
        };
        let nothing = Accrual::new(0, currency);
        let count =
            |is: fn(&Line) -> bool| settlement.lines.iter().filter(|l| is(l)).count() as u64;
        let holding: BTreeSet<_> = settlement.held.iter().map(|part| &part.contributor).collect();
        let facts = SettlementFacts {
            period: act.period.to_string(),
            time: settled.time,
            received: totals.received,
            returned: totals.returned,
            fee: totals.fee,
            reserve: totals.reserve,
            unallocated: totals.unallocated,
            people,
            tax: totals.tax,
            held: Accrual::new(held, currency),
            institutions: account(totals.institutions.as_ref(), nothing),
            platform: account(totals.platform_account.as_ref(), nothing),
            adjusted: Accrual::new(totals.adjusted.micro().saturating_neg(), currency),
            of_people: OfPeople {
                taxed: count(|line| line.tax_minor > 0),
                held: holding.len() as u64,
                adjusted: count(|line| line.adjust_micro < 0),
            },
            layers: totals
                .layers
                .iter()
                .map(|layer| LayerFacts {
                    layer: layer.layer.name().to_owned(),
                    pot: layer.pot,
                    unallocated: layer.unallocated,
                })
                .collect(),
            questions: self.questions(inputs, settlement)?,
            by_institution: self.institutions(inputs, settlement)?,
            paid_to: self.paid_to(inputs, settlement)?,
            excluded: excluded(inputs),
            root: act.root,
            lines: act.count,
            entry: id(&settled.entry).to_string(),
        };
        self.settlements.push(facts);
        self.lines.push(settlement.lines.clone());
        Ok(())
    }

    fn questions(
        &self,
        inputs: &Inputs,
        settlement: &Settlement,
    ) -> Result<Vec<QuestionFacts>, Error> {
        let mut units = vec![0_u128; inputs.queries.len()];
        for used in &settlement.uses {
            if let Some(sum) = units.get_mut(used.query) {
                *sum = sum.checked_add(used.units).ok_or(report::TooLarge)?;
            }
        }
        let question = |(query, units): (&crate::reward::QueryInput, u128)| QuestionFacts {
            purpose: query.purpose.clone(),
            units,
            entry: query.entry.to_string(),
            allowed: self.pool.opened.act.pays_for(&query.purpose),
        };
        Ok(inputs.queries.iter().zip(units).map(question).collect())
    }

    /// Counts the people of each institution in the versions that the base layer pays for.
    fn institutions(
        &self,
        inputs: &Inputs,
        settlement: &Settlement,
    ) -> Result<Vec<InstitutionFacts>, Error> {
        let mut people: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if !settlement.institutions.is_empty() {
            for version in inputs.versions.iter().filter(|version| version.base) {
                let path = || version.roster.path.clone();
                let table = read_table(&object(self.site, &version.roster)?)
                    .map_err(|source| settle::Error::Table { path: path(), source })?;
                let column = |name| table.column_by_name(name)?.as_string_opt::<i32>();
                let columns = column("contributor").zip(column("institution"));
                let (who, sent) =
                    columns.ok_or_else(|| settle::Error::Integrity { path: path() })?;
                for row in 0..who.len() {
                    let known = people.entry(sent.value(row).to_owned()).or_default();
                    known.insert(who.value(row).to_owned());
                }
            }
        }
        let currency = self.pool.currency();
        let line = |line: &crate::reward::InstitutionLine| {
            let institution = line.institution.as_str().to_owned();
            InstitutionFacts {
                people: people.get(&institution).map_or(0, |people| people.len() as u64),
                earned: Accrual::new(line.accrued_micro.into(), currency),
                paid: Amount::new(line.paid_minor.into(), currency),
                institution,
            }
        };
        Ok(settlement.institutions.iter().map(line).collect())
    }

    fn paid_to(
        &mut self,
        inputs: &Inputs,
        settlement: &Settlement,
    ) -> Result<Vec<(usize, u64)>, Error> {
        let mut persons = BTreeMap::new();
        if let Some(at) = &inputs.payees {
            let table = read_payee_lines(&object(self.site, at)?)
                .map_err(|source| settle::Error::Table { path: at.path.clone(), source })?;
            for payee in table {
                if let Some(person) = payee.verified_person() {
                    persons.insert(payee.contributor.clone(), person.to_owned());
                }
            }
        }
        let mut paid = Vec::new();
        for line in settlement.lines.iter().filter(|line| line.paid_minor > 0) {
            // A person's key and a contributor's id are never taken for one another.
            let payee = match persons.get(&line.contributor) {
                Some(person) => format!("person {person}"),
                None => format!("contributor {}", line.contributor.as_str()),
            };
            let next = self.payees.len();
            let number = *self.payees.entry(payee).or_insert(next);
            paid.push((number, u64::try_from(line.paid_minor).unwrap_or(0)));
        }
        Ok(paid)
    }

    /// Returns all that is told of the pool; the checks and findings of an audit are not among it.
    pub(super) fn facts(self, ask: &Ask, reader: SponsorReader) -> Result<PoolFacts, Error> {
        let (site, pool) = (self.site, self.pool);
        let private = reader == SponsorReader::Sponsor;
        let movements = if private { payout::movements(site, pool.id())? } else { Vec::new() };
        let opened = &pool.opened.act;
        let (size, root) = book::head(site)?;
        let sample = match &ask.sample {
            Some((count, seed)) => Some(self.sample(ask.days, *count, seed)?),
            None => None,
        };
        Ok(PoolFacts {
            pool: pool.id().to_string(),
            origin: site.about().origin.clone(),
            time: site.now(),
            currency: pool.currency(),
            days: ask.days,
            datasets: opened.datasets.clone(),
            purposes: opened.purposes.clone(),
            rules: RulesFacts {
                name: format!("{} version {}", opened.rules.name, opened.rules.version),
                digest: opened.rules.digest().map_err(fund::Error::from)?.to_string(),
                method: "almoner-reward/v2".to_owned(),
                fee_bps: opened.rules.fee_bps,
                reserve_bps: opened.rules.reserve_bps,
            },
            receipts: pool
                .funded
                .iter()
                .map(|funded| Receipt {
                    time: funded.time,
                    amount: funded.act.amount,
                    sponsor: funded.act.sponsor.as_str().to_owned(),
                })
                .collect(),
            // What the bank booked may be one person's: it is for the sponsor alone.
            bank: if private { books::bank(&movements, pool.currency())? } else { None },
            payouts: if private { books::payouts(site, pool, ask.days)? } else { Vec::new() },
            related: books::related(site)?,
            overrides: books::overrides(pool),
            journal: books::journal(pool, &movements, ask.days)?,
            checks: Vec::new(),
            findings: Vec::new(),
            entries: books::entries(site, pool, &movements, ask.days)?,
            checkpoint: Checkpoint { size, root: root.to_string() },
            sample,
            settlements: self.settlements,
        })
    }

    /// Draws lines of the settlements of these days.
    fn sample(&self, days: Days, count: usize, seed: &str) -> Result<Sample, Error> {
        let keys = LineKeys::load(self.site)?;
        let all = self.pool.settled.iter().zip(&self.lines);
        let within: Vec<(&Dated<Settled>, &Vec<Line>)> =
            all.filter(|(settled, _)| days.hold(settled.time)).collect();
        let trees: Vec<(Sha256, u64)> =
            within.iter().map(|(settled, _)| (settled.act.root, settled.act.count)).collect();
        let mut opened: BTreeMap<usize, LineTree> = BTreeMap::new();
        let mut drawn = Vec::new();
        for one in draw(&trees, count, seed) {
            let place = usize::try_from(one.line).ok().and_then(|line| line.checked_sub(1));
            let Some((settled, line)) = within
                .get(one.settlement)
                .and_then(|(settled, lines)| Some((*settled, lines.get(place?)?)))
            else {
                continue;
            };
            let act = &settled.act;
            if let Entry::Vacant(place) = opened.entry(one.settlement) {
                let changed = || settle::Error::Integrity { path: act.leaves.path.clone() };
                let tree = LineTree::read(&object(self.site, &act.leaves)?);
                let tree = tree.filter(|tree| tree.root() == act.root).ok_or_else(changed)?;
                place.insert(tree);
            }
            let proof = match opened.get(&one.settlement) {
                Some(tree) => tree
                    .prove(&act.pool, &act.period, line, &keys.of(&line.contributor))
                    .map_err(settle::Error::from)?,
                None => None,
            };
            let micro = |micro: i64| Money::of_micro(micro.into(), self.pool.currency());
            let minor = |minor: i64| {
                Money::of_micro(i128::from(minor).saturating_mul(MICRO), self.pool.currency())
            };
            drawn.push(SampleLine {
                period: act.period.to_string(),
                line: one.line,
                key: one.key.to_string(),
                root: act.root.to_string(),
                leaf: proof.map(|proof| proof.leaf),
                earned: micro(line.person_micro.saturating_add(line.adjust_micro)),
                tax: minor(line.tax_minor),
                paid: minor(line.paid_minor),
                carried: micro(line.closing_micro),
                command: format!("almoner audit recompute {} --period {}", act.pool, act.period),
            });
        }
        Ok(Sample {
            seed: seed.to_owned(),
            method: "the lines with the smallest SHA3-256(seed || root || line), the line's number, \
                     from 1, in eight bytes, the most significant first",
            lines: trees.iter().map(|(_, count)| *count).sum(),
            drawn,
        })
    }
}

fn account(sums: Option<&InstitutionTotals>, nothing: Accrual) -> AccountFacts {
    match sums {
        Some(sums) => AccountFacts {
            opening: sums.opening,
            earned: sums.accrued,
            payable: sums.paid,
            closing: sums.carried,
        },
        None => AccountFacts {
            opening: nothing,
            earned: nothing,
            payable: Amount::zero(nothing.currency()),
            closing: nothing,
        },
    }
}

fn sum(first: Accrual, second: Accrual) -> Result<Accrual, report::TooLarge> {
    let micro = first.micro().checked_add(second.micro()).ok_or(report::TooLarge)?;
    Ok(Accrual::new(micro, first.currency()))
}

fn total(parts: impl Iterator<Item = i64>) -> Result<i128, report::TooLarge> {
    let mut parts = parts.map(i128::from);
    parts.try_fold(0_i128, i128::checked_add).ok_or(report::TooLarge)
}

fn excluded(inputs: &Inputs) -> Excluded {
    let mut queries = BTreeSet::new();
    let mut contributors = BTreeSet::new();
    for decided in &inputs.overrides {
        match &decided.act {
            Override::ExcludeQuery { query } => drop(queries.insert(*query)),
            Override::ExcludeContributor { contributor } => {
                contributors.insert(contributor.clone());
            }
            Override::Price { .. } | Override::Correct { .. } => {}
        }
    }
    Excluded {
        repeats: inputs.repeats.len() as u64,
        other_purpose: inputs.other_purpose.len() as u64,
        overridden: queries.len() as u64,
        contributors: PublicCount::new(contributors.len() as u64),
    }
}

fn id(entry: &str) -> Sha256 {
    leaf_hash(entry.as_bytes())
}

#[cfg(test)]
mod tests;

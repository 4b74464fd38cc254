//! What a settlement was reckoned from: the recorded inputs and the tables that they name, each held
//! against its digest first.
//!
//! Comes in: the digest of the inputs, a vault. Goes out: [`Given`]. Never: a table that nobody
//! named, or one whose bytes have changed.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::StringArray;
use bytes::Bytes;
use serde::Deserialize;

use super::{
    Audit, Check,
    inputs::METHOD,
    lines::{self, Held, Line, Share, rows},
    rules::RuleSet,
    shape::{Named, Override},
    table::{flags, ints, object, texts},
};
use crate::{
    digest::{Sha3Digest, canonical},
    money::{Accrual, Amount, Currency},
    store::{self, Store},
};

/// The recorded inputs, as they stand in JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    #[serde(rename = "format")]
    _format: u32,
    pub(super) pool: String,
    pub(super) period: String,
    #[serde(rename = "datasets")]
    _datasets: Vec<String>,
    #[serde(rename = "purposes", default)]
    _purposes: Vec<String>,
    pub(super) rules: Rules,
    funded: Vec<FundedInput>,
    returned: Accrual,
    versions: Vec<VersionInput>,
    queries: Vec<QueryInput>,
    #[serde(rename = "repeats")]
    _repeats: Vec<u64>,
    #[serde(rename = "other_purpose", default)]
    _other_purpose: Vec<u64>,
    #[serde(default)]
    related: Vec<RelatedInput>,
    #[serde(default)]
    overrides: Vec<OverrideInput>,
    pub(super) payees: Option<Named>,
    pub(super) new_data: Option<Named>,
    value: Option<ValueInput>,
    opening: Option<OpeningInput>,
    pub(super) seed: Sha3Digest,
}

impl Inputs {
    /// Returns how many tables they name.
    pub(super) fn objects(&self) -> u64 {
        let value = self.value.as_ref().map(|value| &value.object);
        let opening = self
            .opening
            .iter()
            .flat_map(|at| std::iter::once(&at.lines).chain(&at.institution_lines).chain(&at.held));
        let named = self.versions.iter().map(|version| &version.roster);
        let named = named.chain(self.queries.iter().map(|query| &query.lines)).chain(opening);
        let named = named.chain(&self.payees).chain(&self.new_data).chain(value);
        u64::try_from(named.count()).unwrap_or(u64::MAX)
    }
}

/// The rules of the settlement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) method: String,
    pub(super) currency: Currency,
    pub(super) set: RuleSet,
    pub(super) units_per_query: u64,
    #[serde(rename = "rounding")]
    _rounding: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FundedInput {
    #[serde(rename = "commit")]
    _commit: u64,
    #[serde(rename = "entry")]
    _entry: String,
    amount: Amount,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionInput {
    #[serde(rename = "commit")]
    _commit: u64,
    #[serde(rename = "entry")]
    _entry: String,
    dataset: String,
    version: u64,
    roster: Named,
    base: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct QueryInput {
    dataset: String,
    version: u64,
    institution: Option<String>,
    price: u32,
    people: u64,
    rows: u64,
    lines: Named,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelatedInput {
    payer: String,
    institution: String,
    #[serde(rename = "entry")]
    _entry: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideInput {
    #[serde(rename = "commit")]
    _commit: u64,
    #[serde(rename = "entry")]
    _entry: String,
    act: Override,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueInput {
    #[serde(rename = "commit")]
    _commit: u64,
    #[serde(rename = "entry")]
    _entry: String,
    object: Named,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpeningInput {
    #[serde(rename = "commit")]
    _commit: u64,
    lines: Named,
    #[serde(default)]
    institution_lines: Option<Named>,
    #[serde(default)]
    held: Option<Named>,
    #[serde(default)]
    platform: Option<Accrual>,
}

/// One person at one institution, of a roster.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) contributor: String,
    pub(super) institution: String,
    pub(super) pseudonym: String,
    /// Records, duplicates counted once.
    pub(super) records: u64,
    pub(super) quality: u64,
}

/// A version, with who is in it.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) dataset: String,
    pub(super) number: u64,
    /// Whether the base layer pays for it.
    pub(super) base: bool,
    pub(super) seats: Vec<Seat>,
}

/// A question, with whose rows it drew on.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) dataset: String,
    pub(super) version: u64,
    pub(super) institution: Option<String>,
    pub(super) price: u32,
    /// Pseudonym and rows.
    pub(super) drawn: Vec<(String, u64)>,
}

/// What the register of payees says of a contributor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Payee {
    /// Which person they say to be.
    pub(super) person: Option<String>,
    /// Whether that was verified.
    pub(super) verified: bool,
    pub(super) country: Option<String>,
}

impl Payee {
    /// Returns which person they are, where that was verified.
    pub(super) fn verified_person(&self) -> Option<&str> {
        self.person.as_deref().filter(|_| self.verified)
    }
}

/// New records of a contributor in a stratum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewData {
    pub(super) contributor: String,
    pub(super) stratum: String,
    pub(super) new: u64,
    pub(super) prior: u64,
    pub(super) quality: u64,
    /// How many verified contributors have records in the stratum.
    pub(super) verified: u64,
    /// Whether the records count now.
    pub(super) vested: bool,
}

/// Where the settlement before left everyone.
#[derive(Debug, Default)]
pub(super) struct Opening {
    pub(super) people: Vec<Line>,
    pub(super) institutions: Vec<Share>,
    pub(super) held: Vec<Held>,
    pub(super) platform: i64,
}

/// Everything that a settlement is reckoned from.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) inputs: Inputs,
    pub(super) received: u128,
    pub(super) returned: u128,
    pub(super) versions: Vec<Version>,
    pub(super) questions: Vec<Question>,
    /// By asker: the institutions whose records do not count.
    pub(super) related: BTreeMap<String, BTreeSet<String>>,
    pub(super) overrides: Vec<Override>,
    pub(super) payees: BTreeMap<String, Payee>,
    pub(super) new_data: Vec<NewData>,
    pub(super) value: BTreeMap<String, u128>,
    pub(super) opening: Opening,
    pub(super) seed: Sha3Digest,
}

impl Given {
    /// Returns whom the steward excluded from the settlement.
    pub(super) fn excluded(&self) -> BTreeSet<&str> {
        let excluded = self.overrides.iter().filter_map(|change| match change {
            Override::ExcludeContributor { contributor } => Some(contributor.as_str()),
            Override::ExcludeQuery { .. } | Override::Price { .. } | Override::Correct { .. } => {
                None
            }
        });
        excluded.collect()
    }

    /// Returns who must make good how many minor units that should not have been paid.
    pub(super) fn corrections(&self) -> impl Iterator<Item = (&str, i128)> {
        self.overrides.iter().filter_map(|change| match change {
            Override::Correct { contributor, amount } => {
                Some((contributor.as_str(), amount.minor()))
            }
            Override::ExcludeQuery { .. }
            | Override::Price { .. }
            | Override::ExcludeContributor { .. } => None,
        })
    }

    /// Returns what breaks the ties of a payee.
    pub(super) fn tie(&self, payee: &str) -> Sha3Digest {
        Sha3Digest::of(&[self.seed.as_bytes().as_slice(), payee.as_bytes()].concat())
    }
}

/// Reads the inputs; `None`, and a finding that names the object, where they are not what was
/// recorded or cannot be read.
pub(super) fn inputs(
    audit: &mut Audit,
    vault: &Store,
    at: &Named,
) -> Result<Option<(Inputs, Bytes)>, store::Error> {
    let Some(bytes) = object(audit, vault, "vault", &at.path, &at.digest)? else {
        return Ok(None);
    };
    let name = format!("vault/{}", at.path);
    let read: Option<Inputs> = serde_json::from_slice(&bytes).ok();
    let read = read.filter(|inputs| inputs.rules.method == METHOD);
    let readable = "it cannot be read as inputs of this method";
    audit.check(Check::Inputs, &name, read.is_some(), readable);
    let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let same = value.as_ref().and_then(|v| canonical(v).ok()).is_some_and(|own| own == *bytes);
    if !audit.check(Check::Inputs, &name, same, "it is not in canonical bytes") {
        return Ok(None);
    }
    let fixed = value.and_then(|mut value| {
        value.as_object_mut()?.remove("seed")?;
        Some(Sha3Digest::of(&canonical(&value).ok()?))
    });
    let redacted = audit.redacted.contains(&name);
    let good = redacted || read.as_ref().is_none_or(|read| Some(read.seed) == fixed);
    audit.check(Check::Inputs, &name, good, "its seed is not that of its other members");
    Ok(read.map(|read| (read, bytes)))
}

/// Reads every table that the inputs name; `None`, and a finding for each that is not as recorded.
pub(super) fn load(
    audit: &mut Audit,
    vault: &Store,
    inputs: Inputs,
) -> Result<Option<Given>, store::Error> {
    let mut tables = Tables { audit, vault, whole: true };
    let mut versions = Vec::new();
    for version in &inputs.versions {
        versions.push(Version {
            dataset: version.dataset.clone(),
            number: version.version,
            base: version.base,
            seats: tables.read(&version.roster, seats)?,
        });
    }
    let mut questions = Vec::new();
    for query in &inputs.queries {
        let drawn = tables.read(&query.lines, drawn)?;
        let rows = drawn.iter().try_fold(0_u64, |sum, (_, rows)| sum.checked_add(*rows));
        let told =
            rows == Some(query.rows) && u64::try_from(drawn.len()).ok() == Some(query.people);
        let fault = "its people or rows are not those that the inputs name";
        tables.good(&query.lines, told, fault);
        questions.push(Question {
            dataset: query.dataset.clone(),
            version: query.version,
            institution: query.institution.clone(),
            price: query.price,
            drawn,
        });
    }
    let payees = tables.find(inputs.payees.as_ref(), payees)?;
    let new_data = tables.find(inputs.new_data.as_ref(), new_data)?;
    let value = tables.find(inputs.value.as_ref().map(|value| &value.object), values)?;
    let mut opening = Opening::default();
    if let Some(at) = &inputs.opening {
        opening.people = tables.read(&at.lines, lines::lines)?;
        opening.institutions = tables.find(at.institution_lines.as_ref(), lines::institutions)?;
        opening.held = tables.find(at.held.as_ref(), lines::held)?;
        opening.platform =
            at.platform.and_then(|sum| i64::try_from(sum.micro()).ok()).unwrap_or_default();
    }
    if !tables.whole {
        return Ok(None);
    }
    let mut related: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pair in &inputs.related {
        related.entry(pair.payer.clone()).or_default().insert(pair.institution.clone());
    }
    let received =
        inputs.funded.iter().try_fold(0_i128, |sum, f| sum.checked_add(f.amount.minor()));
    let received = received.and_then(|sum| u128::try_from(sum).ok());
    let returned = u128::try_from(inputs.returned.micro()).ok();
    let (Some(received), Some(returned)) = (received, returned) else { return Ok(None) };
    Ok(Some(Given {
        received,
        returned,
        versions,
        questions,
        related,
        overrides: inputs.overrides.iter().map(|item| item.act.clone()).collect(),
        payees: payees.into_iter().collect(),
        new_data,
        value: value.into_iter().collect(),
        opening,
        seed: inputs.seed,
        inputs,
    }))
}

/// Reads tables one after the other, and remembers whether all were as recorded.
struct Tables<'a> {
    audit: &'a mut Audit,
    vault: &'a Store,
    whole: bool,
}

impl Tables<'_> {
    fn good(&mut self, at: &Named, good: bool, fault: &str) {
        self.whole &= self.audit.check(Check::Inputs, &format!("vault/{}", at.path), good, fault);
    }

    fn read<T>(
        &mut self,
        at: &Named,
        read: impl Fn(Bytes) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, store::Error> {
        let Some(bytes) = object(self.audit, self.vault, "vault", &at.path, &at.digest)? else {
            self.whole = false;
            return Ok(Vec::new());
        };
        let rows = read(bytes);
        self.good(at, rows.is_some(), "it is not the table that the inputs say it is");
        Ok(rows.unwrap_or_default())
    }

    fn find<T>(
        &mut self,
        at: Option<&Named>,
        read: impl Fn(Bytes) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, store::Error> {
        at.map_or_else(|| Ok(Vec::new()), |at| self.read(at, read))
    }
}

fn natural(cell: i64) -> Option<u64> {
    u64::try_from(cell).ok()
}

fn seats(bytes: Bytes) -> Option<Vec<Seat>> {
    rows(bytes, |batch, all| {
        let (contributor, institution) =
            (texts(batch, "contributor")?, texts(batch, "institution")?);
        let pseudonym = texts(batch, "pseudonym")?;
        let (rows, quality) = (ints(batch, "rows")?, ints(batch, "quality_ppm")?);
        // A roster of before duplicates were counted has as many records as rows.
        let records = match batch.column_by_name("records") {
            Some(_) => ints(batch, "records")?,
            None => rows,
        };
        for row in 0..batch.num_rows() {
            all.push(Seat {
                contributor: contributor.value(row).to_owned(),
                institution: institution.value(row).to_owned(),
                pseudonym: pseudonym.value(row).to_owned(),
                records: natural(records.value(row))?,
                quality: natural(quality.value(row))?,
            });
        }
        Some(())
    })
}

fn drawn(bytes: Bytes) -> Option<Vec<(String, u64)>> {
    rows(bytes, |batch, all| {
        let (pseudonym, rows) = (texts(batch, "pseudonym")?, ints(batch, "rows")?);
        for row in 0..batch.num_rows() {
            all.push((pseudonym.value(row).to_owned(), natural(rows.value(row))?));
        }
        Some(())
    })
}

fn payees(bytes: Bytes) -> Option<Vec<(String, Payee)>> {
    rows(bytes, |batch, all| {
        let contributor = texts(batch, "contributor")?;
        let (person, country) = (texts(batch, "person")?, texts(batch, "country")?);
        let verified = flags(batch, "verified")?;
        // What is not known is an empty text.
        let known = |column: &StringArray, row| {
            let text: &str = column.value(row);
            (!text.is_empty()).then(|| text.to_owned())
        };
        for row in 0..batch.num_rows() {
            let (person, country) = (known(person, row), known(country, row));
            let payee = Payee { person, verified: verified.value(row), country };
            all.push((contributor.value(row).to_owned(), payee));
        }
        Some(())
    })
}

pub(super) fn new_data(bytes: Bytes) -> Option<Vec<NewData>> {
    rows(bytes, |batch, all| {
        let (contributor, stratum) = (texts(batch, "contributor")?, texts(batch, "stratum")?);
        let of = |name| ints(batch, name);
        let (new, prior, quality) = (of("new")?, of("prior")?, of("quality_ppm")?);
        let (verified, vested) = (of("verified")?, flags(batch, "vested")?);
        for row in 0..batch.num_rows() {
            all.push(NewData {
                contributor: contributor.value(row).to_owned(),
                stratum: stratum.value(row).to_owned(),
                new: natural(new.value(row))?,
                prior: natural(prior.value(row))?,
                quality: natural(quality.value(row))?,
                verified: natural(verified.value(row))?,
                vested: vested.value(row),
            });
        }
        Some(())
    })
}

fn values(bytes: Bytes) -> Option<Vec<(String, u128)>> {
    rows(bytes, |batch, all| {
        let (contributor, value) = (texts(batch, "contributor")?, texts(batch, "value")?);
        for row in 0..batch.num_rows() {
            all.push((contributor.value(row).to_owned(), value.value(row).parse().ok()?));
        }
        Some(())
    })
}

//! The money: each settlement reckoned anew from what counted, line by line, and each pool's books
//! closed to the millionth of a cent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Audit, Check, Evidence,
    apportion::shares,
    asked::Usage,
    commits::Commits,
    inputs::{Before, UNITS, gather, interval},
    released::Versions,
    settled::Line,
    shape::{Act, Settled, Terms, Totals},
    shared::{self, Due, Share},
    stood::Register,
    table::{self, ascends, count, ints, leaf_hash, object, root, texts},
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical, hmac_sha3_parts},
    money::{Accrual, Amount, Currency},
    store,
};

const MICRO: i128 = 1_000_000;

/// The lines that a settlement begins with.
#[derive(Debug, Clone, Default)]
struct Lines {
    people: Vec<Line>,
    institutions: Vec<Share>,
}

impl Lines {
    /// Makes those of a settlement that could not be reckoned; what is wrong with it is found already.
    fn of_people(people: Vec<Line>) -> Self {
        Self { people, institutions: Vec::new() }
    }
}

/// What all the settlements are reckoned from.
pub(super) struct Sources<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) commits: &'a Commits,
    pub(super) register: &'a Register,
    pub(super) versions: &'a Versions,
    pub(super) usage: &'a Usage,
}

pub(super) fn pools(
    sources: &Sources<'_>,
    audit: &mut Audit,
    only: Option<&str>,
) -> Result<(), store::Error> {
    let mut pools: BTreeMap<&str, Before<'_>> = BTreeMap::new();
    let mut closing: BTreeMap<&str, Lines> = BTreeMap::new();
    for commit in &sources.commits.pools {
        let act = &commit.body.act;
        if only.is_some_and(|only| only != act.pool()) {
            continue;
        }
        if let Act::Opened(opened) = act {
            let before = Before { opened, funded: Vec::new(), settled: Vec::new() };
            let fresh = pools.insert(&opened.pool, before).is_none();
            audit.check(Check::Once, &commit.path, fresh, "the pool was opened before");
            let Terms { fee_bps, institution_ppm, base_ppm, usage_ppm, minimum } = &opened.terms;
            let whole = base_ppm.checked_add(*usage_ppm) == Some(1_000_000) && *fee_bps <= 10_000;
            let whole = whole && *institution_ppm <= 1_000_000;
            let whole = whole && minimum.minor() >= 0 && minimum.currency() == opened.currency;
            audit.check(Check::Sums, &commit.path, whole, "its terms do not give out the whole");
            continue;
        }
        let pool = pools.get_mut(act.pool());
        let opened = "the pool was not opened before";
        if !audit.check(Check::Commit, &commit.path, pool.is_some(), opened) {
            continue;
        }
        let Some(pool) = pool else { continue };
        match act {
            Act::Opened(_) => {}
            Act::Funded(funded) => {
                let amount = funded.amount;
                let good = amount.minor() > 0 && amount.currency() == pool.opened.currency;
                let fault = "the payment is not a positive one in the pool's currency";
                audit.check(Check::Sums, &commit.path, good, fault);
                let again = pool.funded.iter().any(|(.., f)| f.reference == funded.reference);
                audit.check(Check::Once, &commit.path, !again, "the payment was recorded before");
                pool.funded.push((commit.number, commit.body.time, &commit.body.entry, funded));
            }
            Act::Settled(act) => {
                once(audit, &commit.path, pool, act);
                let opening = closing.get(act.pool.as_str()).cloned().unwrap_or_default();
                let lines = settlement(sources, audit, &commit.path, pool, act, &opening)?;
                closing.insert(&act.pool, lines.unwrap_or_default());
                pool.settled.push((commit.number, act));
            }
        }
    }
    for (name, pool) in &pools {
        let good = closes(pool) == Some(true);
        let fault = "what came in is not fees, payments, carried balances and what is left";
        audit.check(Check::Sums, &format!("vault/pools/{name}"), good, fault);
    }
    Ok(())
}

/// Nothing of a settlement was settled before.
fn once(audit: &mut Audit, path: &str, pool: &Before<'_>, act: &Settled) {
    let own = interval(&act.period);
    let after = pool.settled.iter().all(|(_, earlier)| {
        matches!((interval(&earlier.period), own), (Some((_, end)), Some((start, _))) if end <= start)
    });
    audit.check(Check::Once, path, own.is_some() && after, "its period was settled before");
    let used: BTreeSet<u64> =
        pool.settled.iter().flat_map(|(_, s)| s.funded.iter().copied()).collect();
    let fresh = act.funded.iter().all(|commit| !used.contains(commit)) && ascends(&act.funded);
    audit.check(Check::Once, path, fresh, "it gives out a payment that was given out before");
}

/// Reckons one settlement anew; returns the lines that the next one begins with.
fn settlement(
    sources: &Sources<'_>,
    audit: &mut Audit,
    path: &str,
    pool: &Before<'_>,
    act: &Settled,
    opening: &Lines,
) -> Result<Option<Lines>, store::Error> {
    let vault = &sources.evidence.vault;
    let inputs = object(audit, vault, "vault", &act.inputs.path, &act.inputs.digest)?;
    let lines = object(audit, vault, "vault", &act.lines.path, &act.lines.digest)?;
    let leaves = object(audit, vault, "vault", &act.leaves.path, &act.leaves.digest)?;
    let recorded = lines.and_then(recorded_lines);
    let name = format!("vault/{}", act.lines.path);
    audit.check(Check::Lines, &name, recorded.is_some(), "it holds what are no lines");
    if let Some(recorded) = &recorded {
        let names: Vec<&String> = recorded.iter().map(|l| &l.contributor).collect();
        audit.check(Check::Once, &name, ascends(&names), "it is out of order, or pays one twice");
        let told = count(recorded) == act.count;
        audit.check(Check::Lines, path, told, "its lines are counted otherwise");
        sealed(sources, audit, path, act, recorded, leaves);
    }
    let expected = gather(pool, act, sources.commits);
    let Some(expected) = expected else {
        audit.check(Check::Inputs, path, false, "what it rests on is not to be found");
        return Ok(recorded.map(Lines::of_people));
    };
    let Some(seed) = inputs.and_then(|bytes| compare_inputs(audit, act, &expected, &bytes)) else {
        return Ok(recorded.map(Lines::of_people));
    };
    let funded: Option<Vec<u64>> = expected
        .get("funded")
        .and_then(Value::as_array)
        .and_then(|all| all.iter().map(|f| f.get("commit")?.as_u64()).collect());
    let same = funded.as_deref() == Some(&act.funded);
    audit.check(Check::Inputs, path, same, "it gives out other payments than had come in");
    let Some(own) = reckon(sources, pool, act, &expected, &seed, opening) else {
        audit.check(Check::Lines, path, false, "it cannot be reckoned from what it rests on");
        return Ok(recorded.map(Lines::of_people));
    };
    let (totals, lines, due) = own;
    shared::compare(sources.evidence, audit, path, act, due.as_ref())?;
    let odd = odd_totals(&totals, &act.totals);
    let fault = format!("its totals are others in `{}`", odd.join("`, `"));
    audit.check(Check::Sums, path, odd.is_empty(), &fault);
    if let Some(recorded) = &recorded {
        let told: BTreeMap<&str, &Line> =
            recorded.iter().map(|l| (l.contributor.as_str(), l)).collect();
        for line in &lines {
            let good = told.get(line.contributor.as_str()).is_some_and(|told| *told == line);
            audit.check(Check::Lines, &name, good, "somebody's line is not what it should be");
        }
        let all = recorded.len() == lines.len();
        audit.check(Check::Lines, &name, all, "it has lines that are nobody's");
    }
    // What was earned anew, not what was written, is where the next settlement begins.
    let institutions = due.map(|due| due.lines).unwrap_or_default();
    Ok(Some(Lines { people: lines, institutions }))
}

/// Compares the recorded inputs with those gathered anew; returns the seed.
fn compare_inputs(
    audit: &mut Audit,
    act: &Settled,
    expected: &Value,
    bytes: &Bytes,
) -> Option<Sha3Digest> {
    let name = format!("vault/{}", act.inputs.path);
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let same = value.as_ref().and_then(|v| canonical(v).ok()).is_some_and(|own| own == *bytes);
    if !audit.check(Check::Inputs, &name, same, "it is not in canonical bytes") {
        return None;
    }
    let mut own = value?.as_object()?.clone();
    let seed = own.remove("seed").and_then(|seed| Sha3Digest::parse(seed.as_str()?).ok());
    let fixed = canonical(&own).ok().map(|bytes| Sha3Digest::of(&bytes));
    let good = seed.is_some() && seed == fixed;
    audit.check(Check::Inputs, &name, good, "its seed is not that of its other members");
    let expected = expected.as_object()?;
    let names: BTreeSet<&String> = own.keys().chain(expected.keys()).collect();
    for member in names {
        let good = own.get(member) == expected.get(member);
        audit.check(Check::Inputs, &name, good, &format!("`{member}` is not what counted"));
    }
    seed
}

/// The leaves are the commitments to the lines, and their root is the recorded one.
fn sealed(
    sources: &Sources<'_>,
    audit: &mut Audit,
    path: &str,
    act: &Settled,
    lines: &[Line],
    leaves: Option<Bytes>,
) {
    let secret = &sources.evidence.secrets.payout_lines;
    let own: Option<Vec<[u8; 64]>> = lines
        .iter()
        .map(|line| {
            let id = &line.contributor;
            let other = || hmac_sha3_parts(secret, &[id.as_bytes()]);
            let key = sources.register.key(id).copied().unwrap_or_else(other);
            line.leaf(&act.pool, &act.period, &key)
        })
        .collect();
    let mut own = own.unwrap_or_default();
    own.sort_unstable();
    let hashes: Vec<Sha256> = own.iter().map(|leaf| leaf_hash(leaf)).collect();
    audit.check(Check::Lines, path, root(&hashes) == act.root, "its root is not that of its lines");
    if let Some(leaves) = leaves {
        let name = format!("vault/{}", act.leaves.path);
        audit.check(Check::Lines, &name, own.concat() == leaves, "its leaves are not its lines'");
    }
}

fn recorded_lines(bytes: Bytes) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    for batch in table::batches(bytes)? {
        let (person, base) = (texts(&batch, "contributor")?, texts(&batch, "base_weight")?);
        let usage = texts(&batch, "usage_weight")?;
        let of = |name| ints(&batch, name);
        let (base_micro, usage_micro) = (of("base_micro")?, of("usage_micro")?);
        let (opening, closing) = (of("opening_micro")?, of("closing_micro")?);
        let paid = of("paid_minor")?;
        for row in 0..batch.num_rows() {
            lines.push(Line {
                contributor: person.value(row).to_owned(),
                base_weight: base.value(row).parse().ok()?,
                usage_weight: usage.value(row).parse().ok()?,
                base_micro: base_micro.value(row),
                usage_micro: usage_micro.value(row),
                opening_micro: opening.value(row),
                closing_micro: closing.value(row),
                paid_minor: paid.value(row),
            });
        }
    }
    Some(lines)
}

/// Reckons totals and lines. `None` where a table is missing or a number does not fit.
fn reckon(
    sources: &Sources<'_>,
    pool: &Before<'_>,
    act: &Settled,
    expected: &Value,
    seed: &Sha3Digest,
    opening: &Lines,
) -> Option<(Totals, Vec<Line>, Option<Due>)> {
    let currency = pool.opened.currency;
    let terms = &pool.opened.terms;
    let mut received = 0_i128;
    for (commit, _, _, funded) in &pool.funded {
        if act.funded.contains(commit) {
            received = received.checked_add(funded.amount.minor())?;
        }
    }
    let returned = pool.settled.last().map_or(0, |(_, s)| s.totals.unallocated.minor());
    let fee = received.checked_mul(i128::from(terms.fee_bps))?.checked_div_euclid(10_000)?;
    let given = u128::try_from(received.checked_add(returned)?.checked_sub(fee)?).ok()?;
    let due = if terms.institution_ppm == 0 {
        None
    } else {
        let theirs = &opening.institutions;
        Some(shared::reckon(sources.versions, expected, seed, terms, given, theirs)?)
    };
    let opening = &opening.people;
    let part = due.as_ref().map_or(0, |due| due.totals.part.minor());
    let given = given.checked_sub(u128::try_from(part).ok()?)?;
    let layers = [(u128::from(terms.base_ppm), 0), (u128::from(terms.usage_ppm), 1)];
    let pots = shares(given, &layers)?;
    let (base, usage) = (*pots.first()?, *pots.last()?);

    let (base_weights, usage_weights) = weights(sources, expected, seed)?;
    let mut people: BTreeSet<&str> = base_weights.keys().map(String::as_str).collect();
    people.extend(usage_weights.keys().map(String::as_str));
    people.extend(opening.iter().filter(|l| l.closing_micro != 0).map(|l| l.contributor.as_str()));
    let before: BTreeMap<&str, i64> =
        opening.iter().map(|l| (l.contributor.as_str(), l.closing_micro)).collect();
    let given_out = |pot: u128, weights: &BTreeMap<String, u128>| -> Option<(Vec<i64>, u128)> {
        let micro = pot.checked_mul(1_000_000)?;
        let of = |id: &str| (weights.get(id).copied().unwrap_or(0), tie(seed, id));
        let claims: Vec<(u128, Sha3Digest)> = people.iter().map(|id| of(id)).collect();
        let nobody = claims.iter().all(|(weight, _)| *weight == 0);
        let micro = shares(micro, &claims)?.into_iter().map(i64::try_from);
        Some((micro.collect::<Result<_, _>>().ok()?, if nobody { pot } else { 0 }))
    };
    let (base_micro, base_left) = given_out(base, &base_weights)?;
    let (usage_micro, usage_left) = given_out(usage, &usage_weights)?;
    let mut lines = Vec::new();
    let mut sums = [0_i128; 4];
    for (id, (base_micro, usage_micro)) in
        people.iter().zip(base_micro.into_iter().zip(usage_micro))
    {
        let opening_micro = before.get(id).copied().unwrap_or(0);
        let balance = opening_micro.checked_add(base_micro)?.checked_add(usage_micro)?;
        let whole = balance.div_euclid(1_000_000);
        let enough = whole > 0 && i128::from(whole) >= terms.minimum.minor();
        let paid_minor = if enough { whole } else { 0 };
        let closing_micro = balance.checked_sub(paid_minor.checked_mul(1_000_000)?)?;
        let cells =
            [opening_micro, base_micro.checked_add(usage_micro)?, paid_minor, closing_micro];
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum = sum.checked_add(i128::from(cell))?;
        }
        lines.push(Line {
            contributor: (*id).to_owned(),
            base_weight: base_weights.get(*id).copied().unwrap_or(0),
            usage_weight: usage_weights.get(*id).copied().unwrap_or(0),
            base_micro,
            usage_micro,
            opening_micro,
            closing_micro,
            paid_minor,
        });
    }
    let shared_left = due.as_ref().map_or(0, |due| due.left);
    let amount = |minor: i128| Amount::new(minor, currency);
    let natural = |minor: u128| i128::try_from(minor).ok().map(amount);
    let [opening, accrued, paid, carried] = sums;
    let accrual = |micro: i128| Accrual::new(micro, currency);
    let totals = Totals {
        received: amount(received),
        returned: amount(returned),
        fee: amount(fee),
        base: natural(base)?,
        usage: natural(usage)?,
        unallocated: natural(base_left.checked_add(usage_left)?.checked_add(shared_left)?)?,
        opening: accrual(opening),
        accrued: accrual(accrued),
        paid: amount(paid),
        carried: accrual(carried),
        institutions: due.as_ref().map(|due| due.totals.clone()),
    };
    Some((totals, lines, due))
}

/// What breaks a contributor's ties.
fn tie(seed: &Sha3Digest, id: &str) -> Sha3Digest {
    Sha3Digest::of(&[seed.as_bytes().as_slice(), id.as_bytes()].concat())
}

/// By contributor: the weights in the base and the usage layer. Everyone of a roster has both.
type Weights = (BTreeMap<String, u128>, BTreeMap<String, u128>);

fn weights(sources: &Sources<'_>, expected: &Value, seed: &Sha3Digest) -> Option<Weights> {
    let (mut base, mut usage) = Weights::default();
    let list = |name: &str| expected.get(name).and_then(Value::as_array);
    let mut behind: BTreeMap<(&str, u64), BTreeMap<&str, &str>> = BTreeMap::new();
    for version in list("versions")? {
        let dataset = version.get("dataset")?.as_str()?;
        let number = version.get("version")?.as_u64()?;
        let pays = version.get("base")?.as_bool()?;
        let seen = sources.versions.get(&(dataset.to_owned(), number))?;
        for line in &seen.roster {
            let weight = u128::from(line.rows).checked_mul(u128::from(line.quality))?;
            let sum = base.entry(line.contributor.clone()).or_insert(0);
            usage.entry(line.contributor.clone()).or_insert(0);
            if pays {
                *sum = sum.checked_add(weight)?;
            }
            let people = behind.entry((dataset, number)).or_default();
            people.insert(&line.pseudonym, &line.contributor);
        }
    }
    for query in list("queries")? {
        let dataset = query.get("dataset")?.as_str()?;
        let people = behind.get(&(dataset, query.get("version")?.as_u64()?))?;
        let price = u128::from(query.get("price")?.as_u64()?);
        let mut drawn: BTreeMap<&str, u128> = BTreeMap::new();
        for (pseudonym, rows) in sources.usage.get(&query.get("commit")?.as_u64()?)? {
            let sum = drawn.entry(*people.get(pseudonym.as_str())?).or_default();
            *sum = sum.checked_add(u128::from(*rows))?;
        }
        let claims: Vec<(u128, Sha3Digest)> =
            drawn.iter().map(|(id, rows)| (*rows, tie(seed, id))).collect();
        let units = u128::from(UNITS).checked_mul(price)?;
        for (id, units) in drawn.keys().zip(shares(units, &claims)?) {
            let sum = usage.entry((*id).to_owned()).or_default();
            *sum = sum.checked_add(units)?;
        }
    }
    Some((base, usage))
}

fn odd_totals(own: &Totals, told: &Totals) -> Vec<&'static str> {
    [
        ("received", own.received == told.received),
        ("returned", own.returned == told.returned),
        ("fee", own.fee == told.fee),
        ("base", own.base == told.base),
        ("usage", own.usage == told.usage),
        ("unallocated", own.unallocated == told.unallocated),
        ("opening", own.opening == told.opening),
        ("accrued", own.accrued == told.accrued),
        ("paid", own.paid == told.paid),
        ("carried", own.carried == told.carried),
        ("institutions", own.institutions == told.institutions),
    ]
    .into_iter()
    .filter_map(|(name, same)| (!same).then_some(name))
    .collect()
}

/// Closes a pool's books as double entry: every act posts to accounts and sums to zero, and in the
/// end what came in is what was paid, kept as fees, is carried or lies there still.
fn closes(pool: &Before<'_>) -> Option<bool> {
    let currency: Currency = pool.opened.currency;
    let mut accounts: BTreeMap<&str, i128> = BTreeMap::new();
    let mut post = |postings: &[(&'static str, i128)]| -> Option<bool> {
        let mut sum = 0_i128;
        for (account, micro) in postings {
            let balance = accounts.entry(account).or_default();
            *balance = balance.checked_add(*micro)?;
            sum = sum.checked_add(*micro)?;
        }
        Some(sum == 0)
    };
    let micro = |amount: Amount| {
        (amount.currency() == currency).then(|| amount.minor().checked_mul(MICRO)).flatten()
    };
    let mut good = true;
    for (.., funded) in &pool.funded {
        let amount = micro(funded.amount)?;
        good &= post(&[("bank", amount), ("pool", amount.checked_neg()?)])?;
    }
    for (_, act) in &pool.settled {
        let totals = &act.totals;
        let (fee, paid) = (micro(totals.fee)?, micro(totals.paid)?);
        let accrued = totals.accrued.micro();
        let (theirs, theirs_paid) = match &totals.institutions {
            Some(sums) => (sums.accrued.micro(), micro(sums.paid)?),
            None => (0, 0),
        };
        let out = fee.checked_add(accrued)?.checked_add(theirs)?;
        let (fee, accrued) = (fee.checked_neg()?, accrued.checked_neg()?);
        let earned = ("institutions", theirs.checked_neg()?);
        good &= post(&[("pool", out), ("fees", fee), ("accrued", accrued), earned])?;
        good &= post(&[("accrued", paid), ("paid", paid.checked_neg()?)])?;
        let paid = ("paid to institutions", theirs_paid.checked_neg()?);
        good &= post(&[("institutions", theirs_paid), paid])?;
    }
    let (carried, left) = match pool.settled.last() {
        Some((_, act)) => (act.totals.carried.micro(), micro(act.totals.unallocated)?),
        None => (0, 0),
    };
    let theirs = pool.settled.last().and_then(|(_, act)| act.totals.institutions.as_ref());
    let theirs = theirs.map_or(0, |sums| sums.carried.micro());
    let used: BTreeSet<u64> =
        pool.settled.iter().flat_map(|(_, s)| s.funded.iter().copied()).collect();
    let mut waiting = left;
    for (commit, _, _, funded) in &pool.funded {
        if !used.contains(commit) {
            waiting = waiting.checked_add(micro(funded.amount)?)?;
        }
    }
    let balance = |name: &str| accounts.get(name).copied().unwrap_or(0);
    good &= balance("accrued") == carried.checked_neg()?;
    good &= balance("institutions") == theirs.checked_neg()?;
    good &= balance("pool") == waiting.checked_neg()?;
    good &= accounts.values().try_fold(0_i128, |sum, b| sum.checked_add(*b))? == 0;
    Some(good)
}

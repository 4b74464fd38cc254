//! Payouts as an auditor reads them: each order against the lines of the settlements that it pays and the
//! accounts of the register, its file read plainly, and each answer against the order, by a second fold.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    covers::{CoverAct, Line as CoverLine},
    expected::{Said, shown},
    payees::{self, Id},
    shape::{Act as PoolAct, Counted, Named, Settled},
    table::{count, ints, leaf_hash, object, parquet, texts},
};
use crate::{
    digest::{Sha3Digest, Sha256, hmac_sha3_parts},
    instant::Instant,
    ledger::Kind,
    money::Amount,
    store,
};

/// `vault/payouts/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayoutCommit {
    txn: String,
    time: Instant,
    pub(super) act: Act,
    pub(super) entry: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Act {
    Exported(Box<Exported>),
    Answered(Box<Answered>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Exported {
    pool: String,
    period: String,
    settlements: Vec<u64>,
    message: String,
    version: String,
    date: String,
    file: Counted,
    lines: Counted,
    total: Amount,
    control: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Rate>,
    waiting: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    num: u64,
    den: u64,
    source: String,
    date: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answered {
    pool: String,
    source: Sha3Digest,
    answers: Counted,
    booked: u64,
    booked_sum: Amount,
    returned: u64,
    returned_sum: Amount,
    findings: u64,
}

impl PayoutCommit {
    /// Names the objects of the commit.
    pub(super) fn objects(&self) -> Vec<&Counted> {
        match &self.act {
            Act::Exported(act) => vec![&act.file, &act.lines],
            Act::Answered(act) => vec![&act.answers],
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    settlement: u64,
    payee: Id,
    attempt: u32,
    minor: i64,
    sent_minor: i64,
    end_to_end: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    end_to_end: String,
    #[expect(dead_code, reason = "part of the form, and of nothing that is reckoned")]
    date: String,
    #[serde(default)]
    returned: Option<String>,
}

/// Reads an object of one JSON value a line; none where it is missing or something else.
fn values<T: DeserializeOwned>(bytes: &[u8]) -> Option<Vec<T>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

/// What the entry of a commit must say.
pub(super) fn said(
    evidence: &Evidence,
    commit: &Numbered<PayoutCommit>,
    commits: &Commits,
) -> Option<Said> {
    let PayoutCommit { txn, time, act, .. } = &commit.body;
    let sealed = |label: &[u8], one: &Sha3Digest, two: &Sha3Digest| {
        let parts = [label, txn.as_bytes(), one.as_bytes().as_slice(), two.as_bytes()];
        Sha3Digest(hmac_sha3_parts(&evidence.secrets.payouts, &parts))
    };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    let (kind, name, commitment, prev) = match act {
        Act::Exported(act) => {
            let label = b"almoner/payout-exported/v2";
            let commitment = sealed(label, &act.lines.digest, &act.file.digest);
            put("pool", act.pool.as_str().into());
            put("period", act.period.as_str().into());
            put("message", act.message.as_str().into());
            put("count", shown(act.lines.count));
            put("currency", act.control.currency().code().into());
            if act.lines.count >= 10 {
                put("total", json!(act.total));
                put("control", json!(act.control));
            }
            if let Some(rate) = &act.rate {
                put("rate", json!(rate));
            }
            let settled = act.settlements.iter().map(|number| owing(commits, &act.pool, *number));
            let settled: Option<Vec<Owing<'_>>> = settled.collect();
            let prev = settled?.iter().map(|own| leaf_hash(own.entry().as_bytes())).collect();
            let name = format!("payout-order:{}@{}", act.pool, act.period);
            (Kind::PayoutExported, name, commitment, prev)
        }
        Act::Answered(act) => {
            let label = b"almoner/payout-settled/v2";
            let commitment = sealed(label, &act.answers.digest, &act.source);
            put("pool", act.pool.as_str().into());
            put("booked", shown(act.booked));
            put("returned", shown(act.returned));
            if act.booked >= 10 {
                put("booked_sum", json!(act.booked_sum));
            }
            if act.returned >= 10 {
                put("returned_sum", json!(act.returned_sum));
            }
            let prev = answered(evidence, commit.number, act, commits)?;
            (Kind::PayoutSettled, format!("payout-answer:{}", act.pool), commitment, prev)
        }
    };
    put("commitment", commitment.to_string().into());
    let subjects = vec![(name, commitment, None)];
    Some(Said { kind, time: *time, body: Value::Object(body), prev, subjects })
}

/// The entries of the orders that an answer is to.
fn answered(
    evidence: &Evidence,
    number: u64,
    act: &Answered,
    commits: &Commits,
) -> Option<Vec<Sha256>> {
    let read = |object: &Counted| evidence.vault.find(&object.path).ok().flatten();
    let answers: Vec<Answer> = values(&read(&act.answers)?)?;
    let mut prev = Vec::new();
    for commit in commits.payouts.iter().filter(|c| c.number < number) {
        let Act::Exported(order) = &commit.body.act else { continue };
        let lines: Vec<Line> = values(&read(&order.lines)?)?;
        let named =
            answers.iter().any(|a| lines.iter().any(|line| line.end_to_end == a.end_to_end));
        if order.pool == act.pool && named {
            prev.push(leaf_hash(commit.body.entry.as_bytes()));
        }
    }
    Some(prev)
}

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sent,
    Arrived,
    Back,
}

/// All payments so far.
#[derive(Default)]
struct Fold {
    /// By end-to-end id: the pool, the payment, what became of it.
    payments: BTreeMap<String, (String, Line, Fate)>,
    /// The newest attempt at a debt.
    newest: BTreeMap<(String, u64, Id), String>,
}

/// Reads every order and answer.
pub(super) fn check(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<(), store::Error> {
    let mut fold = Fold::default();
    let mut newest = None;
    let registered = payees::accounts(evidence, commits)?;
    let mut owed = Debts::new();
    for commit in &commits.payouts {
        let time = commit.body.time;
        let forward = newest.is_none_or(|newest| newest <= time);
        audit.check(Check::Commit, &commit.path, forward, "it is older than the one before it");
        newest = Some(time);
        match &commit.body.act {
            Act::Exported(act) => {
                for settlement in &act.settlements {
                    let key = (act.pool.clone(), *settlement);
                    if let Entry::Vacant(free) = owed.entry(key) {
                        free.insert(debts(evidence, audit, commits, *settlement, &act.pool)?);
                    }
                }
                let accounts = payees::accounts_at(&registered, time);
                order(evidence, audit, &commit.path, act, &owed, &accounts, &mut fold)?;
            }
            Act::Answered(act) => answer(evidence, audit, &commit.path, act, &mut fold)?,
        }
    }
    Ok(())
}

/// What each settlement of a pool, or evaluation of a policy, owes each payee; none where there is no such
/// commit or its lines cannot be read.
type Debts = BTreeMap<(String, u64), Option<BTreeMap<Id, i64>>>;

/// A commit that owes.
enum Owing<'a> {
    Settled(&'a str, &'a Settled),
    Evaluated(&'a str, &'a Counted),
}

impl<'a> Owing<'a> {
    fn entry(&self) -> &'a str {
        match self {
            Self::Settled(entry, _) | Self::Evaluated(entry, _) => entry,
        }
    }
}

/// Finds the settlement of a pool, or the evaluation of a policy; no two share a name.
fn owing<'a>(commits: &'a Commits, name: &str, number: u64) -> Option<Owing<'a>> {
    let settled = commits.pools.iter().filter(|c| c.number == number).find_map(|c| {
        let PoolAct::Settled(act) = &c.body.act else { return None };
        (act.pool == name).then_some(Owing::Settled(&c.body.entry, act))
    });
    let evaluated = || {
        commits.covers.iter().filter(|c| c.number == number).find_map(|c| {
            let CoverAct::Evaluated(act) = &c.body.act else { return None };
            (act.policy == name).then_some(Owing::Evaluated(&c.body.entry, &act.lines))
        })
    };
    settled.or_else(evaluated)
}

/// What a settlement or evaluation owes each payee, by its recorded lines.
fn debts(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    number: u64,
    pool: &str,
) -> Result<Option<BTreeMap<Id, i64>>, store::Error> {
    let settled = match owing(commits, pool, number) {
        None => return Ok(None),
        Some(Owing::Settled(_, act)) => act,
        Some(Owing::Evaluated(_, at)) => {
            let bytes = object(audit, &evidence.vault, "vault", &at.path, &at.digest)?;
            let lines: Option<Vec<CoverLine>> = bytes.and_then(|bytes| values(&bytes));
            return Ok(lines.map(|lines| {
                let mut owed: BTreeMap<Id, i64> = BTreeMap::new();
                for line in lines.into_iter().filter(|line| line.paid_minor != 0) {
                    let sum = owed.entry(Id::Contributor(line.contributor)).or_default();
                    *sum = sum.saturating_add(line.paid_minor);
                }
                owed
            }));
        }
    };
    let mut owed = BTreeMap::new();
    let people = [(&settled.lines, "contributor")].into_iter();
    let all = people.chain(settled.institution_lines.iter().map(|at| (at, "institution")));
    for (at, column) in all {
        let Named { path, digest } = at;
        let batches = parquet(audit, &evidence.vault, "vault", path, digest)?;
        for batch in batches.into_iter().flatten() {
            let (Some(who), Some(paid)) = (texts(&batch, column), ints(&batch, "paid_minor"))
            else {
                return Ok(None);
            };
            for (who, paid) in who.iter().flatten().zip(paid.values()) {
                let id = if column == "contributor" {
                    Id::Contributor(who.to_owned())
                } else {
                    Id::Institution(who.to_owned())
                };
                owed.insert(id, *paid);
            }
        }
    }
    Ok(Some(owed))
}

fn order(
    evidence: &Evidence,
    audit: &mut Audit,
    path: &str,
    act: &Exported,
    owed: &Debts,
    accounts: &BTreeMap<&Id, Option<&str>>,
    fold: &mut Fold,
) -> Result<(), store::Error> {
    let vault = &evidence.vault;
    let lines = object(audit, vault, "vault", &act.lines.path, &act.lines.digest)?;
    let file = object(audit, vault, "vault", &act.file.path, &act.file.digest)?;
    let name = format!("vault/{}", act.lines.path);
    let lines: Option<Vec<Line>> = lines.and_then(|bytes| values(&bytes));
    let Some(lines) = lines else {
        audit.check(Check::Payouts, &name, false, "it holds what is no payment");
        return Ok(());
    };
    let counted = count(&lines) == act.lines.count && act.lines.count == act.file.count;
    audit.check(Check::Payouts, path, counted, "it holds another number of payments");
    let mut all_owed = true;
    for line in &lines {
        let key = (act.pool.clone(), line.settlement);
        let debt = owed.get(&key).and_then(|lines| lines.as_ref()?.get(&line.payee));
        all_owed &= debt == Some(&line.minor) && line.minor > 0;
        let key = (act.pool.clone(), line.settlement, line.payee.clone());
        let before = fold.newest.get(&key).and_then(|id| fold.payments.get(id));
        let again = match before {
            None => line.attempt == 1,
            Some((_, before, fate)) => {
                *fate == Fate::Back && before.attempt.checked_add(1) == Some(line.attempt)
            }
        };
        audit.check(Check::Once, path, again, "it pays again what had not come back");
        let payment = (act.pool.clone(), line.clone(), Fate::Sent);
        let fresh = fold.payments.insert(line.end_to_end.clone(), payment).is_none();
        audit.check(Check::Once, path, fresh, "it uses the id of another payment");
        fold.newest.insert(key, line.end_to_end.clone());
    }
    audit.check(Check::Payouts, path, all_owed, "it pays what is not owed");
    let sum = |minor: fn(&Line) -> i64| lines.iter().map(|line| i128::from(minor(line))).sum();
    let (total, control): (i128, i128) = (sum(|line| line.minor), sum(|line| line.sent_minor));
    let summed = total == act.total.minor() && control == act.control.minor();
    audit.check(Check::Sums, path, summed, "its sums are not those of its payments");
    let fair = match &act.rate {
        None => {
            act.total.currency() == act.control.currency()
                && lines.iter().all(|line| line.minor == line.sent_minor)
        }
        Some(rate) => converted(act, rate, &lines),
    };
    audit.check(Check::Sums, path, fair, "its payments are not those of its rate");
    let Some(file) = file else { return Ok(()) };
    let name = format!("vault/{}", act.file.path);
    let text = String::from_utf8_lossy(&file);
    let good = written(&text, act, &lines, accounts);
    audit.check(Check::Payouts, &name, good.is_ok(), good.err().unwrap_or_default());
    audit.passed(Check::Payouts, count(&lines));
    Ok(())
}

/// Says whether the sum was converted once, half to even, and no payment is a whole unit off its part.
fn converted(act: &Exported, rate: &Rate, lines: &[Line]) -> bool {
    let power = |amount: &Amount| 10_i128.checked_pow(u32::from(amount.currency().exponent()));
    let reckon = || {
        let num = i128::from(rate.num).checked_mul(power(&act.control)?)?;
        let den = i128::from(rate.den).checked_mul(power(&act.total)?)?;
        let exact = act.total.minor().checked_mul(num)?;
        let twice = act.control.minor().checked_mul(den)?.checked_sub(exact)?.checked_mul(2)?;
        let even = act.control.minor() % 2 == 0;
        let nearest = twice.abs() < den || (twice.abs() == den && even);
        let parts = lines.iter().all(|line| {
            let off = || {
                let exact = i128::from(line.minor).checked_mul(num)?;
                // A part of the converted sum: within one unit, and what the rounding of the sum moves.
                let off = i128::from(line.sent_minor).checked_mul(den)?.checked_sub(exact)?;
                Some(off.abs() < den.checked_mul(2)?)
            };
            line.sent_minor > 0 && off() == Some(true)
        });
        Some(nearest && parts)
    };
    act.total.currency() != act.control.currency() && reckon() == Some(true)
}

/// Reads the file for the bank by its lines alone, and holds it against the payments.
fn written(
    text: &str,
    act: &Exported,
    lines: &[Line],
    accounts: &BTreeMap<&Id, Option<&str>>,
) -> Result<(), &'static str> {
    let inner = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    let mut blocks = text.split("<CdtTrfTxInf>");
    let head = blocks.next().unwrap_or_default();
    let (control, number) = (act.control.decimal(), lines.len().to_string());
    let sums = head.matches(&format!("<CtrlSum>{control}</CtrlSum>")).count();
    let counts = head.matches(&format!("<NbOfTxs>{number}</NbOfTxs>")).count();
    if (sums, counts) != (2, 2) || inner(head, "MsgId").as_ref() != Some(&act.message) {
        return Err("its header is not that of the order");
    }
    if !head.contains(&act.version) || !head.contains(&act.date) {
        return Err("its version or day is not that of the order");
    }
    let blocks: Vec<&str> = blocks.collect();
    if blocks.len() != lines.len() {
        return Err("it holds another number of payments");
    }
    for (block, line) in blocks.into_iter().zip(lines) {
        let sent = Amount::new(i128::from(line.sent_minor), act.control.currency());
        let amount = format!("<InstdAmt Ccy=\"{}\">{}</InstdAmt>", sent.currency(), sent.decimal());
        if inner(block, "EndToEndId").as_ref() != Some(&line.end_to_end) || !block.contains(&amount)
        {
            return Err("a payment of it is not that of the order");
        }
        let iban = inner(block, "IBAN");
        if iban.is_none() || accounts.get(&line.payee).copied().flatten() != iban.as_deref() {
            return Err("a payment goes to another account than the register had");
        }
    }
    Ok(())
}

fn answer(
    evidence: &Evidence,
    audit: &mut Audit,
    path: &str,
    act: &Answered,
    fold: &mut Fold,
) -> Result<(), store::Error> {
    let vault = &evidence.vault;
    let answers = object(audit, vault, "vault", &act.answers.path, &act.answers.digest)?;
    let name = format!("vault/{}", act.answers.path);
    let Some(answers) = answers.and_then(|bytes| values::<Answer>(&bytes)) else {
        audit.check(Check::Payouts, &name, false, "it holds what is no answer");
        return Ok(());
    };
    let (mut booked, mut returned) = ((0_u64, 0_i128), (0_u64, 0_i128));
    for answer in &answers {
        let payment = fold.payments.get_mut(&answer.end_to_end);
        let Some((_, line, fate)) = payment.filter(|(pool, ..)| *pool == act.pool) else {
            audit.check(Check::Payouts, path, false, "it answers what was not ordered");
            continue;
        };
        let news = match (&answer.returned, *fate) {
            (None, Fate::Sent) => Some(Fate::Arrived),
            (Some(_), Fate::Sent | Fate::Arrived) => Some(Fate::Back),
            (None, Fate::Arrived | Fate::Back) | (Some(_), Fate::Back) => None,
        };
        audit.check(Check::Once, path, news.is_some(), "it answers again what was answered");
        *fate = news.unwrap_or(*fate);
        let sum = if answer.returned.is_some() { &mut returned } else { &mut booked };
        *sum = (sum.0.saturating_add(1), sum.1.saturating_add(i128::from(line.minor)));
    }
    let good = booked == (act.booked, act.booked_sum.minor())
        && returned == (act.returned, act.returned_sum.minor())
        && count(&answers) == act.answers.count;
    audit.check(Check::Sums, path, good, "its counts or sums are not those of its answers");
    Ok(())
}

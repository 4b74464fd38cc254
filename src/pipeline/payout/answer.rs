//! Takes the bank's answers, each once.
//!
//! Comes in: the bank's files. Goes out: one commit of `vault/payouts` with what is new in each, and its
//! entry in the book. Never: a change by an answer that fits no order.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Error, Owing, PAYMENTS_SUMMED_MIN, commit};
use crate::{
    bank::{self, Act, Answered, Applied, Export, Finding, Judged, Payouts},
    digest::{Sha3Digest, hmac_sha3_parts},
    ledger::{Entry, EntryId, Kind},
    money::Amount,
    payee::Object,
    pipeline::{consent::shown as bucket, fund::subject},
    reward::{Period, PoolId, proof::leaf_hash},
    site::Site,
};

/// In which form the bank answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnswerForm {
    /// camt.054.001.02 or .08
    Camt054,
    /// CSV: `end_to_end,outcome,amount,currency,date,reason`
    Csv,
}

/// What an answer came to.
#[derive(Debug, Clone, Serialize)]
pub struct Heard {
    /// Payments that the bank has booked, as was news.
    pub booked: u64,
    /// What they come to in the currency of who owes them.
    pub booked_sum: Amount,
    /// Payments that came back, as was news.
    pub returned: u64,
    /// What they come to in the currency of who owes them.
    pub returned_sum: Amount,
    /// Answers that were known before.
    pub known: u64,
    /// Entries that the bank has not booked yet.
    pub pending: u64,
    /// Other money of the account.
    pub other: u64,
    /// What was not applied, and why.
    pub findings: Vec<Finding>,
    /// The commit; none where nothing was new.
    pub commit: Option<u64>,
    /// Its ledger entry.
    pub entry: Option<EntryId>,
}

/// Takes the bank's answer to payments of a pool or policy, or of one period alone. What does not fit its order is
/// told and changes nothing; what was answered before is known.
pub fn answer(
    site: &Site,
    pool: &PoolId,
    period: Option<&Period>,
    form: AnswerForm,
    file: &[u8],
) -> Result<Heard, Error> {
    let owing = Owing::find(site, pool)?;
    let period = period.map(|period| owing.period(period)).transpose()?;
    let payouts = Payouts::load(&site.vault())?;
    let reply = match form {
        AnswerForm::Camt054 => bank::read_camt054(file)?,
        AnswerForm::Csv => bank::read_csv(file)?,
    };
    let judged = payouts.judge(pool, period.as_ref(), reply);
    let sum = |returned: bool| {
        let of = judged.changes.iter().filter(|(_, _, a)| a.returned.is_some() == returned);
        let minors = of.map(|(line, _, _)| i128::from(line.minor));
        let (count, sum) = minors.fold((0_u64, 0_i128), |(count, sum), minor| {
            (count.saturating_add(1), sum.saturating_add(minor))
        });
        (count, Amount::new(sum, owing.currency()))
    };
    let ((booked, booked_sum), (returned, returned_sum)) = (sum(false), sum(true));
    let Judged { changes, known, findings, pending, other } = judged;
    let mut heard = Heard {
        booked,
        booked_sum,
        returned,
        returned_sum,
        known,
        pending,
        other,
        findings,
        commit: None,
        entry: None,
    };
    if changes.is_empty() {
        return Ok(heard);
    }
    let answers: Vec<&Applied> = changes.iter().map(|(_, _, applied)| applied).collect();
    let (object, bytes) = Object::write("payouts/answers", &answers)?;
    let answered = Answered {
        pool: pool.clone(),
        source: Sha3Digest::of(file),
        answers: object,
        booked,
        booked_sum,
        returned,
        returned_sum,
        findings: heard.findings.len() as u64,
    };
    site.vault().put_content(&answered.answers.path, &bytes)?;
    let of = |export: &&Export| {
        changes
            .iter()
            .any(|(line, ..)| export.lines.iter().any(|own| own.end_to_end == line.end_to_end))
    };
    let prev: Vec<EntryId> =
        payouts.exports(pool).filter(of).map(|export| leaf_hash(export.entry.as_bytes())).collect();
    let txn = site.txn()?;
    let entry = answered_entry(site, &txn, &answered, &prev)?;
    let act = Act::Answered(Box::new(answered));
    heard.commit = Some(commit(site, txn, payouts.commit(), act, &entry)?);
    heard.entry = Some(entry.id());
    Ok(heard)
}

fn answered_entry(
    site: &Site,
    txn: &str,
    answered: &Answered,
    prev: &[EntryId],
) -> Result<Entry, Error> {
    let parts = [
        b"almoner/payout-settled/v2".as_slice(),
        txn.as_bytes(),
        answered.answers.digest.as_bytes(),
        answered.source.as_bytes(),
    ];
    let commitment = Sha3Digest(hmac_sha3_parts(&site.secret("payouts"), &parts));
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("pool", answered.pool.as_str().into());
    put("booked", bucket(answered.booked));
    put("returned", bucket(answered.returned));
    put("commitment", commitment.to_string().into());
    for (name, count, sum) in [
        ("booked_sum", answered.booked, answered.booked_sum),
        ("returned_sum", answered.returned, answered.returned_sum),
    ] {
        if count >= PAYMENTS_SUMMED_MIN {
            put(name, serde_json::to_value(sum)?);
        }
    }
    let name = format!("payout-answer:{}", answered.pool);
    Ok(site.entry(Kind::PayoutSettled, &[subject(name, commitment)], prev, &body)?)
}

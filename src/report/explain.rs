//! Why this amount: a statement told in words, step by step, each with its figures.
//!
//! Comes in: a statement. Goes out: sentences in one language, and the same figures for programs.
//! Never: a figure that the statement does not hold.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    messages::{
        Lang, Messages,
        Say::{self, Text},
    },
    statement::balance,
};
use crate::{
    instant::Date,
    money::{Accrual, Amount},
    reward::statement::Statement,
};

/// Why one contributor gets what they get of one settlement.
#[derive(Clone, Serialize)]
pub struct Explanation {
    /// Whose it is.
    pub contributor: String,
    /// The pool.
    pub pool: String,
    /// The period.
    pub period: String,
    /// The language of the sentences.
    pub lang: Lang,
    /// The question.
    pub title: String,
    /// The answer in one sentence.
    pub answer: String,
    /// How it comes about, in order.
    pub steps: Vec<Step>,
}

impl std::fmt::Debug for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explanation")
            .field("pool", &self.pool)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

/// One step.
#[derive(Clone, Serialize)]
#[expect(missing_debug_implementations, reason = "its figures are a person's")]
pub struct Step {
    /// Its name, the same in every language.
    pub step: String,
    /// The sentence.
    pub text: String,
    /// Its figures, by name: decimal text, ISO dates, parts in millionths.
    pub figures: BTreeMap<String, String>,
}

/// A figure of a step, before it is written in a language.
enum Figure<'a> {
    Accrual(Accrual),
    Amount(Amount),
    Ppm(u128),
    Ppb(u64),
    Number(&'a str),
    Day(Date),
    Plain(&'a str),
}

impl Figure<'_> {
    fn written(&self, messages: &Messages) -> String {
        match self {
            Self::Accrual(accrual) => messages.accrual(*accrual),
            Self::Amount(amount) => messages.amount(*amount),
            Self::Ppm(ppm) => messages.percent(*ppm),
            Self::Ppb(ppb) => messages.share(*ppb),
            Self::Number(text) => messages.decimal(text),
            Self::Day(date) => messages.date(*date),
            Self::Plain(text) => (*text).to_owned(),
        }
    }

    fn exact(&self) -> String {
        match self {
            Self::Accrual(accrual) => accrual.decimal(),
            Self::Amount(amount) => amount.decimal(),
            Self::Ppm(ppm) => ppm.to_string(),
            Self::Ppb(ppb) => ppb.to_string(),
            Self::Number(text) | Self::Plain(text) => (*text).to_owned(),
            Self::Day(date) => date.to_string(),
        }
    }
}

struct Telling<'a> {
    messages: &'a Messages,
    steps: Vec<Step>,
}

impl Telling<'_> {
    fn step(&mut self, step: &str, message: &str, figures: &[(&str, Figure<'_>)]) {
        let written: Vec<(&str, String)> =
            figures.iter().map(|(name, figure)| (*name, figure.written(self.messages))).collect();
        let said: Vec<(&str, Say<'_>)> =
            written.iter().map(|(name, text)| (*name, Text(text.as_str()))).collect();
        let text = self.messages.tell(message, &said);
        let exact = figures.iter().map(|(name, figure)| ((*name).to_owned(), figure.exact()));
        self.steps.push(Step { step: step.to_owned(), text, figures: exact.collect() });
    }
}

/// Explains a statement in a language.
pub fn explain(statement: &Statement, lang: Lang) -> Explanation {
    let messages = Messages::of(lang);
    let mut telling = Telling { messages, steps: Vec::new() };
    earned(&mut telling, statement);
    drawn(&mut telling, statement);
    let (period, pool) = (statement.period.as_str(), statement.pool.as_str());
    let (paid, carried) = (messages.amount(statement.paid), messages.accrual(statement.carried));
    let answer = if statement.paid.minor() > 0 {
        let named = [("period", Text(period)), ("pool", Text(pool)), ("paid", Text(&paid))];
        messages.tell("explain-answer-paid", &named)
    } else {
        let named = [("period", Text(period)), ("pool", Text(pool)), ("carried", Text(&carried))];
        messages.tell("explain-answer-nothing", &named)
    };
    Explanation {
        contributor: statement.contributor.as_str().to_owned(),
        pool: pool.to_owned(),
        period: period.to_owned(),
        lang,
        title: messages.tell("explain-title", &[("amount", Text(&paid))]),
        answer,
        steps: telling.steps,
    }
}

/// What was earned: the money, the layers, the cap.
fn earned(telling: &mut Telling<'_>, statement: &Statement) {
    use Figure::{Accrual, Amount, Number, Ppb, Ppm};
    let money = &statement.money;
    telling.step(
        "money",
        "explain-money",
        &[
            ("received", Amount(money.received)),
            ("returned", Accrual(money.returned)),
            ("rate", Ppm(u128::from(money.fee_bps) * 100)),
            ("fee", Amount(money.fee)),
            ("reserve", Amount(money.reserve)),
            ("given", Accrual(money.given_out)),
        ],
    );
    for layer in &statement.layers {
        let message = format!("explain-layer-{}", layer.layer.name());
        telling.step(
            layer.layer.name(),
            &message,
            &[
                ("rate", Ppm(u128::from(layer.ppm))),
                ("pot", Accrual(layer.pot)),
                ("weight", Number(&layer.weight)),
                ("total", Number(&layer.total_weight)),
                ("share", Ppb(layer.share_ppb)),
                ("amount", Accrual(layer.amount)),
            ],
        );
    }
    let gross = ("gross", Accrual(statement.gross));
    let Some(cap) = &statement.cap else {
        return telling.step("gross", "explain-gross", &[gross]);
    };
    let rate = ("rate", Ppm(u128::from(cap.person_ppm)));
    let micro = cap.change.micro();
    let change = crate::money::Accrual::new(micro.saturating_abs(), cap.change.currency());
    match micro.cmp(&0) {
        std::cmp::Ordering::Equal => telling.step("cap", "explain-cap-none", &[rate, gross]),
        std::cmp::Ordering::Less => {
            telling.step("cap", "explain-cap-less", &[rate, ("change", Accrual(change)), gross]);
        }
        std::cmp::Ordering::Greater => {
            telling.step("cap", "explain-cap-more", &[rate, ("change", Accrual(change)), gross]);
        }
    }
}

/// What is drawn of it: split, corrections, vesting, minimum, tax.
fn drawn(telling: &mut Telling<'_>, statement: &Statement) {
    use Figure::{Accrual, Amount, Day, Plain, Ppm};
    let split = &statement.split;
    if split.person_bps < 10_000 {
        telling.step(
            "split",
            "explain-split",
            &[
                ("person-rate", Ppm(u128::from(split.person_bps) * 100)),
                ("person", Accrual(split.person)),
                ("institution", Accrual(split.institution)),
                ("platform", Accrual(split.platform)),
            ],
        );
    }
    let adjustment = &statement.adjustment;
    if adjustment.amount.micro() != 0 || adjustment.still_owed.micro() != 0 {
        let taken = adjustment.amount.micro().saturating_abs();
        let taken = crate::money::Accrual::new(taken, adjustment.amount.currency());
        let reasons: Vec<&str> = adjustment
            .decisions
            .iter()
            .filter(|decision| decision.amount.is_some())
            .map(|decision| decision.reason.as_str())
            .collect();
        let earlier = telling.messages.say("explain-adjust-earlier");
        let reason = if reasons.is_empty() { earlier } else { reasons.join("; ") };
        telling.step(
            "adjustment",
            "explain-adjust",
            &[
                ("amount", Accrual(taken)),
                ("reason", Plain(&reason)),
                ("owed", Accrual(adjustment.still_owed)),
            ],
        );
    }
    if statement.held.micro() != 0 {
        telling.step("held", "explain-held", &[("held", Accrual(statement.held))]);
    }
    if statement.vested.micro() != 0 {
        telling.step("vested", "explain-vested", &[("vested", Accrual(statement.vested))]);
    }
    telling.step(
        "account",
        "explain-account",
        &[("opening", Accrual(statement.opening)), ("balance", Accrual(balance(statement)))],
    );
    let minimum = ("minimum", Amount(statement.minimum));
    if statement.payable.minor() > 0 {
        let payable = ("payable", Amount(statement.payable));
        telling.step("payable", "explain-payable", &[minimum, payable]);
    } else {
        telling.step("payable", "explain-unpaid", &[minimum]);
    }
    if statement.tax.amount.minor() > 0 {
        telling.step(
            "tax",
            "explain-tax",
            &[
                ("rate", Ppm(u128::from(statement.tax.bps) * 100)),
                ("tax", Amount(statement.tax.amount)),
            ],
        );
    }
    telling.step(
        "result",
        "explain-result",
        &[("paid", Amount(statement.paid)), ("carried", Accrual(statement.carried))],
    );
    telling.step(
        "check",
        "explain-check",
        &[("command", Plain(&statement.recompute)), ("date", Day(statement.dispute_until))],
    );
}

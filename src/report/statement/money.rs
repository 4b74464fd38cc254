//! The money of a statement: what was earned, how it is split, what is paid and what waits.
//!
//! Comes in: a statement. Goes out: parts of its page. Never: an amount that the statement does not hold.

use crate::{
    money::Accrual,
    report::{
        Block, Document, Messages, Row,
        messages::Say::{Count, Text},
    },
    reward::statement::Statement,
};

/// The one figure that matters most.
pub(super) fn hero(statement: &Statement, messages: &Messages) -> Block {
    let period = statement.period.as_str();
    let rest = messages.accrual(statement.carried);
    if statement.paid.minor() == 0 {
        let minimum = messages.amount(statement.minimum);
        return Block::Hero {
            figure: messages.say("hero-nothing"),
            text: messages
                .tell("hero-nothing-rest", &[("rest", Text(&rest)), ("minimum", Text(&minimum))]),
        };
    }
    let text = if statement.carried.micro() == 0 {
        messages.tell("hero-paid", &[("period", Text(period))])
    } else {
        messages.tell("hero-paid-rest", &[("period", Text(period)), ("rest", Text(&rest))])
    };
    Block::Hero { figure: messages.amount(statement.paid), text }
}

/// What is in the account before anything is drawn.
pub(in crate::report) fn balance(statement: &Statement) -> Accrual {
    let paid = statement.payable.to_accrual().unwrap_or(statement.carried);
    paid.plus(statement.carried).unwrap_or(statement.carried)
}

/// Every amount, from what was carried along to what is carried on.
pub(super) fn account(page: &mut Document, statement: &Statement, messages: &Messages) {
    let number = |amount: Accrual| messages.accrual_number(amount);
    let less = |amount: Accrual| messages.accrual_number(negative(amount));
    let line = |name: &str, how: String, amount: String| Row::of([messages.say(name), how, amount]);
    let sum = |name: &str, how: String, amount: String| Row::sum([messages.say(name), how, amount]);
    let none = String::new;
    let mut rows = vec![line("account-opening", none(), number(statement.opening))];
    for layer in &statement.layers {
        let how = messages.tell(
            "account-weight",
            &[
                ("weight", Text(&messages.decimal(&layer.weight))),
                ("total", Text(&messages.decimal(&layer.total_weight))),
                ("share", Text(&messages.share(layer.share_ppb))),
                ("pot", Text(&messages.accrual_number(layer.pot))),
            ],
        );
        let name = messages.one_of("layer", layer.layer.name());
        rows.push(Row::of([name, how, number(layer.amount)]));
    }
    if let Some(cap) = &statement.cap {
        let rate = messages.percent(u128::from(cap.person_ppm));
        let how = messages.tell("account-cap-how", &[("rate", Text(&rate))]);
        rows.push(line("account-cap", how, number(cap.change)));
    }
    rows.push(sum("account-gross", none(), number(statement.gross)));
    let split = &statement.split;
    let part = |bps| messages.tell("account-part", &[("rate", Text(&messages.basis(bps)))]);
    if split.person_bps < 10_000 {
        let (institution, platform) = (split.institution_bps, split.platform_bps);
        rows.push(line("account-institution", part(institution), less(split.institution)));
        rows.push(line("account-platform", part(platform), less(split.platform)));
        rows.push(sum("account-person", part(split.person_bps), number(split.person)));
    }
    let adjustment = &statement.adjustment;
    if adjustment.amount.micro() != 0 || adjustment.still_owed.micro() != 0 {
        let owed = messages.accrual(adjustment.still_owed);
        let how = messages.tell("account-adjust-how", &[("owed", Text(&owed))]);
        rows.push(line("account-adjust", how, number(adjustment.amount)));
    }
    if statement.held.micro() != 0 {
        rows.push(line("account-held", none(), less(statement.held)));
    }
    if statement.vested.micro() != 0 {
        rows.push(line("account-vested", none(), number(statement.vested)));
    }
    rows.push(sum("account-balance", none(), number(balance(statement))));
    let tax = &statement.tax;
    if tax.bps > 0 {
        let rate = messages.basis(tax.bps);
        let how = match &tax.country {
            Some(country) => messages
                .tell("account-tax-how", &[("rate", Text(&rate)), ("country", Text(country))]),
            None => messages.tell("account-tax-unknown", &[("rate", Text(&rate))]),
        };
        rows.push(line("account-tax", how, messages.decimal(&minus(&tax.amount.decimal()))));
    }
    rows.push(sum("account-paid", none(), messages.decimal(&minus(&statement.paid.decimal()))));
    rows.push(line("account-closing", none(), number(statement.carried)));
    page.heading(messages.say("account-heading"));
    let currency = statement.currency.code();
    let caption = messages.tell(
        "account-caption",
        &[("pool", Text(statement.pool.as_str())), ("currency", Text(currency))],
    );
    let heads = [messages.say("account-what"), messages.say("account-how"), format!("#{currency}")];
    page.table(caption, heads, rows);
    let minimum = messages.amount(statement.minimum);
    page.text(messages.tell("account-minimum", &[("minimum", Text(&minimum))]));
}

/// Decisions of the steward on this contributor, with their reasons.
pub(super) fn decisions(page: &mut Document, statement: &Statement, messages: &Messages) {
    let decided = &statement.adjustment.decisions;
    if decided.is_empty() {
        return;
    }
    let rows = decided.iter().map(|decision| {
        Row::of([
            messages.one_of("decision", &decision.code),
            decision.amount.map(|amount| messages.amount(amount)).unwrap_or_default(),
            decision.reason.clone(),
            short(&decision.entry.to_string()),
        ])
    });
    let rows = rows.collect();
    page.heading(messages.say("decisions-heading"));
    let heads = [
        messages.say("decisions-what"),
        format!("#{}", messages.say("decisions-amount")),
        messages.say("decisions-reason"),
        messages.say("decisions-entry"),
    ];
    page.table(messages.say("decisions-caption"), heads, rows);
    page.text(messages.say("decisions-note"));
}

/// What waits to become the person's to draw.
pub(super) fn later(page: &mut Document, statement: &Statement, messages: &Messages) {
    if statement.later.is_empty() {
        return;
    }
    let rows = statement.later.iter().map(|part| {
        let when = messages.tell("later-due", &[("count", Count(u64::from(part.due)))]);
        Row::of([when, messages.accrual(part.amount)])
    });
    let rows = rows.collect();
    page.heading(messages.say("later-heading"));
    let heads = [messages.say("later-when"), format!("#{}", messages.say("later-amount"))];
    page.table(messages.say("later-caption"), heads, rows);
}

/// The sums of the calendar year.
pub(super) fn year(page: &mut Document, statement: &Statement, messages: &Messages) {
    let year = &statement.year;
    let number = year.year.to_string();
    page.heading(messages.say("year-heading"));
    let caption = messages
        .tell("year-caption", &[("count", Count(year.settlements)), ("year", Text(&number))]);
    let line = |name: &str, amount: String| Row::of([messages.say(name), amount]);
    let rows = vec![
        line("year-earned", messages.accrual_number(year.earned)),
        line("year-tax", messages.decimal(&year.tax.decimal())),
        line("year-paid", messages.decimal(&year.paid.decimal())),
    ];
    let heads = [messages.say("year-what"), format!("#{}", statement.currency.code())];
    page.table(caption, heads, rows);
}

/// Returns the beginning of a digest, by which an entry is found.
pub(super) fn short(digest: &str) -> String {
    digest.get(..12).unwrap_or(digest).to_owned()
}

fn negative(amount: Accrual) -> Accrual {
    Accrual::new(amount.micro().saturating_neg(), amount.currency())
}

fn minus(decimal: &str) -> String {
    if decimal.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        format!("-{decimal}")
    } else {
        decimal.to_owned()
    }
}

//! A statement as CSV: one row a fact, every amount exact.
//!
//! Comes in: a statement. Goes out: RFC 4180 CSV that a spreadsheet opens safely. Never: an amount
//! rounded, or a date that is not ISO 8601.

use super::{StatementPage, money::balance};
use crate::{
    money::{Accrual, Amount, MICRO},
    purpose::Purpose,
    report::csv,
    reward::statement::Statement,
};

/// The columns. In the rows of part `account`, all that is `credit` less all that is `debit` is the
/// row `sum,closing`. `micro` are millionths of a minor unit, always; `minor` are minor units, where the
/// amount is whole ones.
const HEADER: [&str; 17] = [
    "part",
    "item",
    "date",
    "until",
    "purpose",
    "institution",
    "dataset",
    "mine",
    "counted",
    "all",
    "side",
    "micro",
    "minor",
    "amount",
    "currency",
    "note",
    "entry",
];

/// Writes a statement as CSV.
pub fn statement_csv(page: &StatementPage) -> String {
    let mut rows = account(&page.statement);
    rows.extend(uses(&page.statement));
    rows.extend(rest(page));
    let rows = rows.into_iter().map(|row| row.cells.map(Into::into).to_vec());
    csv::write(&HEADER, rows)
}

/// One row in the making.
struct Fact {
    cells: [String; 17],
}

impl Fact {
    fn new(part: &str, item: &str) -> Self {
        Self { cells: Default::default() }.with("part", part).with("item", item)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a cell is given as it stands, not lent")]
    fn with(mut self, column: &str, cell: impl ToString) -> Self {
        let place = HEADER.iter().position(|name| *name == column);
        if let Some(place) = place.and_then(|place| self.cells.get_mut(place)) {
            *place = cell.to_string();
        }
        self
    }

    fn money(self, side: &str, amount: Accrual) -> Self {
        let size = amount.micro().unsigned_abs();
        let size = Accrual::new(i128::try_from(size).unwrap_or(i128::MAX), amount.currency());
        let whole = size.micro().checked_rem(MICRO) == Some(0);
        self.with("side", side)
            .with("micro", size.micro())
            .with("minor", if whole { size.whole().minor().to_string() } else { String::new() })
            .with("amount", size.decimal())
            .with("currency", size.currency().code())
    }
}

fn account(statement: &Statement) -> Vec<Fact> {
    let day = statement.settled.date();
    let signed = |item: &str, amount: Accrual, usual: &str, other: &str| {
        let side = if amount.micro() < 0 { other } else { usual };
        Fact::new("account", item).with("date", day).money(side, amount)
    };
    let credit = |item: &str, amount| signed(item, amount, "credit", "debit");
    let debit = |item: &str, amount| signed(item, amount, "debit", "credit");
    let sum = |item: &str, amount: Accrual| {
        Fact::new("sum", item).with("date", day).money("balance", amount)
    };
    let whole = |amount: Amount| amount.to_accrual().unwrap_or(statement.carried);
    let mut rows = vec![credit("opening", statement.opening)];
    rows.extend(statement.layers.iter().map(|layer| {
        credit(layer.layer.name(), layer.amount)
            .with("mine", &layer.weight)
            .with("all", &layer.total_weight)
            .with("note", format!("of {} {}", layer.pot.currency(), layer.pot.decimal()))
    }));
    rows.extend(statement.cap.iter().map(|cap| credit("cap", cap.change)));
    rows.push(sum("gross", statement.gross));
    rows.push(debit("institution", statement.split.institution));
    rows.push(debit("platform", statement.split.platform));
    rows.push(sum("person", statement.split.person));
    rows.push(credit("adjustment", statement.adjustment.amount));
    rows.push(debit("held", statement.held));
    rows.push(credit("vested", statement.vested));
    rows.push(sum("balance", balance(statement)));
    let country = statement.tax.country.clone().unwrap_or_default();
    rows.push(debit("tax", whole(statement.tax.amount)).with("note", country));
    rows.push(debit("paid", whole(statement.paid)));
    rows.push(sum("closing", statement.carried));
    rows.push(sum("still-owed", statement.adjustment.still_owed));
    rows.extend(statement.later.iter().map(|part| {
        let note = format!("in {} settlements", part.due);
        Fact::new("later", "held").money("balance", part.amount).with("note", note)
    }));
    let year = |item: &str, amount: Accrual| {
        Fact::new("year", item).with("date", statement.year.year).money("balance", amount)
    };
    rows.push(year("earned", statement.year.earned));
    rows.push(year("tax", whole(statement.year.tax)));
    rows.push(year("paid", whole(statement.year.paid)));
    rows
}

fn uses(statement: &Statement) -> Vec<Fact> {
    let used = statement.uses.iter().map(|used| {
        let all = used.all_records.map_or_else(|| "<11".to_owned(), |rows| rows.to_string());
        let asker = used.institution.as_ref().map(|i| i.as_str().to_owned()).unwrap_or_default();
        Fact::new("use", "query")
            .with("date", used.date)
            .with("purpose", &used.purpose)
            .with("institution", asker)
            .with("dataset", format!("{}@{}", used.dataset, used.version))
            .with("mine", used.my_records)
            .with("counted", used.counted)
            .with("all", all)
            .with("note", format!("{} units", used.units))
            .with("entry", used.entry)
    });
    used.collect()
}

fn rest(page: &StatementPage) -> Vec<Fact> {
    let statement = &page.statement;
    let mut rows = Vec::new();
    rows.extend(statement.records.iter().map(|line| {
        Fact::new("records", if line.base { "base" } else { "asked" })
            .with("institution", line.institution.as_str())
            .with("dataset", format!("{}@{}", line.dataset, line.version))
            .with("mine", line.rows)
            .with("counted", line.rows.saturating_sub(line.duplicates))
            .with("note", format!("quality {} ppm", line.quality_ppm))
    }));
    rows.extend(statement.new_data.iter().map(|line| {
        let prior = line.prior.map_or_else(|| "<11".to_owned(), |prior| prior.to_string());
        Fact::new("new-data", if line.counts { "counts" } else { "waits" })
            .with("mine", line.new)
            .with("all", prior)
            .with("note", format!("quality {} ppm", line.quality_ppm))
    }));
    rows.extend(page.rejected.iter().map(|line| {
        let rows = line.rows.map_or_else(|| "<11".to_owned(), |rows| rows.to_string());
        Fact::new("rejected", &line.reason)
            .with("dataset", format!("{}@{}", line.dataset, line.version))
            .with("all", rows)
    }));
    rows.extend(statement.adjustment.decisions.iter().map(|decision| {
        let fact = Fact::new("decision", &decision.code)
            .with("note", &decision.reason)
            .with("entry", decision.entry);
        match decision.amount.and_then(|amount| amount.to_accrual().ok()) {
            Some(amount) => fact.money("debit", amount),
            None => fact,
        }
    }));
    rows.extend(page.releases.iter().map(|release| {
        Fact::new("release", if release.rows > 0 { "in" } else { "out" })
            .with("dataset", format!("{}@{}", release.dataset, release.version))
            .with("mine", release.rows)
    }));
    rows.extend(page.consents.iter().map(|consent| {
        let purposes: Vec<&str> = consent.purposes.iter().map(Purpose::as_str).collect();
        let until = consent.until.map(|until| until.to_string()).unwrap_or_default();
        Fact::new("consent", &consent.action)
            .with("date", consent.from)
            .with("until", until)
            .with("purpose", purposes.join("|"))
            .with("institution", consent.institutions.join("|"))
            .with("note", consent.categories.join("|"))
    }));
    rows.push(
        Fact::new("dispute", "until")
            .with("date", statement.dispute_until)
            .with("entry", statement.entry),
    );
    rows
}

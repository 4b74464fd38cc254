//! A sponsor's audit as one long table: a line a figure, for a spreadsheet or another program.

use std::borrow::Cow;

use super::{Money, SponsorAudit};
use crate::report::csv::write;

/// The columns: dates are ISO 8601; `minor` is whole minor units rounded down, `micro` the millionths
/// above them, `amount` all of it as decimal text; `side` says which way the money went.
const COLUMNS: [&str; 10] =
    ["section", "item", "label", "date", "side", "minor", "micro", "amount", "currency", "count"];

/// Writes the audit as CSV (RFC 4180).
pub fn sponsor_csv(audit: &SponsorAudit) -> String {
    let mut rows = Rows { currency: audit.currency.code(), rows: Vec::new() };
    for line in &audit.federal.lines {
        for (item, amount) in
            [("before", line.before), ("within", line.within), ("until", line.until)]
        {
            rows.money(&format!("sf425-{}", line.line), item, line.what, "", "", amount);
        }
    }
    let indirect = &audit.federal.indirect;
    rows.count("sf425-11", "rate", "hundredths of a percent", &indirect.rate_bps.to_string());
    rows.money("sf425-11", "base", "received and settled", "", "", indirect.base);
    rows.money("sf425-11", "amount", "the fee", "", "", indirect.amount);
    for (section, parts) in [
        ("sponsor", &audit.sponsors),
        ("unobligated", &audit.unobligated),
        ("unliquidated", &audit.unliquidated),
        ("roll-forward", &audit.waterfall.changes),
        ("layer", &audit.layers),
    ] {
        for part in parts {
            rows.money(section, &part.what, "", "", side(part.amount), part.amount);
        }
    }
    for line in &audit.roll {
        let day = line.time.date().to_string();
        for (label, side, amount) in [
            ("opening", "", line.opening),
            ("received", "in", line.received),
            ("fee", "out", line.fee),
            ("reserve", "out", line.reserve),
            ("earned by people", "out", line.people),
            ("earned by institutions", "out", line.institutions),
            ("earned by the platform", "out", line.platform),
            ("closing", "", line.closing),
            ("difference", "", line.difference),
        ] {
            rows.money("settlement", &line.period, label, &day, side, amount);
        }
    }
    for (line, settled) in audit.owed.iter().zip(&audit.roll) {
        let day = settled.time.date().to_string();
        for (label, side, amount) in [
            ("opening", "", line.opening),
            ("earned", "in", line.earned),
            ("to people", "out", line.people),
            ("to institutions", "out", line.institutions),
            ("to the platform", "out", line.platform),
            ("closing", "", line.closing),
            ("difference", "", line.difference),
        ] {
            rows.money("owed", &line.period, label, &day, side, amount);
        }
        if let Some(tax) = line.tax {
            rows.money("owed", &line.period, "tax", &day, "out", tax);
        }
    }
    for line in &audit.by_purpose {
        rows.money("purpose", line.purpose.as_str(), &line.label, "", "out", line.amount);
        rows.count("questions", line.purpose.as_str(), &line.label, &line.questions.to_string());
    }
    for line in &audit.by_institution {
        rows.money("institution", &line.institution, "earned", "", "out", line.earned);
        rows.money("institution", &line.institution, "to be paid", "", "out", line.paid);
    }
    for line in &audit.reconciliation {
        rows.money("reconciliation", &line.what, "settlements", "", "", line.settled);
        rows.money("reconciliation", &line.what, &line.other, "", "", line.booked);
    }
    let concentrations = [("people", &audit.people), ("institutions", &audit.institutions)];
    let told = concentrations.into_iter().filter_map(|(who, told)| Some((who, told.as_ref()?)));
    for (who, told) in told {
        let shown = |part: Option<u32>| part.map_or_else(|| "hidden".to_owned(), |p| p.to_string());
        rows.count("concentration", who, "payees", &told.payees.to_string());
        rows.count("concentration", who, "share of ten, of 10000", &shown(told.top));
        rows.count("concentration", who, "index, of 10000", &shown(told.index));
    }
    for (item, label, amount) in [
        ("tax", "withheld", audit.tax),
        ("held", "held back for later settlements", audit.held),
        ("adjusted", "taken back for proven fraud", audit.adjusted),
    ] {
        match amount {
            Some(amount) => rows.money("people", item, label, "", "", amount),
            None => rows.count("people", item, label, "hidden"),
        }
    }
    for exception in &audit.exceptions {
        rows.count("exception", &exception.object, &exception.fault, "1");
    }
    for line in audit.sample.iter().flat_map(|sample| &sample.drawn) {
        let item = format!("{} line {}", line.period, line.line);
        for (label, amount) in [
            ("earned", line.earned),
            ("tax", line.tax),
            ("paid", line.paid),
            ("carried", line.carried),
        ] {
            rows.money("sample", &item, label, "", "", amount);
        }
    }
    write(&COLUMNS, rows.rows)
}

fn side(amount: Money) -> &'static str {
    if amount.micro() < 0 { "out" } else { "in" }
}

struct Rows {
    currency: &'static str,
    rows: Vec<Vec<Cow<'static, str>>>,
}

impl Rows {
    fn money(
        &mut self,
        section: &str,
        item: &str,
        label: &str,
        date: &str,
        side: &str,
        amount: Money,
    ) {
        let (minor, micro) = (amount.minor().to_string(), amount.above().to_string());
        let amount = amount.decimal();
        let cells = [section, item, label, date, side, &minor, &micro, &amount, self.currency, ""];
        self.rows.push(cells.map(|cell| Cow::Owned(cell.to_owned())).to_vec());
    }

    fn count(&mut self, section: &str, item: &str, label: &str, count: &str) {
        let cells = [section, item, label, "", "", "", "", "", "", count];
        self.rows.push(cells.map(|cell| Cow::Owned(cell.to_owned())).to_vec());
    }
}

//! A sponsor's audit as a document, in the order of an assurance report (ISAE 3000): subject, criteria,
//! procedures, evidence, conclusion. HTML and PDF are made of the same parts.

use super::{
    Concentration, Disbursed, Federal, Money, Part, SponsorAudit, SponsorReader, Waterfall,
};
use crate::report::{
    Block, Document, Lang, Pair, Row,
    charts::{Bar, Caption, Step, bars, waterfall},
    number::{percent, thousands},
    page::{Reader, instant},
    words,
};

/// Writes a sponsor's audit as HTML; `beside` names the same facts in other forms: words and file.
pub fn sponsor_page(audit: &SponsorAudit, beside: &[(&str, &str)]) -> String {
    let reader = match audit.reader {
        SponsorReader::Sponsor => Reader::Sponsor,
        SponsorReader::Public => Reader::Public,
    };
    document(audit).html(reader, audit.time, beside, None)
}

/// Lays a sponsor's audit out.
pub fn document(audit: &SponsorAudit) -> Document {
    let mut page = Document {
        lang: Lang::En,
        title: format!("Sponsor audit: {}", audit.pool),
        lead: format!("What became of the money of pool {}, {}.", audit.pool, days(audit)),
        foot: format!("{} · {} · {}", audit.origin, audit.pool, instant(audit.time)),
        blocks: Vec::new(),
    };
    let (figure, said) = match audit.exceptions.len() {
        0 => (
            "Everything adds up".to_owned(),
            "Every line below was reckoned from what was \
              recorded, and each sum comes out to the last millionth of the smallest coin.",
        ),
        1 => ("1 exception".to_owned(), "One thing is not as it should be: see the conclusion."),
        many => (
            format!("{many} exceptions"),
            "Some things are not as they should be: see the conclusion.",
        ),
    };
    page.blocks.push(Block::Hero { figure, text: said.to_owned() });
    subject(&mut page, audit);
    criteria(&mut page, audit);
    procedures(&mut page, audit);
    page.heading("4. Evidence");
    federal(&mut page, audit);
    rolled(&mut page, audit);
    given(&mut page, audit);
    concentration(&mut page, audit);
    exclusions(&mut page, audit);
    restricted(&mut page, audit);
    reconciliation(&mut page, audit);
    sample(&mut page, audit);
    entries(&mut page, audit);
    conclusion(&mut page, audit);
    page
}

fn days(audit: &SponsorAudit) -> String {
    match (audit.days.from, audit.days.until) {
        (None, None) => "from its opening until now".to_owned(),
        (Some(from), None) => format!("from {from} until now"),
        (None, Some(until)) => format!("from its opening until {until}"),
        (Some(from), Some(until)) => format!("from {from} until {until}"),
    }
}

fn subject(page: &mut Document, audit: &SponsorAudit) {
    page.heading("1. Subject");
    page.text(format!(
        "The money that sponsors paid into pool {} of {}, in {}, {}: where it is, who earned it, and \
         what was paid. The pool pays for the use of {}.",
        audit.pool,
        audit.origin,
        audit.currency,
        days(audit),
        audit.datasets.join(", "),
    ));
    if !audit.sponsors.is_empty() {
        parts(page, "Received in these days", "Sponsor", &audit.sponsors, audit);
    }
}

fn criteria(page: &mut Document, audit: &SponsorAudit) {
    let rules = &audit.rules;
    page.heading("2. Criteria");
    page.text(format!(
        "Money is given out by the rule set {}, method {}, which was fixed in the public book when \
         the pool was opened: {} of what comes in is the fee, {} is kept in reserve. The lines below \
         are those of the federal financial report SF-425.",
        rules.name,
        rules.method,
        percent(u64::from(rules.fee_bps) * 100),
        percent(u64::from(rules.reserve_bps) * 100),
    ));
    let purposes = match audit.restricted.purposes.as_slice() {
        [] => "any purpose that the contributors consented to".to_owned(),
        purposes => words::purposes(purposes),
    };
    page.text(format!("The money may pay for {purposes}."));
    let pair = |name: &str, value: &str| Pair { name: name.to_owned(), value: value.to_owned() };
    let pairs = vec![pair("Digest of the rule set (SHA3-256)", &rules.digest)];
    page.blocks.push(Block::Pairs { title: None, pairs });
}

fn procedures(page: &mut Document, audit: &SponsorAudit) {
    page.heading("3. Procedures");
    page.text(
        "Each settlement was reckoned anew from its recorded inputs, by code that is not the code \
         which settled it. Each sum below was made from the lines under it, and where a figure can be \
         had in two ways it was had in both. Anyone with the recorded files can do it again:",
    );
    page.blocks.push(Block::Code { lines: audit.commands.clone() });
    if !audit.checks.is_empty() {
        let rows = audit.checks.iter().map(|check| {
            Row::of([check.asks.clone(), thousands(check.count), thousands(check.findings)])
        });
        page.table("Checks of the audit", ["Question", "#Asked", "#Findings"], rows.collect());
    }
}

fn federal(page: &mut Document, audit: &SponsorAudit) {
    let Federal { disbursed, lines, indirect } = &audit.federal;
    sub(page, "Lines of SF-425");
    page.text(match disbursed {
        Disbursed::Bank => "Line b is what the bank booked, less what came back.",
        Disbursed::PaidLines => {
            "No answer of a bank is recorded: line b is what the settlements say is to be paid."
        }
    });
    let rows = lines.iter().map(|line| {
        Row::of([
            format!("{} {}", line.line, line.what),
            line.meaning.to_owned(),
            line.before.shown(),
            line.within.shown(),
            line.until.shown(),
        ])
    });
    let money = |words: &str| format!("#{words}, {}", audit.currency);
    let heads = [
        "Line".to_owned(),
        "What it is".to_owned(),
        money("Before"),
        money("These days"),
        money("Until their end"),
    ];
    page.table("Federal cash, expenditures and balance", heads, rows.collect());
    let row = [
        percent(u64::from(indirect.rate_bps) * 100),
        indirect.base.shown(),
        indirect.amount.shown(),
    ];
    let heads = ["11. Rate".to_owned(), money("Base"), money("Amount")];
    page.table("Indirect expense: the fee, in these days", heads, vec![Row::of(row)]);
    parts(page, "What line h is made of", "Not given out", &audit.unobligated, audit);
    parts(page, "What line f is made of", "Earned and not paid", &audit.unliquidated, audit);
}

fn rolled(page: &mut Document, audit: &SponsorAudit) {
    sub(page, "Roll-forward");
    fall(page, audit);
    if audit.roll.is_empty() {
        page.text("Nothing was settled in these days.");
        return;
    }
    let money = |words: &str| format!("#{words}");
    let rows = audit.roll.iter().map(|line| {
        let cells = [
            line.opening,
            line.received,
            line.fee,
            line.reserve,
            line.people,
            line.institutions,
            line.platform,
            line.closing,
        ];
        Row::of(std::iter::once(line.period.clone()).chain(cells.map(Money::shown)))
    });
    let heads =
        ["Opening", "Received", "Fee", "Reserve", "People", "Institutions", "Platform", "Closing"];
    let heads = std::iter::once("Period".to_owned()).chain(heads.map(money));
    page.table(
        format!(
            "The pool’s money by settlement, {}: opening and received, less fee, reserve and what was \
             earned, is closing",
            audit.currency,
        ),
        heads,
        rows.collect(),
    );
    let rows = audit.owed.iter().map(|line| {
        let cells = [line.opening, line.earned, line.people].map(Money::shown);
        let last = [line.institutions, line.platform, line.closing].map(Money::shown);
        let tax = line.tax.map_or_else(|| "with people".to_owned(), Money::shown);
        Row::of([line.period.clone()].into_iter().chain(cells).chain([tax]).chain(last))
    });
    let heads =
        ["Opening", "Earned", "To people", "Tax", "To institutions", "To platform", "Closing"];
    let heads = std::iter::once("Period".to_owned()).chain(heads.map(money));
    page.table(
        format!(
            "What is owed by settlement, {}: opening and earned, less what is to be paid, is closing",
            audit.currency,
        ),
        heads,
        rows.collect(),
    );
}

fn fall(page: &mut Document, audit: &SponsorAudit) {
    let Waterfall { opening, changes, closing } = &audit.waterfall;
    let bar = |label: &str, amount: &Money| Bar {
        label: label.to_owned(),
        size: amount.micro(),
        figure: amount.shown(),
    };
    let mut steps = vec![(Step::Balance, bar("Not given out before", opening))];
    steps.extend(changes.iter().map(|part| (Step::Change, bar(&part.what, &part.amount))));
    steps.push((Step::Balance, bar("Not given out after", closing)));
    let title = format!("From balance to balance, {}", audit.currency);
    let shows = said(&title, steps.iter().map(|(_, bar)| bar));
    let caption = Caption { id: "roll-forward", title: &title, shows: &shows };
    page.blocks.push(Block::Picture { svg: waterfall(caption, &steps), alt: shows.clone() });
    let rows = steps.iter().map(|(step, bar)| {
        let cells = [bar.label.clone(), bar.figure.clone()];
        match step {
            Step::Balance => Row::sum(cells),
            Step::Change => Row::of(cells),
        }
    });
    let heads = ["Step".to_owned(), format!("#{}", audit.currency)];
    page.table("From balance to balance", heads, rows.collect());
}

fn given(page: &mut Document, audit: &SponsorAudit) {
    sub(page, "By purpose");
    if !audit.layers.is_empty() {
        parts(
            page,
            "What each layer of the rules gave out, before caps and corrections",
            "Layer",
            &audit.layers,
            audit,
        );
    }
    if audit.by_purpose.is_empty() {
        page.text("No question counted in these days.");
    } else {
        page.text(
            "The usage layer’s money by what the questions were for: each settlement’s is shared out \
             over its questions by their weight, exactly, largest remainders first.",
        );
        let lines = audit.by_purpose.iter().map(|line| Bar {
            label: line.label.clone(),
            size: line.amount.micro(),
            figure: line.amount.shown(),
        });
        chart(page, "by-purpose", "By purpose", &lines.collect::<Vec<_>>(), audit);
        let mut rows: Vec<Row> = audit
            .by_purpose
            .iter()
            .map(|line| {
                let code = line.purpose.as_str().to_owned();
                Row::of([code, line.label.clone(), thousands(line.questions), line.amount.shown()])
            })
            .collect();
        let questions = audit.by_purpose.iter().map(|line| line.questions).sum();
        let all = audit.by_purpose.iter().map(|line| line.amount);
        if let Ok(sum) = Money::sum(audit.currency, all) {
            let cells = ["All".to_owned(), String::new(), thousands(questions), sum.shown()];
            rows.push(Row::sum(cells));
        }
        let amount = format!("#{}", audit.currency);
        page.table("Usage by purpose", ["DUO code", "Purpose", "#Questions", &amount], rows);
    }
    if audit.by_institution.is_empty() {
        return;
    }
    sub(page, "By institution");
    page.text(
        "An amount stands for the records of at least 11 people: smaller institutions are put \
         together, with the next larger one where need be.",
    );
    let lines = audit.by_institution.iter().map(|line| Bar {
        label: line.institution.clone(),
        size: line.earned.micro(),
        figure: line.earned.shown(),
    });
    chart(page, "by-institution", "Earned by institution", &lines.collect::<Vec<_>>(), audit);
    let rows = audit.by_institution.iter().map(|line| {
        let name = line.institution.clone();
        Row::of([name, line.people.to_string(), line.earned.shown(), line.paid.shown()])
    });
    let currency = audit.currency;
    let (earned, paid) = (format!("#Earned, {currency}"), format!("#To be paid, {currency}"));
    page.table("Institutions", ["Institution", "#People", &earned, &paid], rows.collect());
}

fn concentration(page: &mut Document, audit: &SponsorAudit) {
    let told: Vec<(&str, &Concentration)> =
        [("People", &audit.people), ("Institutions", &audit.institutions)]
            .into_iter()
            .filter_map(|(who, told)| Some((who, told.as_ref()?)))
            .collect();
    if !told.is_empty() {
        sub(page, "Concentration");
        page.text(
            "Of what was to be paid in these days, in parts of 10,000. The index is \
             Herfindahl and Hirschman’s: the sum of the squared shares, 10,000 where one has all. It \
             is hidden for fewer than 11 people, and the share of ten where fewer than 11 others were \
             paid.",
        );
        let shown = |part: Option<u32>| {
            part.map_or_else(|| "hidden".to_owned(), |part| thousands(u64::from(part)))
        };
        let rows = told.iter().map(|(who, told)| {
            let who = (*who).to_owned();
            Row::of([who, told.payees.to_string(), shown(told.top), shown(told.index)])
        });
        let heads = ["Payees", "#Paid", "#Share of the ten largest", "#Index"];
        page.table("Concentration of payments", heads, rows.collect());
    }
    if audit.self_dealing.is_empty() {
        return;
    }
    sub(page, "Money that went back");
    page.text(
        "Institutions that the register of related parties relates to a sponsor. A pool’s money is \
         one: of a payment, each sponsor’s part is as large as their part of what was received.",
    );
    let rows = audit.self_dealing.iter().map(|line| {
        Row::of([
            line.sponsor.clone(),
            if line.flagged { line.institutions.join(", ") } else { "none was paid".to_owned() },
            line.received.shown(),
            line.returned.map_or_else(|| "hidden".to_owned(), Money::shown),
            line.share.map_or_else(|| "hidden".to_owned(), |share| percent(u64::from(share) * 100)),
        ])
    });
    let currency = audit.currency;
    let (received, returned) = (format!("#Paid in, {currency}"), format!("#Went back, {currency}"));
    let heads = ["Sponsor", "Related institutions paid", &received, &returned, "#Share"];
    page.table("What went back to who paid", heads, rows.collect());
}

fn exclusions(page: &mut Document, audit: &SponsorAudit) {
    sub(page, "What did not count");
    let excluded = &audit.excluded;
    let rows = vec![
        Row::of(["Questions that repeat one of the same day", &thousands(excluded.repeats)]),
        Row::of([
            "Questions for a purpose that the pool may not pay for",
            &thousands(excluded.other_purpose),
        ]),
        Row::of(["Questions that an override excluded", &thousands(excluded.overridden)]),
        Row::of(["Contributors whom an override excluded", &excluded.contributors.to_string()]),
    ];
    page.table("Exclusions", ["What", "#Count"], rows);
    if audit.overrides.is_empty() {
        page.text("Nothing was decided otherwise than the rules do.");
    } else {
        let private = audit.reader == SponsorReader::Sponsor;
        let rows = audit.overrides.iter().map(|line| {
            let day = line.time.date().to_string();
            let mut cells = vec![day, line.what.clone()];
            if private {
                cells.extend([line.reason.clone(), line.approver.clone()]);
            }
            cells.push(short(&line.entry));
            Row::of(cells)
        });
        let heads: &[&str] = if private {
            &["Day", "Decided", "Why", "Approved by", "Entry"]
        } else {
            &["Day", "Decided", "Entry"]
        };
        page.table("Overrides", heads, rows.collect());
    }
    let all = [
        ("Withheld as tax in these days", audit.tax),
        ("Held back at their end", audit.held),
        ("Taken back for proven fraud in these days", audit.adjusted),
    ];
    let rows = all.map(|(what, amount)| {
        Row::of([what.to_owned(), amount.map_or_else(|| "hidden".to_owned(), Money::shown)])
    });
    let amount = format!("#{}", audit.currency);
    page.table(
        "Kept from people’s payouts; hidden where it is of fewer than 11 people, and in public",
        ["What", &amount],
        rows.into(),
    );
}

fn restricted(page: &mut Document, audit: &SponsorAudit) {
    sub(page, "Restricted purpose");
    let restricted = &audit.restricted;
    page.text(format!(
        "{} questions counted; {} of them had a purpose that the pool’s money may not pay for.",
        thousands(restricted.counted),
        restricted.broken.len(),
    ));
    if !restricted.broken.is_empty() {
        let rows = restricted
            .broken
            .iter()
            .map(|(entry, purpose)| Row::of([short(entry), words::purpose(purpose)]));
        page.table("Questions for another purpose", ["Entry", "Purpose"], rows.collect());
    }
}

fn reconciliation(page: &mut Document, audit: &SponsorAudit) {
    if audit.reconciliation.is_empty() {
        return;
    }
    sub(page, "Reconciliation");
    let rows = audit.reconciliation.iter().map(|line| {
        let difference = line.booked.minus(line.settled);
        let difference = difference.map_or_else(|_| "too large".to_owned(), Money::shown);
        let (settled, booked) = (line.settled.shown(), line.booked.shown());
        Row::of([line.what.clone(), line.other.clone(), settled, booked, difference])
    });
    let heads = ["What", "Beside", "#Settlements", "#The other", "#Difference"];
    let caption = format!("The settlements beside the journal and the bank, {}", audit.currency);
    page.table(caption, heads, rows.collect());
}

fn sample(page: &mut Document, audit: &SponsorAudit) {
    let Some(sample) = &audit.sample else { return };
    sub(page, "Sample");
    page.text(format!(
        "{} of {} lines, drawn by the seed “{}”: {}. The same seed draws the same lines again.",
        sample.drawn.len(),
        thousands(sample.lines),
        sample.seed,
        sample.method,
    ));
    let rows = sample.drawn.iter().map(|line| {
        Row::of([
            format!("{} line {}", line.period, line.line),
            line.earned.shown(),
            line.tax.shown(),
            line.paid.shown(),
            line.carried.shown(),
        ])
    });
    let heads = ["Line", "#Earned", "#Tax", "#Paid", "#Carried"];
    page.table(format!("Lines drawn, {}", audit.currency), heads, rows.collect());
    let leaves = sample.drawn.iter().map(|line| Pair {
        name: format!("{} line {}", line.period, line.line),
        value: line.leaf.clone().unwrap_or_else(|| "the person was erased".to_owned()),
    });
    let title = Some("Their leaves below the roots in the book: token and commitment".to_owned());
    page.blocks.push(Block::Pairs { title, pairs: leaves.collect() });
    let mut lines: Vec<String> = sample.drawn.iter().map(|line| line.command.clone()).collect();
    lines.dedup();
    page.blocks.push(Block::Code { lines });
}

fn entries(page: &mut Document, audit: &SponsorAudit) {
    sub(page, "Entries of the public book");
    page.text(format!(
        "Each stands in the signed book of {} entries; “almoner ledger prove INDEX” proves it.",
        thousands(audit.checkpoint.size),
    ));
    let rows = audit.entries.iter().map(|entry| {
        let day = entry.time.date().to_string();
        Row::of([entry.index.to_string(), day, entry.kind.clone(), short(&entry.id)])
    });
    page.table("Entries", ["#Index", "Day", "What happened", "Id"], rows.collect());
    let pair = |name: &str, value: &str| Pair { name: name.to_owned(), value: value.to_owned() };
    let pairs = vec![pair("Root of the signed book", &audit.checkpoint.root)];
    page.blocks.push(Block::Pairs { title: None, pairs });
}

/// Begins an entry's id, so that a table stays narrow; the JSON has all of it.
fn short(id: &str) -> String {
    id.get(..16).map_or_else(|| id.to_owned(), |start| format!("{start}…"))
}

fn conclusion(page: &mut Document, audit: &SponsorAudit) {
    page.heading("5. Conclusion");
    if audit.exceptions.is_empty() {
        page.text(
            "By the procedures above everything that is recorded of this pool and these days adds \
             up, and nothing was found that is not as it should be.",
        );
    } else {
        let rows = audit
            .exceptions
            .iter()
            .map(|exception| Row::of([exception.object.clone(), exception.fault.clone()]));
        page.table("Exceptions", ["Where", "What is wrong"], rows.collect());
    }
    if audit.self_dealing.iter().any(|line| line.flagged) {
        page.text(
            "Money went back to institutions related to who paid it: see “Money that went back”. The \
             rules leave a sponsor’s own institutions out of their own questions; it is for the \
             auditor to judge the rest.",
        );
    }
    page.text(
        "This page is the engine’s own. It is no assurance: an auditor draws a conclusion of their \
         own, with the commands, the entries and a sample drawn by a seed of their choice.",
    );
}

fn sub(page: &mut Document, text: &str) {
    page.blocks.push(Block::Heading { level: 2, text: text.to_owned() });
}

/// Writes parts and their sum.
fn parts(page: &mut Document, caption: &str, head: &str, parts: &[Part], audit: &SponsorAudit) {
    let mut rows = part_rows(parts);
    if let Ok(sum) = Money::sum(audit.currency, parts.iter().map(|part| part.amount)) {
        rows.push(Row::sum(["All".to_owned(), sum.shown()]));
    }
    let amount = format!("#{}", audit.currency);
    page.table(caption, [head, &amount], rows);
}

fn part_rows(parts: &[Part]) -> Vec<Row> {
    parts.iter().map(|part| Row::of([part.what.clone(), part.amount.shown()])).collect()
}

fn chart(page: &mut Document, id: &str, title: &str, lines: &[Bar], audit: &SponsorAudit) {
    let title = format!("{title}, {}", audit.currency);
    let shows = said(&title, lines);
    let caption = Caption { id, title: &title, shows: &shows };
    page.blocks.push(Block::Picture { svg: bars(caption, lines), alt: shows.clone() });
}

/// Says what a chart shows, for who does not see it.
fn said<'a>(title: &str, bars: impl IntoIterator<Item = &'a Bar>) -> String {
    let bars: Vec<String> =
        bars.into_iter().map(|bar| format!("{} {}", bar.label, bar.figure)).collect();
    format!("{title}: {}.", bars.join("; "))
}

//! What must hold of every statement: one set of figures in every form and language, and no other's.

use super::*;
use crate::{
    digest::{Sha3Digest, Sha256},
    money::{Accrual, Amount, Currency},
    party::{ContributorId, InstitutionId},
    report::{explain, json},
    reward::{
        Layer, Period, PoolId,
        proof::LineProof,
        rules::Grain,
        statement::{
            AdjustmentLine, CapLine, DecisionLine, HeldLine, LayerLine, MoneyLine, NewLine,
            RecordsLine, RulesLine, SplitLine, TaxLine, UseLine, YearLine,
        },
    },
};

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn micro(micro: i128) -> Accrual {
    Accrual::new(micro, eur())
}

fn minor(minor: i128) -> Amount {
    Amount::new(minor, eur())
}

fn layer(
    layer: Layer,
    ppm: u32,
    pot: i128,
    weights: [&str; 2],
    share: u64,
    own: i128,
) -> LayerLine {
    let [weight, total] = weights.map(str::to_owned);
    let (pot, amount) = (micro(pot), micro(own));
    LayerLine { layer, ppm, pot, weight, total_weight: total, share_ppb: share, amount }
}

fn used(people_few: bool) -> UseLine {
    UseLine {
        date: "2026-11-02".parse().unwrap(),
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        institution: Some(InstitutionId::parse("uni-x").unwrap()),
        dataset: "diabetes".into(),
        version: 2,
        my_records: 14,
        counted: 13,
        all_records: if people_few { None } else { Some(1_842) },
        units: "7600434310".into(),
        entry: Sha256::of(b"query"),
    }
}

/// A statement in which every part has something to say; its account adds up.
pub(in crate::report) fn sample() -> StatementPage {
    let digest = Sha3Digest::of(b"x");
    let zero = Sha256::of(b"root");
    let statement = Statement {
        format: "almoner-statement/v2".into(),
        contributor: ContributorId::parse("M0000000420").unwrap(),
        pool: PoolId::parse("diabetes-2026").unwrap(),
        period: Period::parse("2026-Q4").unwrap(),
        currency: eur(),
        settled: Instant::parse("2027-01-02T09:30:00Z").unwrap(),
        dispute_until: "2027-03-03".parse().unwrap(),
        rules: RulesLine {
            name: "standard".into(),
            version: 3,
            digest,
            method: "almoner-reward/v2".into(),
            grain: Grain::Micro,
        },
        money: MoneyLine {
            received: minor(10_000_000),
            returned: micro(0),
            fee: minor(500_000),
            fee_bps: 500,
            reserve: minor(0),
            given_out: micro(9_500_000_000_000),
        },
        opening: micro(43_720_000),
        layers: vec![
            layer(
                Layer::Base,
                300_000,
                2_850_000_000_000,
                ["920000000", "1370270000"],
                671_400_527,
                1_200_000_000,
            ),
            layer(
                Layer::Usage,
                500_000,
                4_750_000_000_000,
                ["964912280702", "4000000000000"],
                241_228_070,
                2_345_678_901,
            ),
            layer(Layer::NewData, 200_000, 1_900_000_000_000, ["5", "8200000"], 609, 500_000_000),
        ],
        cap: Some(CapLine {
            person_ppm: 400_000,
            before: micro(4_045_678_901),
            change: micro(-45_678_901),
        }),
        gross: micro(4_000_000_000),
        split: SplitLine {
            person_bps: 7_000,
            institution_bps: 2_500,
            platform_bps: 500,
            person: micro(2_800_000_000),
            institution: micro(1_000_000_000),
            platform: micro(200_000_000),
        },
        adjustment: AdjustmentLine {
            amount: micro(-300_000_000),
            still_owed: micro(100_000_000),
            decisions: vec![DecisionLine {
                code: "correct".into(),
                amount: Some(minor(400)),
                reason: "a record that was sent twice in 2025".into(),
                entry: Sha256::of(b"decided"),
            }],
        },
        held: micro(500_000_000),
        vested: micro(250_000_000),
        later: vec![
            HeldLine { due: 1, amount: micro(125_000_000) },
            HeldLine { due: 2, amount: micro(375_000_000) },
        ],
        payable: minor(2_293),
        tax: TaxLine { country: Some("DE".into()), bps: 1_500, amount: minor(343) },
        paid: minor(1_950),
        carried: micro(720_000),
        minimum: minor(500),
        year: YearLine {
            year: 2027,
            settlements: 2,
            earned: micro(4_812_345_678),
            tax: minor(412),
            paid: minor(3_456),
        },
        uses: vec![used(false), used(true)],
        records: vec![RecordsLine {
            dataset: "diabetes".into(),
            version: 2,
            base: true,
            institution: InstitutionId::parse("north-shore").unwrap(),
            rows: 1_007,
            duplicates: 7,
            quality_ppm: 920_000,
        }],
        new_data: vec![
            NewLine { new: 100, prior: Some(950), quality_ppm: 920_000, counts: true },
            NewLine { new: 3, prior: None, quality_ppm: 610_000, counts: false },
        ],
        inputs: digest,
        lines: digest,
        entry: Sha256::of(b"settled"),
        proof: LineProof {
            line: "{\"pool\":\"diabetes-2026\"}".into(),
            token: "5e".repeat(32),
            salt: "5a".repeat(32),
            leaf: "1e".repeat(64),
            leaf_index: 17,
            leaf_count: 2_005,
            path: vec![Sha256::of(b"a"), Sha256::of(b"b")],
            root: zero,
        },
        recompute: "almoner audit recompute diabetes-2026".into(),
    };
    let decided = |action: &str| StatementConsent {
        action: action.into(),
        purposes: vec![Purpose::parse("DUO:0000006").unwrap()],
        institutions: vec![],
        categories: vec!["conditions".into()],
        from: "2026-01-01".parse().unwrap(),
        until: None,
    };
    let release = |version, rows| StatementRelease { dataset: "diabetes".into(), version, rows };
    let rejected = |reason: &str, rows| StatementRejected {
        dataset: "diabetes".into(),
        version: 2,
        reason: reason.into(),
        rows,
    };
    StatementPage {
        statement,
        releases: vec![release(1, 1_000), release(2, 1_007)],
        rejected: vec![rejected("type", Some(402)), rejected("columns", None)],
        consents: vec![decided("withdraw"), decided("grant")],
        withdraw: "almoner consent withdraw M0000000420".into(),
        proofs: None,
    }
}

/// The account's figures as a language writes them; each stands in every form that people read.
fn figures(lang: Lang) -> Vec<String> {
    let amounts = [
        "0.4372",
        "12.00",
        "23.45678901",
        "5.00",
        "40.00",
        "10.00",
        "2.00",
        "28.00",
        "2.50",
        "22.9372",
        "3.43",
        "19.50",
        "0.0072",
        "1.25",
        "3.75",
        "48.12345678",
        "4.12",
        "34.56",
        "1.00",
    ];
    let counts = ["920000000", "1370270000", "964912280702", "1842", "1007", "950", "402"];
    let messages = Messages::of(lang);
    let mut all: Vec<String> =
        amounts.iter().chain(&counts).map(|text| messages.decimal(text)).collect();
    all.push(messages.decimal("-0.45678901"));
    all.push(messages.decimal("-3.00"));
    all.push(messages.percent(671_400));
    all
}

/// The texts of a page as a reader sees them, one after the other.
fn texts(page: &Document) -> String {
    fn walk(value: &serde_json::Value, out: &mut String) {
        match value {
            serde_json::Value::String(text) => {
                out.push_str(text);
                out.push('\n');
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            serde_json::Value::Object(members) => members.values().for_each(|item| walk(item, out)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            }
        }
    }
    let mut out = String::new();
    walk(&serde_json::to_value(page).unwrap(), &mut out);
    out
}

#[test]
fn every_language_and_form_tells_the_same_figures() {
    let page = sample();
    for lang in Lang::ALL {
        let html = statement_page(&page, lang, "statement", true);
        let document = texts(&page.document(lang));
        for figure in figures(lang) {
            assert!(html.contains(&figure), "the {lang} page lacks {figure}");
            assert!(document.contains(&figure), "the {lang} PDF lacks {figure}");
        }
        assert!(html.contains(&format!("<html lang=\"{lang}\">")), "it would be read out wrongly");
        for file in ["statement.csv", "statement.json", "statement.pdf"] {
            assert!(html.contains(file), "the {lang} page does not lead to {file}");
        }
    }
    let german = statement_page(&page, Lang::De, "s", false);
    assert!(german.contains("2. Januar 2027".replace(". ", ".\u{a0}").as_str()), "{german}");
    assert!(german.contains("bis zum 3.\u{a0}März 2027") && !german.contains("s.pdf"));
}

#[test]
fn an_explanation_says_the_figures_of_the_line_in_words_and_exactly() {
    let page = sample();
    for lang in Lang::ALL {
        let messages = Messages::of(lang);
        let why = explain(&page.statement, lang);
        let step = |name: &str| why.steps.iter().find(|step| step.step == name).unwrap();
        let statement = &page.statement;
        for (name, figure, accrual) in [
            ("base", "amount", statement.layers[0].amount),
            ("usage", "amount", statement.layers[1].amount),
            ("cap", "gross", statement.gross),
            ("split", "person", statement.split.person),
            ("held", "held", statement.held),
            ("vested", "vested", statement.vested),
            ("account", "opening", statement.opening),
            ("account", "balance", micro(2_293_720_000)),
            ("result", "carried", statement.carried),
            ("adjustment", "owed", statement.adjustment.still_owed),
        ] {
            let step = step(name);
            assert_eq!(step.figures[figure], accrual.decimal(), "{name}: another figure");
            assert!(step.text.contains(&messages.accrual(accrual)), "{lang} {name}: {}", step.text);
        }
        assert_eq!(step("result").figures["paid"], "19.50");
        assert!(step("result").text.contains(&messages.amount(statement.paid)));
        assert!(step("tax").text.contains(&messages.amount(statement.tax.amount)));
        assert!(step("adjustment").text.contains("a record that was sent twice"), "no reason");
        assert!(step("check").text.contains("almoner audit recompute diabetes-2026"));
        let steps: Vec<&str> = why.steps.iter().map(|step| step.step.as_str()).collect();
        assert_eq!(
            steps,
            [
                "money",
                "base",
                "usage",
                "new-data",
                "cap",
                "split",
                "adjustment",
                "held",
                "vested",
                "account",
                "payable",
                "tax",
                "result",
                "check"
            ],
            "a step is missing or out of order"
        );
    }
}

#[test]
fn no_sentence_is_left_untold_or_shows_its_name() {
    for page in [sample(), plain()] {
        for lang in Lang::ALL {
            let mut text = texts(&page.document(lang));
            let why = explain(&page.statement, lang);
            text.push_str(&serde_json::to_string(&why).unwrap());
            for name in Messages::names(lang) {
                let shown = text.split(['\n', '"']).any(|line| line == name);
                assert!(!shown, "{lang}: message `{name}` is missing where it is said");
            }
            assert!(!text.contains("{$") && !text.contains("{ $"), "{lang}: a variable is unset");
        }
    }
}

/// A statement in which nothing happened.
fn plain() -> StatementPage {
    let mut page = sample();
    let statement = &mut page.statement;
    statement.layers.clear();
    statement.cap = None;
    statement.split.person_bps = 10_000;
    statement.uses.clear();
    statement.records.clear();
    statement.new_data.clear();
    statement.later.clear();
    statement.adjustment.decisions.clear();
    statement.adjustment.amount = micro(0);
    statement.adjustment.still_owed = micro(0);
    statement.payable = minor(0);
    statement.paid = minor(0);
    statement.tax = TaxLine { country: None, bps: 1_500, amount: minor(0) };
    statement.carried = micro(43_720_000);
    page.releases.clear();
    page.rejected.clear();
    page.consents.clear();
    page
}

#[test]
fn an_unpaid_statement_says_that_nothing_is_lost() {
    let html = statement_page(&plain(), Lang::En, "s", false);
    assert!(html.contains("Nothing paid this time") && html.contains("EUR\u{a0}0.4372 is carried"));
    let why = explain(&plain().statement, Lang::En);
    assert!(why.steps.iter().any(|step| step.text.contains("nothing is lost")));
}

#[test]
fn a_small_crowd_is_not_told_in_any_form() {
    let mut page = sample();
    page.statement.uses = vec![used(true)];
    page.statement.new_data.remove(0);
    page.rejected.remove(0);
    let csv = statement_csv(&page);
    assert!(csv.contains("<11") && !csv.contains("1842"));
    let html = statement_page(&page, Lang::En, "s", false);
    assert!(html.contains("hidden") && html.contains("fewer than 11"), "{html}");
    assert!(!html.contains("1,842"), "a crowd is told");
    let json = json(&page).unwrap();
    assert!(json.contains("\"all_records\": null") && json.contains("\"prior\": null"));
}

#[test]
fn the_csv_account_adds_up_and_its_dates_and_amounts_are_for_programs() {
    for page in [sample(), plain()] {
        let text = statement_csv(&page);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let heads: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let at = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let mut sum = 0_i128;
        let mut closing = None;
        for row in reader.records() {
            let row = row.unwrap();
            let micro = || row[at("micro")].parse::<i128>().unwrap();
            match (&row[at("part")], &row[at("side")]) {
                ("account", "credit") => sum += micro(),
                ("account", "debit") => sum -= micro(),
                ("sum", "balance") if &row[at("item")] == "closing" => closing = Some(micro()),
                _ => {}
            }
            if &row[at("part")] == "account" {
                assert_eq!(&row[at("date")], "2027-01-02", "no ISO date");
            }
            if &row[at("item")] == "paid" && &row[at("part")] == "account" {
                assert_eq!(row[at("minor")], page.statement.paid.minor().to_string());
                assert_eq!(&row[at("currency")], "EUR");
            }
        }
        if page.statement.layers.is_empty() {
            continue;
        }
        assert_eq!(Some(sum), closing, "the spreadsheet does not come to what is carried");
    }
}

#[test]
fn hostile_names_are_text_in_every_form() {
    let odd = "=HYPERLINK(1)<script>alert(1)</script>#panic()*x*";
    let mut page = sample();
    page.statement.adjustment.decisions[0].reason = odd.into();
    page.statement.rules.name = odd.into();
    page.statement.records[0].dataset = odd.into();
    page.consents[0].institutions.push(odd.into());
    page.rejected[0].reason = odd.into();
    let html = statement_page(&page, Lang::De, "s", true);
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    let mut reader = ::csv::Reader::from_reader(statement_csv(&page).into_bytes().leak() as &[u8]);
    for row in reader.records() {
        for cell in &row.unwrap() {
            assert!(!cell.starts_with(['=', '+', '@']), "a spreadsheet would run {cell}");
        }
    }
    assert!(page.document(Lang::De).pdf(page.statement.settled).is_ok(), "no PDF for them");
}

#[test]
fn a_statement_reads_back_from_its_json_and_a_log_names_nobody() {
    let text = json(&sample()).unwrap();
    assert!(serde_json::from_str::<StatementPage>(&text).unwrap() == sample());
    assert!(text.starts_with("{\n  \"format\": \"almoner-statement/v2\""), "programs look there");
    assert!(!format!("{:?}", sample()).contains("M0000000420"));
}

/// Writes what people read to `target/pages`, for the eye and for programs that read PDF.
#[test]
fn statements_can_be_looked_at() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&dir).unwrap();
    for lang in Lang::ALL {
        let page = sample().document(lang);
        let pdf = page.pdf(sample().statement.settled).unwrap();
        std::fs::write(dir.join(format!("statement.{lang}.pdf")), pdf).unwrap();
        let html = statement_page(&sample(), lang, "statement", true);
        std::fs::write(dir.join(format!("statement.{lang}.html")), html).unwrap();
        let figures = serde_json::to_string(&figures(lang)).unwrap();
        std::fs::write(dir.join(format!("statement.{lang}.figures.json")), figures).unwrap();
    }
}

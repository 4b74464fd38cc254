//! The worked example of the method of rewards, to the cent: EUR 100,000.00 to four people by the rules of
//! `pipelines/rewards-worked-example.toml`, through every figure that the method states.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]

use std::{path::Path, sync::Arc};

use almoner::{
    bank::{Debtor, Order, Payment, Version, check, write},
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{Accrual, Amount, Currency},
    party::{ContributorId, ResearcherId},
    payee::Account,
    pipeline::rules,
    purpose::Purpose,
    reward::{
        FundedInput, Inputs, Layer, Line, NewDataLine, ObjectRef, PayeeLine, Period, PoolId,
        QueryInput, Rules, Settlement, Tables, VersionInput, settle,
    },
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

/// Who takes part: records, their quality in millionths, new records, and how many the stratum held.
const PEOPLE: [(&str, i64, i64, u64, u64); 4] = [
    ("A", 1_000, 920_000, 100, 950),
    ("B", 400, 990_000, 40, 50),
    ("C", 50, 1_000_000, 50, 0),
    ("D", 7, 610_000, 7, 0),
];

/// The questions: their price, and the rows that each drew on.
const QUESTIONS: [(u32, &[(&str, i64)]); 3] = [
    (1, &[("A", 600), ("B", 300), ("C", 50)]),
    (2, &[("A", 10), ("C", 50)]),
    (1, &[("B", 100), ("D", 7)]),
];

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn object() -> ObjectRef {
    ObjectRef { path: "o".into(), digest: Sha3Digest::of(b"") }
}

fn batch(texts: &[(&str, Vec<String>)], ints: &[(&str, Vec<i64>)]) -> RecordBatch {
    let texts = texts
        .iter()
        .map(|(name, cells)| (*name, Arc::new(StringArray::from_iter_values(cells)) as ArrayRef));
    let ints =
        ints.iter().map(|(name, cells)| (*name, Arc::new(Int64Array::from(cells.clone())) as _));
    RecordBatch::try_from_iter(texts.chain(ints)).unwrap()
}

/// A question's price, and the rows that it drew from each person.
type Question<'a> = (u32, &'a [(&'a str, i64)]);

/// Everything that the example rests on.
fn inputs() -> Inputs {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/rewards-worked-example.toml");
    let set = rules::read(&file).unwrap();
    let entry = Sha256::of(b"");
    let question = |(number, (price, drawn)): (u64, &Question<'_>)| QueryInput {
        commit: number,
        entry,
        time: Instant::parse("2026-11-02").unwrap(),
        dataset: "d".into(),
        version: 1,
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        researcher: ResearcherId::parse("r").unwrap(),
        institution: None,
        query: Sha3Digest::of(&number.to_be_bytes()),
        price: *price,
        people: drawn.len() as u64,
        rows: drawn.iter().map(|(_, rows)| rows.unsigned_abs()).sum(),
        lines: object(),
    };
    Inputs {
        format: 2,
        pool: PoolId::parse("worked-example").unwrap(),
        period: Period::parse("2026-Q4").unwrap(),
        datasets: vec!["d".into()],
        purposes: vec![],
        rules: Rules::new(eur(), set),
        funded: vec![FundedInput { commit: 2, entry, amount: Amount::new(10_000_000, eur()) }],
        returned: Accrual::new(0, eur()),
        versions: vec![VersionInput {
            commit: 1,
            entry,
            dataset: "d".into(),
            version: 1,
            roster: object(),
            base: true,
        }],
        queries: (1_u64..).zip(&QUESTIONS).map(question).collect(),
        repeats: vec![],
        other_purpose: vec![],
        related: vec![],
        overrides: vec![],
        payees: None,
        new_data: None,
        value: None,
        opening: None,
        seed: Sha3Digest::of(b""),
    }
    .seeded()
    .unwrap()
}

fn tables() -> Tables {
    let column =
        |cell: fn(&(&str, i64, i64, u64, u64)) -> String| PEOPLE.iter().map(cell).collect();
    let roster = batch(
        &[
            ("contributor", column(|p| p.0.to_owned())),
            ("institution", column(|p| format!("house of {}", p.0))),
            ("pseudonym", column(|p| format!("~{}", p.0))),
        ],
        &[
            ("rows", PEOPLE.iter().map(|p| p.1).collect()),
            ("quality_ppm", PEOPLE.iter().map(|p| p.2).collect()),
        ],
    );
    let usage = QUESTIONS.iter().map(|(_, drawn)| {
        let pseudonyms = drawn.iter().map(|(who, _)| format!("~{who}")).collect();
        let rows = drawn.iter().map(|(_, rows)| *rows).collect();
        batch(&[("pseudonym", pseudonyms)], &[("rows", rows)])
    });
    let person = |who: &str| ContributorId::parse(who).unwrap();
    Tables {
        rosters: vec![roster],
        usage: usage.collect(),
        payees: PEOPLE
            .iter()
            .map(|p| PayeeLine {
                contributor: person(p.0),
                person: Some(format!("person {}", p.0)),
                verified: true,
                country: Some("DE".into()),
            })
            .collect(),
        new_data: PEOPLE
            .iter()
            .map(|p| NewDataLine {
                contributor: person(p.0),
                stratum: format!("stratum of {}", p.0),
                new: p.3,
                prior: p.4,
                quality_ppm: 1_000_000,
                verified: 1,
                vested: true,
            })
            .collect(),
        ..Tables::default()
    }
}

/// The settlement of the worked example.
fn settlement() -> Settlement {
    settle(&inputs(), &tables()).unwrap()
}

/// Whole cents of an amount in millionths of a cent; there are no others here.
fn cents(micro: i64) -> i64 {
    assert_eq!(micro % 1_000_000, 0, "the rules give out whole cents");
    micro / 1_000_000
}

fn column(run: &Settlement, cell: fn(&Line) -> i64) -> Vec<i64> {
    run.lines.iter().map(|line| cents(cell(line))).collect()
}

#[test]
fn the_pot_and_its_layers_are_right_to_the_cent() {
    let totals = settlement().totals;
    assert_eq!(totals.received.minor(), 10_000_000);
    assert_eq!(totals.fee.minor(), 500_000, "5 % of 100,000.00");
    let pots: Vec<i128> = totals.layers.iter().map(|sums| sums.pot.whole().minor()).collect();
    assert_eq!(pots, [2_850_000, 4_750_000, 1_900_000], "30, 50 and 20 % of 95,000.00");
}

#[test]
fn the_base_layer_is_right_to_the_cent() {
    let run = settlement();
    let weights: Vec<u128> = run.lines.iter().map(|line| line.base_weight).collect();
    assert_eq!(weights, [920_000_000, 396_000_000, 50_000_000, 4_270_000]);
    assert_eq!(run.totals.layer(Layer::Base).unwrap().weight, "1370270000");
    // The floors sum to 2,849,999; the one cent left is A's, whose remainder is the largest.
    assert_eq!(column(&run, |line| line.base_micro), [1_913_492, 823_633, 103_994, 8_881]);
}

#[test]
fn the_usage_layer_is_right_to_the_unit_and_to_the_cent() {
    let run = settlement();
    let weights: Vec<u128> = run.lines.iter().map(|line| line.usage_weight).collect();
    assert_eq!(weights, [964_912_280_702, 1_250_368_912_936, 1_719_298_245_614, 65_420_560_748]);
    assert_eq!(run.totals.layer(Layer::Usage).unwrap().weight, "4000000000000");
    let shares = column(&run, |line| line.usage_micro);
    assert_eq!(shares, [1_145_833, 1_484_813, 2_041_667, 77_687]);
}

#[test]
fn the_layer_of_new_data_is_right_to_the_cent() {
    let run = settlement();
    let weights: Vec<u128> = run.lines.iter().map(|line| line.new_weight).collect();
    assert_eq!(weights, [5_000_000, 20_000_000, 50_000_000, 7_000_000]);
    assert_eq!(column(&run, |line| line.new_micro), [115_854, 463_415, 1_158_536, 162_195]);
}

#[test]
fn what_each_earned_is_split_and_taxed_to_the_cent() {
    let run = settlement();
    let gross = column(&run, |line| line.gross_micro);
    assert_eq!(gross, [3_175_179, 2_771_861, 3_304_197, 248_763]);
    assert_eq!(gross.iter().sum::<i64>(), 9_500_000, "95,000.00 is given out, no cent is lost");
    let first = &run.lines[0];
    let parts = [first.person_micro, first.institution_micro, first.platform_micro].map(cents);
    assert_eq!(parts, [2_222_625, 793_795, 158_759]);
    assert_eq!(first.tax_minor, 333_393, "15 % of 22,226.25, rounded down");
    let net: Vec<i64> = run.lines.iter().map(|line| line.paid_minor).collect();
    assert_eq!(net, [1_889_232, 1_649_258, 1_965_998, 148_014]);
    let totals = &run.totals;
    assert_eq!(totals.paid.minor(), 5_652_502, "the control sum of the payout");
    assert_eq!(totals.payable.minor(), totals.paid.minor() + totals.tax.minor());
    assert_eq!(totals.carried.micro(), 0);
    assert_eq!(totals.unallocated.micro(), 0);
}

#[test]
fn institutions_and_the_platform_get_their_parts_of_each_and_all_of_it_is_accounted_for() {
    let run = settlement();
    let institutions: i128 = run.institutions.iter().map(|l| i128::from(l.paid_minor)).sum();
    let totals = &run.totals;
    let platform = totals.platform_account.as_ref().unwrap().paid.minor();
    assert_eq!(run.institutions[0].paid_minor, 793_795, "A's house gets A's institutions' part");
    assert_eq!(
        totals.fee.minor() + totals.payable.minor() + institutions + platform,
        10_000_000,
        "what came in is not what went out"
    );
}

#[test]
fn the_example_settles_to_the_same_lines_whatever_the_order_of_its_tables() {
    let mut turned = tables();
    let roster = &turned.rosters[0];
    let order = arrow::array::UInt32Array::from(vec![3, 1, 0, 2]);
    let columns = arrow::compute::take_arrays(roster.columns(), &order, None).unwrap();
    turned.rosters[0] = RecordBatch::try_new(roster.schema(), columns).unwrap();
    turned.new_data.reverse();
    turned.payees.reverse();
    assert_eq!(
        settle(&inputs(), &turned).unwrap(),
        settlement(),
        "the order of rows paid somebody"
    );
}

#[test]
fn the_bank_is_told_to_make_four_payments_of_56_525_02_together() {
    let run = settlement();
    let iban = "DE89370400440532013000";
    let account = Account::parse("Payee", iban, None).unwrap();
    let debtor = Debtor::read(&format!("name = 'Commons'\niban = '{iban}'\n")).unwrap();
    let ids: Vec<String> = (1..=run.lines.len()).map(|at| format!("AL{at}")).collect();
    let payments: Vec<Payment<'_>> = run
        .lines
        .iter()
        .zip(&ids)
        .map(|(line, id)| Payment {
            end_to_end: id,
            amount: Amount::new(i128::from(line.paid_minor), eur()),
            account: &account,
        })
        .collect();
    let amounts: Vec<String> = payments.iter().map(|payment| payment.amount.decimal()).collect();
    assert_eq!(amounts, ["18892.32", "16492.58", "19659.98", "1480.14"], "the net payouts");
    for version in [Version::V03, Version::V09] {
        let order = Order {
            message: "ALM-worked-example",
            created: Instant::parse("2027-01-02").unwrap(),
            date: "2027-01-04".parse().unwrap(),
            remittance: "Data reward 2026-Q4",
            debtor: &debtor,
            payments: &payments,
        };
        let file = write(version, &order).unwrap();
        let sums = check(&file).unwrap();
        assert_eq!((sums.count, sums.sum.decimal().as_str()), (4, "56525.02"));
        let text = String::from_utf8(file).unwrap();
        let wrong = text.replace("<CtrlSum>56525.02</CtrlSum>", "<CtrlSum>56525.03</CtrlSum>");
        assert!(check(wrong.as_bytes()).is_err(), "a wrong control sum left the house");
    }
}

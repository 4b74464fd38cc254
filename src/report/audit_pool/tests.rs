//! Laws of a sponsor's audit, over pools of any shape.

use proptest::prelude::*;

use super::*;

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn time(day: &str) -> Instant {
    Instant::parse(day).unwrap()
}

fn amount(minor: i128) -> Amount {
    Amount::new(minor, euro())
}

fn micro(micro: i128) -> Accrual {
    Accrual::new(micro, euro())
}

fn account(opening: i128, earned: i128, payable: i128) -> AccountFacts {
    AccountFacts {
        opening: micro(opening),
        earned: micro(earned),
        payable: amount(payable),
        closing: micro(opening + earned - payable * 1_000_000),
    }
}

/// A settlement that adds up: EUR 1,000.00 in, 50.00 fee, 100.00 reserve, 850.00 less 0.01 given out.
pub(crate) fn settlement() -> SettlementFacts {
    let purpose = |code: &str| Purpose::parse(code).unwrap();
    let question = |code: &str, units| QuestionFacts {
        purpose: purpose(code),
        units,
        entry: "0f".repeat(32),
        allowed: true,
    };
    SettlementFacts {
        period: "2026-Q4".to_owned(),
        time: time("2027-01-02"),
        received: amount(100_000),
        returned: micro(0),
        fee: amount(5_000),
        reserve: amount(10_000),
        unallocated: micro(1_000_000),
        people: account(0, 59_499_300_000, 59_000),
        tax: amount(8_850),
        held: micro(99_300_000),
        institutions: account(0, 21_249_750_000, 21_249),
        platform: account(0, 4_249_950_000, 4_249),
        adjusted: micro(0),
        of_people: OfPeople { taxed: 40, held: 40, adjusted: 0 },
        layers: vec![
            LayerFacts {
                layer: "base".to_owned(),
                pot: micro(40_000_000_000),
                unallocated: micro(1_000_000),
            },
            LayerFacts {
                layer: "usage".to_owned(),
                pot: micro(45_000_000_000),
                unallocated: micro(0),
            },
        ],
        questions: vec![
            question("DUO:0000006", 2),
            question("DUO:0000042", 1),
            question("DUO:0000006", 4),
        ],
        by_institution: vec![InstitutionFacts {
            institution: "north-shore".to_owned(),
            people: 812,
            earned: micro(21_249_750_000),
            paid: amount(21_249),
        }],
        paid_to: (0..40).map(|n| (n, 100 + n as u64)).collect(),
        excluded: Excluded { repeats: 2, contributors: PublicCount::new(3), ..Excluded::default() },
        root: Sha256::of(b"root"),
        lines: 40,
        entry: "0e".repeat(32),
    }
}

fn facts(odd: &str) -> PoolFacts {
    let line = |n| SampleLine {
        period: "2026-Q4".to_owned(),
        line: n,
        key: "ab".repeat(32),
        root: "cd".repeat(32),
        leaf: (n > 1).then(|| "ef".repeat(64)),
        earned: Money::of_micro(1_234_567, euro()),
        tax: Money::zero(euro()),
        paid: Money::of_micro(1_000_000, euro()),
        carried: Money::of_micro(234_567, euro()),
        command: format!("almoner audit recompute diabetes-2026 {odd}"),
    };
    PoolFacts {
        pool: format!("diabetes-2026{odd}"),
        origin: format!("bay.example/ledger{odd}"),
        time: time("2027-01-03T09:30:00Z"),
        currency: euro(),
        days: Days::default(),
        datasets: vec![format!("diabetes{odd}")],
        purposes: vec![Purpose::parse("DUO:0000042").unwrap()],
        rules: RulesFacts {
            name: format!("standard v1{odd}"),
            digest: "12".repeat(32),
            method: "almoner-reward/v2".to_owned(),
            fee_bps: 500,
            reserve_bps: 1_000,
        },
        receipts: vec![
            Receipt {
                time: time("2026-10-05"),
                amount: amount(100_000),
                sponsor: format!("Big Foundation{odd}"),
            },
            Receipt {
                time: time("2027-01-03"),
                amount: amount(7),
                sponsor: "second-sponsor".to_owned(),
            },
        ],
        settlements: vec![settlement()],
        bank: None,
        related: vec![RelatedFacts {
            payer: format!("Big Foundation{odd}"),
            institution: "north-shore".to_owned(),
            entry: "0a".repeat(32),
        }],
        overrides: vec![OverrideFacts {
            time: time("2026-12-01"),
            kind: "exclude-query".to_owned(),
            what: format!("excluded question 17{odd}"),
            reason: format!("asked by mistake{odd}"),
            approver: format!("jane-approver{odd}"),
            entry: "0b".repeat(32),
        }],
        journal: vec![
            ("Assets:Bank".to_owned(), amount(100_007)),
            ("Income:Fees:D".to_owned(), amount(-5_000)),
            ("Income:Platform:D".to_owned(), amount(-4_249)),
            ("Liabilities:Accrued:D".to_owned(), amount(-400)),
            ("Liabilities:Held:D".to_owned(), amount(-99)),
            ("Liabilities:Payable:D:C3-0000001".to_owned(), amount(-50_150)),
            ("Liabilities:PayableInstitutions:D".to_owned(), amount(-21_249)),
            ("Liabilities:Pool:D".to_owned(), amount(-10)),
            ("Liabilities:Reserve:D".to_owned(), amount(-10_000)),
            ("Liabilities:Tax:D".to_owned(), amount(-8_850)),
        ],
        payouts: vec![Reconciled {
            what: format!("Payout file MSG-1{odd}"),
            settled: Money::of_micro(71_399_000_000, euro()),
            other: "CtrlSum of pain.001".to_owned(),
            booked: Money::of_micro(71_399_000_000, euro()),
        }],
        checks: vec![AuditCheck {
            name: "shares".to_owned(),
            asks: format!("Does each line follow from the inputs?{odd}"),
            count: 1_204,
            findings: 0,
        }],
        findings: Vec::new(),
        entries: vec![EntryFacts {
            index: 3,
            id: "0c".repeat(32),
            kind: format!("pool-opened{odd}"),
            time: time("2026-10-01"),
        }],
        checkpoint: Checkpoint { size: 61, root: "5e".repeat(32) },
        sample: Some(Sample {
            seed: format!("2027 auditor{odd}"),
            method: "the smallest keys",
            lines: 40,
            drawn: vec![line(1), line(7)],
        }),
    }
}

/// A sponsor's audit with `odd` in as many texts as take one.
pub(crate) fn sample(odd: &str) -> SponsorAudit {
    sponsor(facts(odd))
}

fn sponsor(facts: PoolFacts) -> SponsorAudit {
    SponsorAudit::of(facts, SponsorReader::Sponsor).unwrap()
}

fn until(audit: &SponsorAudit, line: &str) -> i128 {
    audit.line(line).unwrap().until.micro()
}

#[test]
fn the_lines_of_the_federal_form_are_those_reckoned_by_hand() {
    let audit = sponsor(facts(""));
    let shown: Vec<String> = audit.federal.lines.iter().map(|l| l.until.decimal()).collect();
    assert_eq!(
        shown,
        [
            "1000.07", // received
            "713.99",  // 590.00 to people less 88.50 tax, 212.49 to institutions
            "286.08",  // in the bank
            "1000.07", // authorised
            "806.48",  // 713.99, the fee of 50.00, the platform's 42.49
            "93.51",   // 849.99 earned less 713.99 and 42.49
            "899.99",  // earned and the fee
            "100.08",  // reserve, a cent for nobody, 0.07 not settled
        ]
    );
    assert_eq!(audit.exceptions, [], "a pool that adds up would be called wrong");
    let sums = |parts: &[Part]| parts.iter().map(|p| p.amount.micro()).sum::<i128>();
    assert_eq!(sums(&audit.unobligated), until(&audit, "10h"));
    assert_eq!(sums(&audit.unliquidated), until(&audit, "10f"));
    assert_eq!(audit.federal.indirect.amount.decimal(), "50.00");
}

#[test]
fn what_the_bank_booked_is_what_was_disbursed() {
    let mut told = facts("");
    told.bank = Some(vec![BankFacts { time: time("2027-01-03"), booked: amount(70_000) }]);
    (told.journal[0].1, told.journal[5].1) = (amount(30_007), amount(19_850));
    let audit = sponsor(told);
    assert_eq!(audit.federal.disbursed, Disbursed::Bank);
    assert_eq!(audit.line("10b").unwrap().until.decimal(), "700.00");
    assert_eq!(audit.line("10f").unwrap().until.decimal(), "107.50", "13.99 came back");
    assert_eq!(audit.exceptions, []);
}

#[test]
fn days_cut_the_acts_and_the_columns_still_add_up() {
    let mut told = facts("");
    told.days.from = Some("2027-01-01".parse().unwrap());
    told.days.until = Some("2027-01-02".parse().unwrap());
    // The journal's balances are of the end of the days too.
    told.journal[0].1 = amount(100_000);
    told.journal[7].1 = amount(-3);
    let audit = sponsor(told);
    let received = audit.line("10a").unwrap();
    let shown = [received.before, received.within, received.until].map(Money::decimal);
    assert_eq!(shown, ["1000.00", "0.00", "1000.00"], "the seven cents came a day later");
    for line in &audit.federal.lines {
        let sum = line.before.plus(line.within).unwrap();
        assert_eq!(sum, line.until, "line {} does not add up over time", line.line);
    }
    assert_eq!(audit.waterfall.opening.decimal(), "1000.00");
    assert_eq!(audit.waterfall.closing.decimal(), "100.01");
    assert_eq!(audit.exceptions, []);
    assert!(audit.overrides.is_empty(), "an override of another day is told of");
}

#[test]
fn money_for_a_purpose_that_the_pool_may_not_pay_for_is_an_exception() {
    let mut told = facts("");
    told.settlements[0].questions[1].allowed = false;
    let audit = sponsor(told);
    assert_eq!((audit.restricted.counted, audit.restricted.broken.len()), (3, 1));
    assert_eq!(audit.exceptions.len(), 1, "{:?}", audit.exceptions);
    assert!(audit.exceptions[0].fault.contains("DUO:0000042"));
}

#[test]
fn a_cent_that_is_missing_anywhere_is_an_exception_that_names_the_place() {
    type Spoil = fn(&mut PoolFacts);
    let places: [(&str, Spoil); 8] = [
        ("settlement 2026-Q4", |f| f.settlements[0].fee = amount(5_001)),
        ("settlement 2026-Q4", |f| f.settlements[0].people.closing = micro(0)),
        ("settlement 2026-Q4", |f| f.settlements[0].unallocated = micro(999_999)),
        ("line 10h", |f| f.settlements[0].received = amount(99_999)),
        ("Payout file MSG-1", |f| f.payouts[0].booked = Money::zero(euro())),
        ("Fees", |f| f.journal[1].1 = amount(-5_001)),
        ("Owed and not payable yet", |f| f.journal[9].1 = amount(-8_849)),
        ("line 10f", |f| f.bank = Some(vec![BankFacts { time: f.time, booked: amount(99_999) }])),
    ];
    for (place, change) in places {
        let mut told = facts("");
        change(&mut told);
        let found = sponsor(told).exceptions;
        assert!(found.iter().any(|e| e.object == place), "{place} is not named: {found:?}");
    }
}

#[test]
fn a_finding_of_the_audit_is_an_exception_for_the_sponsor() {
    let mut told = facts("");
    told.findings.push(AuditFinding {
        check: "shares".to_owned(),
        object: "vault/pools/commits/3".to_owned(),
        fault: "line 7 has another share".to_owned(),
    });
    let audit = sponsor(told.clone());
    assert_eq!(audit.exceptions[0].object, "vault/pools/commits/3");
    assert!(sponsor_page(&audit, &[]).contains("line 7 has another share"));
}

#[test]
fn a_pool_without_money_or_settlement_is_told_of_as_one() {
    let mut told = facts("");
    (told.receipts, told.settlements) = (Vec::new(), Vec::new());
    (told.sample, told.journal, told.payouts) = (None, Vec::new(), Vec::new());
    let audit = sponsor(told);
    assert!(audit.federal.lines.iter().all(|line| line.until.is_zero()));
    assert_eq!(audit.exceptions, []);
    assert!(audit.self_dealing.is_empty(), "nothing of a sponsor's money is no share");
    let page = sponsor_page(&audit, &[]);
    assert!(page.contains("Nothing was settled") && page.contains("No question counted"));
}

#[test]
fn what_went_back_to_who_paid_is_flagged_with_its_share() {
    let audit = sponsor(facts(""));
    let [line] = audit.self_dealing.as_slice() else { panic!("one sponsor has a relation") };
    assert!(line.flagged, "a sponsor's own clinic was paid");
    let returned = line.returned.unwrap().decimal();
    assert_eq!(returned, "212.47", "212.49 times 100000 of 100007, rounded down");
    assert_eq!(line.share, Some(2_124), "of their own money, in parts of 10,000");
    let mut small = facts("");
    small.settlements[0].by_institution[0].people = 10;
    let audit = sponsor(small);
    let [line] = audit.self_dealing.as_slice() else { panic!("it is to be flagged still") };
    assert_eq!((line.flagged, line.returned, line.share), (true, None, None), "ten people's");
    let mut other = facts("");
    other.related[0].institution = "elsewhere".to_owned();
    let audit = sponsor(other);
    assert!(!audit.self_dealing[0].flagged, "who was not paid is no reason for a flag");
}

#[test]
fn a_sum_over_a_handful_of_people_is_hidden_and_not_to_be_had_by_taking_away() {
    let mut told = facts("");
    told.settlements[0].of_people = OfPeople { taxed: 3, held: 40, adjusted: 1 };
    let audit = sponsor(told);
    assert_eq!((audit.tax, audit.adjusted), (None, None), "three people's tax tells their pay");
    assert_eq!(audit.owed[0].tax, None);
    assert_eq!(audit.owed[0].people.decimal(), "590.00", "with the tax, not without it");
    assert!(audit.unliquidated.iter().all(|part| part.amount.decimal() != "88.50"));
    assert_eq!(audit.exceptions, []);
    let public = SponsorAudit::of(facts(""), SponsorReader::Public).unwrap();
    assert_eq!((public.tax, public.held, public.adjusted), (None, None, None));
}

#[test]
fn the_public_page_says_nothing_that_the_book_does_not() {
    let audit = SponsorAudit::of(facts(""), SponsorReader::Public).unwrap();
    let (html, text) = (sponsor_page(&audit, &[]), crate::report::json(&audit).unwrap());
    for told in [html, text, sponsor_csv(&audit)] {
        for secret in [
            "Big Foundation",
            "second-sponsor",
            "north-shore",
            "question 17",
            "by mistake",
            "jane-approver",
            "auditor\"",
        ] {
            assert!(!told.contains(secret), "{secret} would be public");
        }
    }
    assert!(audit.sample.is_none() && audit.people.is_none() && audit.institutions.is_none());
    assert_eq!(audit.excluded.contributors.to_string(), "<11");
}

#[test]
fn a_hostile_name_is_text_on_every_page_and_in_every_cell() {
    let odd = "<script>alert(1)</script>\"><img src=x>'&";
    let audit = sponsor(facts(odd));
    let html = sponsor_page(&audit, &[]);
    assert!(!html.contains("<script") && !html.contains("<img"), "a sponsor's name would run");
    assert!(html.contains("&lt;script&gt;"), "it was not tried");
    let mut told = facts("");
    told.receipts[0].sponsor = "=cmd()".to_owned();
    let csv = sponsor_csv(&sponsor(told));
    assert!(csv.contains("sponsor,'=cmd()"), "a spreadsheet would run it: {csv}");
}

#[test]
fn html_pdf_json_and_csv_are_the_same_each_time() {
    let (first, second) = (sponsor(facts("")), sponsor(facts("")));
    assert_eq!(sponsor_page(&first, &[]), sponsor_page(&second, &[]));
    assert_eq!(sponsor_csv(&first), sponsor_csv(&second));
    let pdf = |audit: &SponsorAudit| sponsor_document(audit).pdf(audit.time).unwrap();
    let (one, two) = (pdf(&first), pdf(&second));
    assert!(one == two && one.starts_with(b"%PDF-"), "an auditor could not compare two copies");
}

#[test]
fn csv_has_whole_units_decimals_a_side_and_iso_dates() {
    let csv = sponsor_csv(&sponsor(facts("")));
    let row = "settlement,2026-Q4,earned by people,2027-01-02,out,59499,300000,594.99300000,EUR,";
    assert!(csv.contains(row), "{csv}");
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    assert!(reader.records().all(|row| row.is_ok_and(|row| row.len() == 10)));
}

/// Writes the page to `target/pages` so that somebody can look at it on paper.
#[test]
fn the_page_can_be_looked_at_on_paper() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&dir).unwrap();
    let audit = sample("");
    std::fs::write(dir.join("sponsor.pdf"), sponsor_document(&audit).pdf(audit.time).unwrap())
        .unwrap();
}

prop_compose! {
    /// One settlement's free choices: received, fee, reserve, what is given out in parts of 1,000,
    /// how that is split, what is paid of what is owed.
    fn choices()(
        received in 0_i128..1_000_000_000,
        fee_bps in 0_i128..=1_000,
        reserve_bps in 0_i128..=1_000,
        given in 0_i128..=1_000,
        split in (0_i128..=1_000, 0_i128..=1_000),
        paid in (0_i128..=1_000, 0_i128..=1_000, 0_i128..=1_000),
        tax in 0_i128..=500,
        units in prop::collection::vec((0_usize..3, 0_u128..1_000_000_000_000_000), 0..6),
        people in prop::collection::vec(0_u64..30, 1..6),
    ) -> (i128, i128, i128, i128, (i128, i128), (i128, i128, i128), i128, Vec<(usize, u128)>, Vec<u64>) {
        (received, fee_bps, reserve_bps, given, split, paid, tax, units, people)
    }
}

/// What is drawn for one settlement.
type Drawn =
    (i128, i128, i128, i128, (i128, i128), (i128, i128, i128), i128, Vec<(usize, u128)>, Vec<u64>);

/// Makes a pool of settlements that follow each other, one a quarter from 2027 on.
fn pool(all: Vec<Drawn>) -> PoolFacts {
    let mut told = facts("");
    (told.receipts, told.settlements) = (Vec::new(), Vec::new());
    (told.journal, told.payouts) = (Vec::new(), Vec::new());
    let (mut returned, mut owed) = (0_i128, [0_i128; 3]);
    for (at, (received, fee_bps, reserve_bps, given, split, paid, tax, units, people)) in
        all.into_iter().enumerate()
    {
        let year = 2027 + at;
        let (fee, reserve) = (received * fee_bps / 10_000, received * reserve_bps / 10_000);
        let whole = (received - fee - reserve) * 1_000_000 + returned;
        let earned = whole * given / 1_000;
        let institutions = earned * split.0 / 2_000;
        let platform = (earned - institutions) * split.1 / 2_000;
        let earnings = [earned - institutions - platform, institutions, platform];
        let parts = [paid.0, paid.1, paid.2];
        let mut accounts = Vec::new();
        for ((owed, earned), part) in owed.iter_mut().zip(earnings).zip(parts) {
            let payable = (*owed + earned) * part / 1_000 / 1_000_000;
            accounts.push(account(*owed, earned, payable));
            *owed += earned - payable * 1_000_000;
        }
        let mut settled = settlement();
        settled.period = format!("{year}-Q1");
        settled.time = time(&format!("{year}-04-02"));
        (settled.received, settled.fee, settled.reserve) =
            (amount(received), amount(fee), amount(reserve));
        (settled.returned, settled.unallocated) = (micro(returned), micro(whole - earned));
        (settled.people, settled.institutions, settled.platform) =
            (accounts[0], accounts[1], accounts[2]);
        settled.tax = amount(settled.people.payable.minor() * tax / 1_000);
        settled.held = micro(owed[0] / 3);
        let usage = earned / 2;
        settled.layers = vec![
            LayerFacts {
                layer: "base".to_owned(),
                pot: micro(whole - usage),
                unallocated: micro(whole - earned),
            },
            LayerFacts { layer: "usage".to_owned(), pot: micro(usage), unallocated: micro(0) },
        ];
        let codes = ["DUO:0000042", "DUO:0000006", "DUO:0000011"];
        settled.questions = units
            .into_iter()
            .map(|(code, units)| QuestionFacts {
                purpose: Purpose::parse(codes[code]).unwrap(),
                units,
                entry: "0f".repeat(32),
                allowed: true,
            })
            .collect();
        if settled.questions.iter().all(|question| question.units == 0) {
            settled.layers[1].unallocated = settled.layers[1].pot;
        }
        let count = people.len() as i128;
        settled.by_institution = (0..)
            .zip(people)
            .map(|(n, people)| {
                let of = |sum: i128| sum / count + i128::from(n < sum % count);
                InstitutionFacts {
                    institution: format!("institution-{n}"),
                    people,
                    earned: micro(of(earnings[1])),
                    paid: amount(of(accounts[1].payable.minor())),
                }
            })
            .collect();
        told.receipts.push(Receipt {
            time: time(&format!("{year}-01-05")),
            amount: settled.received,
            sponsor: "sponsor".to_owned(),
        });
        returned = whole - earned;
        told.settlements.push(settled);
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_line_adds_up_over_any_pool_and_any_days(
        all in prop::collection::vec(choices(), 0..5),
        from in prop::option::of(2026_i32..2033),
        length in prop::option::of(0_i32..4),
    ) {
        let mut told = pool(all);
        let day = |year: i32, text: &str| format!("{year}-{text}").parse().unwrap();
        told.days.from = from.map(|year| day(year, "02-01"));
        told.days.until = length.map(|years| day(from.unwrap_or(2027) + years, "12-31"));
        let audit = sponsor(told.clone());
        prop_assert_eq!(&audit.exceptions, &[], "a pool that adds up would be called wrong");
        let columns: [fn(&FederalLine) -> Money; 3] = [|l| l.before, |l| l.within, |l| l.until];
        for column in columns {
            let of = |line: &str| column(audit.line(line).unwrap()).micro();
            prop_assert_eq!(of("10c"), of("10a") - of("10b"));
            prop_assert_eq!(of("10g"), of("10e") + of("10f"));
            prop_assert_eq!(of("10h"), of("10d") - of("10g"));
        }
        for line in &audit.federal.lines {
            prop_assert_eq!(line.before.plus(line.within).unwrap(), line.until);
        }
        let sum = |parts: &[Part]| parts.iter().map(|part| part.amount.micro()).sum::<i128>();
        let fall = &audit.waterfall;
        prop_assert_eq!(fall.opening.micro() + sum(&fall.changes), fall.closing.micro());
        prop_assert_eq!(sum(&audit.unobligated), until(&audit, "10h"));
        prop_assert_eq!(sum(&audit.unliquidated), until(&audit, "10f"));
        for pair in audit.roll.windows(2) {
            prop_assert_eq!(pair[0].closing, pair[1].opening, "money is lost between settlements");
        }
        for pair in audit.owed.windows(2) {
            prop_assert_eq!(pair[0].closing, pair[1].opening, "a debt is lost between settlements");
        }
        let usage = audit.layers.iter().filter(|layer| layer.what == "usage");
        let usage = usage.map(|layer| layer.amount.micro()).sum::<i128>();
        let purposes = audit.by_purpose.iter().map(|line| line.amount.micro()).sum::<i128>();
        prop_assert_eq!(purposes, usage, "a part of the usage layer has no purpose");
        let earned = audit.roll.iter().map(|line| line.institutions.micro()).sum::<i128>();
        let named = audit.by_institution.iter().map(|line| line.earned.micro()).sum::<i128>();
        prop_assert_eq!(named, earned, "a part of the institutions' is nobody's");
        let paid = audit.owed.iter().map(|line| line.institutions.micro()).sum::<i128>();
        let named = audit.by_institution.iter().map(|line| line.paid.micro()).sum::<i128>();
        prop_assert_eq!(named, paid);
    }
}

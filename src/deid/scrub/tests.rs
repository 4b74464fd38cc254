//! Whole notes: what one of them comes out as, and the laws that hold for every text.

use proptest::prelude::*;

use super::*;

fn scrubbed(text: &str, known: &[(Kind, &str)]) -> String {
    let scrubber = Scrubber::new(&[], ScrubDates::Mask);
    scrubber.scrub(text, &Matcher::new(known.iter().copied()), 1)
}

#[test]
fn a_note_keeps_its_medicine_and_loses_its_person() {
    let note = "Patient Name: Hope Long\nMRN: 4711471\nDOB: 03/04/1961\n\n\
        Mrs. Long is a 64-year-old woman with type 2 diabetes, seen on March 3rd, 2025 with her \
        husband Will (617-555-0123). BP 142/88, HR 76. A1c 8.2. Increase metformin to 1000 mg twice \
        daily; follow up in 2 weeks with Dr. Young at Mercy Clinic. I hope she will sleep for a long \
        time.\n\nSigned: Grace Hand, MD";
    let shown =
        scrubbed(note, &[(Kind::Name, "Hope"), (Kind::Name, "Long"), (Kind::Id, "4711471")]);
    assert_eq!(
        shown,
        "Patient Name: [name]\nMRN: [id]\nDOB: [date]\n\n\
        Mrs. [name] is a [age 60-69]-year-old woman with type 2 diabetes, seen on [date] with her \
        husband [name] ([phone]). BP 142/88, HR 76. A1c 8.2. Increase metformin to 1000 mg twice \
        daily; follow up in 2 weeks with Dr. [name] at [place] Clinic. I [name] she will sleep for a \
        [name] time.\n\nSigned: [name], MD"
    );
}

#[test]
fn words_that_a_table_brings_pass() {
    let words = ["Zolgensma".to_owned(), "niño".to_owned()];
    let scrubber = Scrubber::new(&words, ScrubDates::Mask);
    let text = "gave zolgensma to the niño";
    assert_eq!(scrubber.scrub(text, &Matcher::default(), 0), text, "a listed word is lost");
    let known = Matcher::new([(Kind::Name, "Niño")]);
    assert_eq!(scrubber.scrub(text, &known, 0), "gave zolgensma to the [name]");
}

#[test]
fn an_empty_note_stays_empty_and_debug_output_says_no_word() {
    assert_eq!(scrubbed("", &[]), "");
    assert_eq!(scrubbed(" \n", &[]), " \n");
    let shown = format!("{:?}", Scrubber::new(&["zaphod".to_owned()], ScrubDates::Mask));
    assert!(!shown.contains("zaphod"), "{shown}");
}

/// Letters and digits of what is left, outside brackets.
fn left(shown: &str) -> String {
    let mut depth = 0_u32;
    let mut out = String::new();
    for sign in shown.chars() {
        match sign {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            sign if depth == 0 => out.push(sign),
            _ => {}
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn spans_are_in_order_and_lie_within_the_text(text in "(\\PC|\n){0,120}") {
        let spans = Scrubber::new(&[], ScrubDates::Shift).spans(&text, &Matcher::default(), 400);
        let mut end = 0;
        for span in spans {
            prop_assert!(span.bytes.start >= end && span.bytes.start < span.bytes.end);
            prop_assert!(text.get(span.bytes.clone()).is_some(), "a span cuts a character");
            end = span.bytes.end;
        }
    }

    #[test]
    fn nothing_is_left_that_is_on_no_list(
        stranger in "[bcdfghjklmnpqrstvwxz]{5,9}", upper in any::<bool>(),
        before in "(the|pain in|Dr\\.|seen by|,|\n) ?", after in "( and pain|'s|, 5 mg|\\.|-|\n)",
    ) {
        let stranger = if upper { stranger.to_uppercase() } else { stranger };
        let shown = scrubbed(&format!("{before}{stranger}{after}"), &[]);
        prop_assert!(!shown.contains(&stranger), "a word of no list is left: {}", shown);
    }

    #[test]
    fn no_number_of_five_digits_or_more_is_left(
        number in "[0-9]{5,16}", before in "(the |MRN |glucose |took |BP |\\+|#|A)", after in "( mg|%| days|/80|\\.|)",
    ) {
        let shown = scrubbed(&format!("{before}{number}{after}"), &[]);
        let digits = left(&shown).chars().filter(char::is_ascii_digit).count();
        prop_assert!(digits < 5, "{}", shown);
    }

    #[test]
    fn a_known_name_is_left_in_no_case_and_beside_no_sign(
        name in prop::sample::select(vec!["Hand", "Iron", "Bone", "Normal", "Ward", "Long", "Hope", "Dose"]),
        case in 0..3_u8,
        before in prop::sample::select(vec!["", " ", "(", "\"", "-", "/", "\n", "the ", "mg "]),
        after in prop::sample::select(vec!["", " ", ")", "'s", "\u{2019}s", "-", "/", ",", "\n", " pain"]),
    ) {
        let shown = match case { 0 => name.to_owned(), 1 => name.to_uppercase(), _ => name.to_lowercase() };
        let out = scrubbed(&format!("{before}{shown}{after}"), &[(Kind::Name, name)]);
        prop_assert!(!left(&out).to_lowercase().contains(&name.to_lowercase()), "{}", out);
    }

    #[test]
    fn a_known_number_is_left_in_no_grouping(
        number in "[1-9][0-9]{7}", sign in prop::sample::select(vec!["-", " ", ".", ""]), cut in 2..6_usize,
    ) {
        let grouped = format!("{}{sign}{}", &number[..cut], &number[cut..]);
        let out = scrubbed(&format!("dose {grouped} mg"), &[(Kind::Id, &number)]);
        prop_assert!(!left(&out).contains(|c: char| c.is_ascii_digit()), "{}", out);
    }

    #[test]
    fn a_shift_keeps_the_days_between_two_dates(day in 1_u32..28, later in 1_u32..28, days in -182_i32..182) {
        let scrubber = Scrubber::new(&[], ScrubDates::Shift);
        let text = format!("2021-03-{day:02} and April {later}, 2021");
        let out = scrubber.scrub(&text, &Matcher::default(), days);
        let dates: Vec<chrono::NaiveDate> = out
            .split("date ")
            .skip(1)
            .map(|part| part.get(..10).unwrap().parse().unwrap())
            .collect();
        prop_assert_eq!(dates.len(), 2);
        let given = i64::from(31 - day + later);
        prop_assert_eq!((dates[1] - dates[0]).num_days(), given);
    }
}

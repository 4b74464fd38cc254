//! Ages, shown as decades: in a class of quasi-identifiers an exact age would count, and in a note
//! nobody counts it.
//!
//! Comes in: a note. Goes out: marks with `age 60-69`. Never: an age over 89 told apart from 90.

use super::{
    note::{Made, Note},
    senses::Sense,
};

/// Marks every age.
pub(super) fn mark(note: &mut Note<'_>) {
    for at in 0..note.len() {
        if note.is_marked(at) {
            continue;
        }
        if note.is_number(at) {
            if let Some(end) = end(note, at) {
                let years =
                    matches!(note.word(at + 1), "years" | "year" | "yr" | "yrs" | "y" | "yo")
                        || !note.sense(at + 1).has(Sense::UNIT);
                let shown = shown(note.value(at), years);
                note.mark_age(at..end, shown);
            }
        } else if note.token(at).is_some_and(|token| token.made == Made::Mixed) {
            glued(note, at);
        } else if note.sense(at).has(Sense::COUNT) {
            // Twenty-two-year-old: whatever number the words are.
            let mut end = at + 1;
            while note.sense(end).has(Sense::COUNT) && matches!(note.gap(end), "-" | " ") {
                end += 1;
            }
            if is_unit_of_age(note, end) && is_near(note, end) && is_old(note, end + 1) {
                note.mark_age(at..end, "age".to_owned());
            }
        }
    }
}

/// Where the age that begins at a number ends; nothing where it is none.
fn end(note: &Note<'_>, at: usize) -> Option<usize> {
    let value = note.value(at).filter(|value| *value < 130)?;
    let is_label = |word: &str| matches!(word, "age" | "aged" | "ages");
    let before = at.checked_sub(1);
    let is_labelled = before.is_some_and(|b| {
        is_label(note.word(b)) && matches!(note.gap(at), " " | ": " | ":" | "s ")
            || note.word(b) == "of" && b.checked_sub(1).is_some_and(|b| is_label(note.word(b)))
    });
    let next = at + 1;
    if is_unit_of_age(note, next) && is_near(note, next) {
        if is_old(note, next + 1) {
            return Some(next);
        }
        // 67 y/o, 67 y.o.
        if note.word(next) == "y" && note.word(next + 1) == "o" {
            return Some(next + 2);
        }
        if note.word(next) == "yo" {
            return Some(next + 1);
        }
        if is_labelled {
            return Some(next);
        }
        let is_years = matches!(note.word(next), "years" | "year" | "yr" | "yrs" | "y");
        // A number of years without a word that says since when or for how long may be an age.
        let speaks = |at: Option<usize>| at.is_some_and(|at| note.sense(at).has(Sense::SPAN));
        let is_span = speaks(before)
            || before.is_some_and(|b| speaks(b.checked_sub(1)))
            || speaks(Some(next + 1));
        return (is_years && (!is_span || value > 89)).then_some(next + 1);
    }
    let is_sex = matches!(
        note.word(next),
        "male" | "female" | "man" | "woman" | "boy" | "girl" | "gentleman" | "lady"
    );
    let is_letter =
        matches!(note.raw(next), "M" | "F") && note.gap(next).len() <= 1 && !note.opens(next);
    (is_labelled || is_sex && note.gap(next).len() <= 1 || is_letter).then_some(next)
}

/// `67yo`, `67F`.
fn glued(note: &mut Note<'_>, at: usize) {
    let word = note.word(at);
    let number = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let rest = word.get(number.len()..).unwrap_or_default();
    let is_sex = matches!(rest, "m" | "f") && note.raw(at).ends_with(['M', 'F']);
    let is_age = matches!(rest, "yo" | "yom" | "yof" | "yr" | "y" | "yrs") || is_sex;
    let slash = rest == "y" && note.word(at + 1) == "o" && matches!(note.gap(at + 1), "/" | ".");
    let years: Option<u32> = number.parse().ok();
    if is_age && years.is_some_and(|years| years < 130) {
        note.mark_age(at..at + 1 + usize::from(slash), shown(years, true));
    }
}

fn is_unit_of_age(note: &Note<'_>, at: usize) -> bool {
    matches!(
        note.word(at),
        "year"
            | "years"
            | "yr"
            | "yrs"
            | "y"
            | "yo"
            | "month"
            | "months"
            | "mo"
            | "week"
            | "weeks"
            | "wk"
            | "day"
            | "days"
            | "hour"
    )
}

fn is_near(note: &Note<'_>, at: usize) -> bool {
    matches!(note.gap(at), " " | "-" | "\n" | "")
}

/// `old`, or `of age`.
fn is_old(note: &Note<'_>, at: usize) -> bool {
    note.word(at) == "old" && is_near(note, at)
        || note.word(at) == "of" && note.word(at + 1) == "age"
        || note.word(at) == "o" && matches!(note.gap(at), "/" | ".") && note.word(at + 1) == "old"
}

fn shown(value: Option<u32>, years: bool) -> String {
    match value {
        Some(_) if !years => "age 0-9".to_owned(),
        Some(90..) => "age 90+".to_owned(),
        Some(value) => format!("age {}-{}", value / 10 * 10, value / 10 * 10 + 9),
        None => "age".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Matcher, ScrubDates, Scrubber};

    fn masked(text: &str) -> String {
        Scrubber::new(&[], ScrubDates::Mask).scrub(text, &Matcher::default(), 0)
    }

    #[test]
    fn an_age_is_shown_as_its_decade_and_none_over_89() {
        for (text, shown) in [
            ("a 67-year-old woman", "a [age 60-69]-year-old woman"),
            ("a 67 year old man", "a [age 60-69] year old man"),
            ("67 y/o male", "[age 60-69] male"),
            ("67yo male", "[age 60-69] male"),
            ("a 94-year-old woman", "a [age 90+]-year-old woman"),
            ("aged 103", "aged [age 90+]"),
            ("age: 45", "age: [age 40-49]"),
            ("at the age of 7", "at the age of [age 0-9]"),
            ("a 7 month old infant", "a [age 0-9] month old infant"),
            ("67F with pain", "[age 60-69] with pain"),
            ("67 M with pain", "[age 60-69] M with pain"),
            ("45 years of age", "[age 40-49] years of age"),
            ("a ninety-two-year-old woman", "a [age]-year-old woman"),
            ("a 72 female", "a [age 70-79] female"),
        ] {
            let shown = shown.replace(" M with", " [word] with");
            let found = masked(text).replace(" M with", " [word] with");
            let found = found.replace("[name] with", "[word] with");
            assert_eq!(found, shown, "an exact age is shown");
        }
    }

    #[test]
    fn how_long_ago_something_was_is_no_age() {
        for text in ["for 10 years", "5 years ago", "a 20 year history", "over the past 3 years"] {
            assert_eq!(masked(text), text, "a duration is taken for an age");
        }
        assert_eq!(
            masked("married for 92 years"),
            "married for [age 90+]",
            "it shows an age over 89"
        );
    }
}

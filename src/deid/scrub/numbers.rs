//! Numbers: those of a clinical shape stay, all others go.
//!
//! Comes in: a note whose dates, ages and patterns are marked. Goes out: marks.
//! Never: a number of five digits or more without a comma, a number after a label such as MRN, a
//! year, or a number that stands alone.

use std::ops::Range;

use super::{
    Class, dates,
    note::{Case, Made, Note},
    patterns::labelled,
    senses::Sense,
    words::Words,
};

/// Marks every number that has no clinical shape.
pub(super) fn mark(note: &mut Note<'_>, words: &Words) {
    let mut at = 0;
    while at < note.len() {
        let made = note.token(at).map(|token| token.made);
        let next = match made {
            Some(Made::Number) => {
                let run = run(note, at, words);
                if (run.clone()).any(|part| note.is_marked(part)) || !is_clinical(note, &run, words)
                {
                    let digits = run.clone().map(|part| note.digits(part)).max().unwrap_or(0);
                    let is_told = labelled(note, at, Sense::ID_LABEL, 3);
                    let class = if is_zip(note, at, digits) {
                        Class::Zip
                    } else if digits > 4 || is_told {
                        Class::Id
                    } else {
                        Class::Number
                    };
                    note.mark_all(run.clone(), class);
                }
                run.end
            }
            Some(Made::Mixed) => {
                if !is_harmless(note, at, words) {
                    note.mark(at, Class::Id);
                }
                at + 1
            }
            Some(Made::Word) | None => at + 1,
        };
        at = next.max(at + 1);
    }
}

/// Five digits after the name or the letters of a state, or after `zip`.
fn is_zip(note: &Note<'_>, at: usize, digits: usize) -> bool {
    let before = at.checked_sub(1);
    digits == 5
        && note.gap(at).len() <= 2
        && before.is_some_and(|b| {
            note.word(b).starts_with("zip") || note.is_capital(b) && note.is_word(b)
        })
}

/// Numbers with one sign between each: `120/80`, `7.4`, `1,200`, `5-10`; at its end there may be one
/// that is glued to its unit, `10-20mg`.
fn run(note: &Note<'_>, at: usize, words: &Words) -> Range<usize> {
    let mut end = at + 1;
    while note.digits(end) > 0 && matches!(note.gap(end), "." | "," | "/" | ":" | "-" | "\u{2013}")
    {
        end += 1;
    }
    let is_glued = matches!(note.gap(end), "." | "," | "/" | "-" | "\u{2013}")
        && unit_glued(note, end, words).is_some();
    at..end + usize::from(is_glued)
}

/// The digits of a token that are glued to a unit: `5mg`.
fn unit_glued(note: &Note<'_>, at: usize, words: &Words) -> Option<usize> {
    let word = note.word(at);
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let unit = word.get(digits..).filter(|unit| !unit.is_empty())?;
    let is_unit = words.sense(unit).has(Sense::UNIT) || matches!(unit, "k" | "s" | "f" | "c");
    (is_unit && digits > 0 && note.is_lower_unit(at)).then_some(digits)
}

fn is_clinical(note: &Note<'_>, run: &Range<usize>, words: &Words) -> bool {
    let (at, end) = (run.start, run.end);
    if labelled(note, at, Sense::ID_LABEL, 2) || is_numbered(note, at) {
        return false;
    }
    let digits = |part: usize| match note.digits(part) {
        0 => unit_glued(note, part, words).unwrap_or(9),
        digits => digits,
    };
    let is_long = run.clone().any(|part| digits(part) > 4);
    let is_many = run.len() > 3;
    // A number that goes on beyond a sign is part of something else.
    let is_cut = matches!(note.gap(at), "-" | "/" | "." | ":" | "," | "_" | "@")
        && at > 0
        && !note.is_word(at - 1)
        || matches!(note.gap(end), "/" | "-" | "_" | ":" | "@" | ".")
            && end < note.len()
            && !note.is_word(end);
    if is_long || is_many || is_cut {
        return false;
    }
    if dates::is_score(note, at) && run.len() == 2 {
        return true;
    }
    note.is_number(end - 1) && (has_unit(note, end) || ranges(note, end) || is_pressure(note, run))
        || !note.is_number(end - 1)
        || is_measured(note, at)
        || is_graded(note, at)
        || is_listed(note, run)
        || is_count(note, run)
}

/// A number after `#` or `No.` names something.
fn is_numbered(note: &Note<'_>, at: usize) -> bool {
    note.gap(at).contains('#')
}

/// A unit follows, or a sign that is one.
fn has_unit(note: &Note<'_>, end: usize) -> bool {
    let gap = note.gap(end);
    let sign = gap.trim_start_matches(' ');
    sign.starts_with(['%', '°', '\u{2103}', '\u{2109}', '"'])
        || sign.starts_with("+ ") && gap.starts_with('+') && note.sense(end).has(Sense::UNIT)
        || note.sense(end).has(Sense::UNIT) && matches!(gap, " " | "-" | "" | "\n" | " x ")
}

/// `3 to 5 days`, `2 or 3 times`.
fn ranges(note: &Note<'_>, end: usize) -> bool {
    matches!(note.word(end), "to" | "or" | "and" | "x" | "by" | "of")
        && note.gap(end) == " "
        && note.is_number(end + 1)
        && note.gap(end + 1) == " "
        && {
            let is_decimal = note.gap(end + 2) == "." && note.is_number(end + 2);
            has_unit(note, end + 2 + usize::from(is_decimal))
        }
}

/// Blood pressure: systolic over diastolic.
fn is_pressure(note: &Note<'_>, run: &Range<usize>) -> bool {
    let (Some(high), Some(low)) = (note.value(run.start), note.value(run.start + 1)) else {
        return false;
    };
    run.len() == 2
        && note.gap(run.start + 1) == "/"
        && (60..=280).contains(&high)
        && (25..=160).contains(&low)
        && high > low
}

/// A laboratory value or a vital sign stands before it.
fn is_measured(note: &Note<'_>, at: usize) -> bool {
    let mut from = at;
    for _ in 0..8 {
        let gap = note.gap(from);
        let is_open = gap.len() <= 4
            && gap.chars().all(|c| {
                matches!(
                    c,
                    ' ' | '\n'
                        | ':'
                        | '='
                        | '<'
                        | '>'
                        | '~'
                        | '('
                        | '-'
                        | '\t'
                        | '≥'
                        | '≤'
                        | '≈'
                        | ','
                )
            });
        let Some(before) = from.checked_sub(1) else { return false };
        let is_decimal = gap == "." && note.is_number(before) && note.is_number(from);
        if !is_open && !is_decimal {
            return false;
        }
        if note.sense(before).has(Sense::LAB) && !note.is_marked(before) {
            // K 4.1 and T 98.6; but K 1421 is a district of a town.
            return note.word(before).len() > 1 || note.digits(at) <= 3;
        }
        if !(note.sense(before).has(Sense::LINK)
            || note.is_number(before) && !note.is_marked(before))
        {
            return false;
        }
        from = before;
    }
    false
}

/// Type 2, stage 4, day 3, x 3: one or two digits.
fn is_graded(note: &Note<'_>, at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return false };
    note.sense(before).has(Sense::GRADE)
        && note.digits(at) <= 2
        && matches!(note.gap(at), " " | "-" | "" | "\n")
}

/// The number of an item of a list, at the beginning of its line.
fn is_listed(note: &Note<'_>, run: &Range<usize>) -> bool {
    let gap = note.gap(run.start);
    let begins = run.start == 0 && gap.trim().is_empty() || gap.contains('\n');
    let after = note.gap(run.end);
    run.len() == 1
        && begins
        && (gap.is_empty() || gap.ends_with(['\n', ' ', '\t']))
        && note.digits(run.start) <= 2
        && (after.starts_with(". ") || after.starts_with(") ") || after.starts_with(".\t"))
}

/// One digit before a word in lower case counts something.
fn is_count(note: &Note<'_>, run: &Range<usize>) -> bool {
    let next = run.end;
    run.clone().all(|part| note.digits(part) == 1)
        && matches!(note.gap(next), " " | "-")
        && note.is_word(next)
        && note.case(next) == Case::Lower
        && note.sense(next).has(Sense::SAFE)
        && (note.gap(run.start).is_empty() || note.gap(run.start).ends_with([' ', '(', '\n', '~']))
}

/// A token of letters and digits that is on a list or of a clinical form.
fn is_harmless(note: &Note<'_>, at: usize, words: &Words) -> bool {
    if note.is_marked(at) || labelled(note, at, Sense::ID_LABEL, 2) || is_numbered(note, at) {
        return note.is_marked(at);
    }
    if note.sense(at).has(Sense::SAFE) {
        return true;
    }
    if let Some(digits) = unit_glued(note, at, words) {
        let is_tied = matches!(note.gap(at), "-" | "/" | "." | ":" | "_" | "@");
        return digits <= 4 && !is_tied;
    }
    let word = note.word(at);
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let (head, tail) = word.split_at(usize::from(word.is_char_boundary(1)));
    match head {
        // Every six hours, three times, a vertebra.
        "q" => ["h", "hr", "hrs", "d", "w", "wk", "min"]
            .iter()
            .any(|end| tail.strip_suffix(end).is_some_and(|hours| digits(hours, 2))),
        "x" => digits(tail, 2),
        "c" | "t" | "l" | "s" => digits(tail, 2) && note.case(at) != Case::Lower,
        "g" => tail.split_once('p').is_some_and(|(g, p)| digits(g, 2) && digits(p, 4)),
        _ => {
            let ordinal = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end));
            ordinal.is_some_and(|number| digits(number, 2))
                || word.strip_suffix('x').is_some_and(|number| digits(number, 2))
                || word.split_once('w').is_some_and(|(weeks, days)| {
                    digits(weeks, 2)
                        && days.strip_suffix('d').is_none_or(|days| digits(days, 1))
                        && (days.is_empty() || days.ends_with('d'))
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Matcher, ScrubDates, Scrubber};

    fn masked(text: &str) -> String {
        Scrubber::new(&[], ScrubDates::Mask).scrub(text, &Matcher::default(), 0)
    }

    #[test]
    fn a_number_of_a_clinical_shape_stays() {
        for text in [
            "metformin 500 mg twice daily",
            "metformin 500mg",
            "0.5 mg",
            "1,000 ml",
            "5-10 mg",
            "10-20mg",
            "2.5ml",
            "98.6 °F",
            "85%",
            "sat 98 %",
            "BP 120/80",
            "120/80 mmHg",
            "HR 72, RR 18",
            "glucose of 245",
            "Hgb: 13.5",
            "hemoglobin was 9.2",
            "WBC 12.3",
            "Na 138 K 4.1",
            "creatinine 1.2 -> up",
            "x 3 days",
            "every 6 hours",
            "q6h",
            "q12h",
            "3 times a day",
            "type 2 diabetes",
            "stage 4",
            "grade 3",
            "class 2",
            "day 3",
            "POD 2",
            "A1c 7.2",
            "B12",
            "T2DM",
            "SpO2 97",
            "L4-L5 disc",
            "C5",
            "3 to 5 days",
            "2 or 3 times",
            "1. diabetes\n2. asthma",
            "3-vessel disease",
            "2 children",
            "G3P2",
            "38w2d",
            "1st",
            "x3",
            "1/2 tablet",
            "2 x 3 cm",
            "EF 55-60",
            "GCS 15",
            "temp of 101.3",
            "weight 82.5 kg",
        ] {
            assert_eq!(masked(text), text, "a clinical number is lost");
        }
    }

    #[test]
    fn every_other_number_goes() {
        for text in [
            "4711",
            "room 12",
            "bed 7",
            "MRN 123456",
            "MRN: 12",
            "account 99-1234",
            "#12",
            "No. 5",
            "AB12345",
            "A-12345",
            "12345",
            "10 Downing",
            "number 4",
            "unit# 33",
            "id 500 mg",
            "7654321 mg",
            "123456/789",
            "12-345-67",
            "lot 33A",
            "(4)",
            "77",
            "he said 45",
        ] {
            let shown = masked(text);
            assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{text:?} leaves {shown:?}");
        }
    }
}

//! Dates in their many forms, and times of day.
//!
//! Comes in: a note. Goes out: marks; whole dates with their day where there is but one reading.
//! Never: a guess whether 03/04 is March or April: such a date is taken out, not moved.

use chrono::{Datelike as _, Days, NaiveDate};

use super::{
    Class,
    note::{Case, Note},
    senses::Sense,
};

/// A whole date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day(NaiveDate);

impl Day {
    fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).map(Self)
    }

    /// The day moved by a person's days, as it is shown.
    pub(super) fn moved(self, days: i32) -> Option<String> {
        let by = Days::new(u64::from(days.unsigned_abs()));
        let moved =
            if days < 0 { self.0.checked_sub_days(by) } else { self.0.checked_add_days(by) };
        moved.map(|day| format!("date {:04}-{:02}-{:02}", day.year(), day.month(), day.day()))
    }
}

/// Marks every date and time of day.
pub(super) fn mark(note: &mut Note<'_>) {
    for at in 0..note.len() {
        if note.is_marked(at) {
            continue;
        }
        if note.is_number(at) {
            numeric(note, at);
        } else if note.sense(at).has(Sense::MONTH) {
            named(note, at);
        } else if note.sense(at).has(Sense::DAY)
            || is_decade(note.word(at))
            || is_hour(note.word(at))
        {
            note.mark(at, Class::Date);
        }
    }
}

/// `7am`.
fn is_hour(word: &str) -> bool {
    let hour = word.strip_suffix("am").or_else(|| word.strip_suffix("pm"));
    hour.is_some_and(|hour| hour.parse().is_ok_and(|hour: u32| hour < 25))
}

/// `1990s`.
fn is_decade(word: &str) -> bool {
    word.strip_suffix('s')
        .is_some_and(|year| year.len() == 4 && year.parse().is_ok_and(|year: u32| is_year(year)))
}

fn is_year(value: u32) -> bool {
    (1_880..=2_099).contains(&value)
}

/// A separator between the parts of a date, blanks beside it allowed.
fn separator(gap: &str) -> Option<char> {
    let mut signs = gap.trim_matches(' ').chars();
    match (signs.next(), signs.next()) {
        (Some(sign @ ('/' | '-' | '.' | '\u{2010}'..='\u{2015}')), None) if gap.len() <= 5 => {
            Some(if matches!(sign, '/' | '.') { sign } else { '-' })
        }
        (_, _) => None,
    }
}

fn numeric(note: &mut Note<'_>, at: usize) {
    let digits = |at: usize| note.digits(at);
    let part = |at: usize| separator(note.gap(at)).filter(|_| digits(at) > 0);
    let (one, two, three) = (digits(at), digits(at + 1), digits(at + 2));
    // Hours and minutes: the gap is a colon.
    if note.gap(at + 1) == ":" && (1..=2).contains(&one) && two == 2 {
        let seconds = note.gap(at + 2) == ":" && three == 2;
        // Four groups between colons are an address.
        let end = at + 2 + usize::from(seconds);
        if note.gap(end) != ":" && note.gap(at) != ":" {
            let is_time = note.value(at).is_some_and(|hour| hour < 25)
                && note.value(at + 1).is_some_and(|minute| minute < 60);
            if is_time {
                let half = matches!(note.word(end), "am" | "pm" | "a" | "p" | "h" | "hrs" | "z");
                note.mark_all(at..end + usize::from(half && note.gap(end).len() <= 1), Class::Date);
                return;
            }
        }
    }
    if matches!(note.word(at + 1), "am" | "pm") && note.gap(at + 1).len() <= 1 && one <= 2 {
        note.mark_all(at..at + 2, Class::Date);
        return;
    }
    let first = part(at + 1);
    let is_more = |end: usize| separator(note.gap(end)).is_some() && digits(end) > 0;
    match (first, part(at + 2)) {
        // Three parts, and no fourth: that would be an address or a telephone number.
        (Some(a), Some(b)) if a == b && !is_more(at + 3) => {
            let values = (note.value(at), note.value(at + 1), note.value(at + 2));
            if let (Some(x), Some(y), Some(z)) = values {
                let (is_date, day) = match (one, two, three) {
                    (4, 1..=2, 1..=2) => (is_year(x), Day::new(x, y, z)),
                    (1..=2, 1..=2, 4) => (is_year(z), only(x, y, z)),
                    (1..=2, 1..=2, 2) | (2, 1..=2, 1..=2) => (true, None),
                    (_, _, _) => (false, None),
                };
                let fits = match one {
                    4 => y <= 12 && z <= 31 || y <= 31 && z <= 12,
                    _ => x <= 31 && y <= 31 && (x <= 12 || y <= 12) || x >= 32,
                };
                if is_date && fits {
                    note.mark_day(at..at + 3, day);
                    return;
                }
            }
        }
        (Some(sign), _) if sign != '.' || one == 4 || two == 4 => {
            let (x, y) = (note.value(at).unwrap_or(0), note.value(at + 1).unwrap_or(0));
            let is_month_of_year = one <= 2 && x <= 12 && x > 0 && two == 4 && is_year(y)
                || one == 4 && is_year(x) && two == 2 && y <= 12 && y > 0
                || one == 4 && is_year(x) && two == 4 && is_year(y)
                || one == 4 && is_year(x) && two == 2 && !is_counted(note, at + 1);
            // 5/10 is a day of the year, unless what stands beside it says that it is a score.
            let is_day = sign == '/'
                && (1..=2).contains(&one)
                && (1..=2).contains(&two)
                && (x <= 12 && (1..=31).contains(&y) || y <= 12 && (1..=31).contains(&x))
                && x > 0
                && !is_score(note, at)
                && !is_counted(note, at + 1);
            if is_month_of_year || is_day {
                note.mark_all(at..at + 2, Class::Date);
                return;
            }
        }
        (_, _) => {}
    }
    // Instants: 2019-03-04T10:20:30.
    if one == 4 && is_year(note.value(at).unwrap_or(0)) && first == Some('-') && two == 2 {
        let rest = note.word(at + 2);
        if separator(note.gap(at + 2)).is_some() && rest.contains('t') {
            let mut end = at + 3;
            while matches!(note.gap(end), ":" | "." | "+" | "-") && end < note.len() {
                end += 1;
            }
            note.mark_all(at..end, Class::Date);
            return;
        }
    }
    let value = note.value(at).unwrap_or(0);
    let is_date = match one {
        2 => note.gap(at).ends_with(['\'', '\u{2019}']),
        4 => is_year(value) && !is_dosed(note, at),
        8 => is_eight(value),
        _ => false,
    };
    if is_date {
        note.mark(at, Class::Date);
    }
}

/// The one reading of `x/y/z`, if there is one.
fn only(x: u32, y: u32, year: u32) -> Option<Day> {
    match (x, y) {
        _ if x == y => Day::new(year, x, y),
        (13.., _) => Day::new(year, y, x),
        (_, 13..) => Day::new(year, x, y),
        (_, _) => None,
    }
}

/// `20190304` and its like.
fn is_eight(value: u32) -> bool {
    let is_day = |month: u32, day: u32| (1..=12).contains(&month) && (1..=31).contains(&day);
    let (head, tail) = (value / 10_000, value % 10_000);
    is_year(head) && is_day(tail / 100, tail % 100)
        || is_year(tail) && (is_day(head / 100, head % 100) || is_day(head % 100, head / 100))
}

/// Whether a number is followed by a unit of mass or volume, which no year is.
fn is_dosed(note: &Note<'_>, at: usize) -> bool {
    note.sense(at + 1).has(Sense::DOSE) && matches!(note.gap(at + 1), " " | "" | "-")
}

/// Whether a number is followed by a unit.
fn is_counted(note: &Note<'_>, at: usize) -> bool {
    note.sense(at + 1).has(Sense::UNIT) && matches!(note.gap(at + 1), " " | "" | "-")
        || note.after(at).trim_start().starts_with('%')
}

/// `8/10` beside pain, `4/5` beside strength, `2/6` beside a murmur.
pub(super) fn is_score(note: &Note<'_>, at: usize) -> bool {
    let (x, y) = (note.value(at).unwrap_or(99), note.value(at + 1).unwrap_or(0));
    if x > y || !matches!(y, 5 | 6 | 10) || note.gap(at + 1) != "/" {
        return false;
    }
    let speaks = |at: usize| {
        matches!(
            note.word(at),
            "pain"
                | "strength"
                | "murmur"
                | "severity"
                | "scale"
                | "rated"
                | "rates"
                | "rating"
                | "intensity"
                | "scored"
                | "score"
                | "motor"
                | "systolic"
                | "reflexes"
                | "discomfort"
                | "apgar"
                | "apgars"
                | "headache"
                | "ache"
                | "flexion"
                | "extension"
                | "grip"
        )
    };
    let before = (1..=4).filter_map(|back| at.checked_sub(back)).any(speaks);
    let after =
        (at + 2..at + 5).take_while(|at| !matches!(note.word(*at), "for" | "on" | "at" | "with"));
    before || after.into_iter().any(speaks)
}

/// A date with the month's name.
fn named(note: &mut Note<'_>, at: usize) {
    let is_day = |at: usize| {
        let word = note.word(at);
        let number = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end));
        let number = number.unwrap_or(word);
        number.len() <= 2 && number.parse().is_ok_and(|day: u32| (1..=31).contains(&day))
    };
    let day_of = |at: usize| -> Option<u32> {
        note.word(at).trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok()
    };
    let is_near = |gap: &str| matches!(gap, " " | "-" | "." | ". " | "/" | "\n" | "");
    let before = at.checked_sub(1).filter(|b| is_day(*b) && is_near(note.gap(at))).or_else(|| {
        let of = at.checked_sub(1).filter(|of| matches!(note.word(*of), "of" | "de"))?;
        of.checked_sub(1).filter(|b| is_day(*b))
    });
    let is_year_at = |at: usize| {
        note.digits(at) == 4 && note.value(at).is_some_and(is_year)
            || note.digits(at) == 2 && note.gap(at).ends_with(['\'', '\u{2019}', '-', '/'])
    };
    let after =
        Some(at + 1).filter(|a| is_day(*a) && is_near(note.gap(*a)) && !is_counted(note, *a));
    // March 3-5: both days.
    let after = after.map(|a| {
        let is_range = separator(note.gap(a + 1)) == Some('-') && is_day(a + 1);
        if is_range && note.is_number(a + 1) { a + 1 } else { a }
    });
    let next = after.map_or(at + 1, |a| a + 1);
    let year = [next, next + 1].into_iter().find(|year| {
        let near = |at: usize| {
            let gap = note.gap(at).trim_end_matches(['\'', '\u{2019}']);
            matches!(gap, " " | ", " | "," | "-" | "/" | "." | ". " | "" | "\n")
        };
        is_year_at(*year)
            && near(*year)
            && (*year == next || matches!(note.word(next), "of" | "de" | "in") && near(next))
    });
    // `may` and `march` are words as well, and `mar`, `dec` nothing else.
    let is_bare = before.is_none() && after.is_none() && year.is_none();
    if is_bare && note.word(at) == "may" {
        // In a text of capitals it is mostly no month, unless a preposition stands before it.
        let before = at.checked_sub(1).map_or("", |b| note.word(b));
        let is_verb = note.case(at) == Case::Caps
            && note.case(at + 1) == Case::Caps
            && note.sense(at + 1).has(Sense::SAFE)
            && !matches!(
                before,
                "" | "in"
                    | "of"
                    | "since"
                    | "last"
                    | "until"
                    | "by"
                    | "early"
                    | "late"
                    | "mid"
                    | "this"
                    | "next"
                    | "from"
                    | "to"
                    | "through"
                    | "during"
                    | "before"
                    | "after"
                    | "and"
            );
        if note.case(at) == Case::Lower || is_verb {
            return;
        }
    }
    let day = match (before, after, year) {
        (Some(day), None, Some(year)) => day_of(day).zip(note.value(year)),
        (None, Some(day), Some(year)) if day == at + 1 => day_of(day).zip(note.value(year)),
        (_, _, _) => None,
    };
    let month = month(note.word(at));
    let day =
        day.filter(|(_, year)| is_year(*year)).and_then(|(day, year)| Day::new(year, month?, day));
    let first = before.unwrap_or(at);
    let end = year.or(after).unwrap_or(at) + 1;
    note.mark_day(first..end, day);
}

/// The number of an English month.
fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = MONTHS.iter().position(|short| word.starts_with(short))?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Matcher, ScrubDates, Scrubber};

    fn masked(text: &str) -> String {
        Scrubber::new(&[], ScrubDates::Mask).scrub(text, &Matcher::default(), 0)
    }

    #[test]
    fn a_date_is_taken_out_in_every_form() {
        let forms = [
            "2019-03-04",
            "03/04/2019",
            "3/4/19",
            "3/4",
            "03-04-2019",
            "4.3.2019",
            "20190304",
            "March 4, 2019",
            "March 4th, 2019",
            "4 March 2019",
            "4th of March 2019",
            "Mar 4",
            "MARCH 2019",
            "Mar. 4, 2019",
            "4-Mar-2019",
            "04-MAR-19",
            "March 3-5, 2019",
            "3/2019",
            "2019-03",
            "2019",
            "2018-2019",
            "1990s",
            "Monday",
            "Christmas",
            "12 / 03 / 1964",
            "2019/03/04",
            "2019-03-04T10:20:30Z",
            "14:35",
            "2:35 pm",
            "7am",
            "March of 2019",
            "december",
            "4 de marzo de 2019",
            "'98",
        ];
        for form in forms {
            for text in [format!("seen on {form} for pain"), format!("pain {form}\n")] {
                let shown = masked(&text);
                assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{form}: {shown}");
                assert!(shown.contains("[date]"), "{form} is taken for something else: {shown}");
            }
        }
    }

    #[test]
    fn what_only_resembles_a_date_stays() {
        for text in [
            "pain 8/10",
            "strength 5/5 in both arms",
            "2/6 systolic murmur",
            "BP 120/80",
            "she may need oxygen",
            "take 1/2 tablet",
            "infused 2000 ml",
            "for 10 days",
        ] {
            assert_eq!(masked(text), text, "a clinical number is taken for a date");
        }
    }

    #[test]
    fn a_whole_date_moves_with_the_person_and_a_doubtful_one_is_taken_out() {
        let shift = Scrubber::new(&[], ScrubDates::Shift);
        let moved = |text: &str| shift.scrub(text, &Matcher::default(), -10);
        assert_eq!(moved("on 2019-03-04."), "on [date 2019-02-22].");
        assert_eq!(moved("on March 4th, 2019."), "on [date 2019-02-22].");
        assert_eq!(moved("on 4 March 2019."), "on [date 2019-02-22].");
        assert_eq!(moved("on 03/25/2019."), "on [date 2019-03-15].");
        for text in ["on 03/04/2019.", "in March 2019.", "in 2019.", "on 3/4."] {
            let shown = moved(text);
            assert!(shown.contains("[date]"), "{text} has two readings or no day: {shown}");
        }
    }
}

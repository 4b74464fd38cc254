//! What its form alone gives away: mail and web addresses, addresses of machines, telephone numbers,
//! IBANs, social security numbers, postal codes, long numbers.
//!
//! Comes in: a note. Goes out: marks. Never: a check digit asked for: a number of that form is taken
//! out whether it was ever given to somebody or not.

use super::{
    Class,
    note::{Made, Note},
    senses::Sense,
};

/// Marks addresses and IBANs, before anything in them is taken for a date.
pub(super) fn addresses(note: &mut Note<'_>) {
    for at in 0..note.len() {
        email(note, at);
        web(note, at);
        machine(note, at);
        if !note.is_marked(at) {
            iban(note, at);
        }
    }
}

/// Marks numbers of several groups, and long ones.
pub(super) fn numbers(note: &mut Note<'_>) {
    for at in 0..note.len() {
        if note.is_number(at) && !note.is_marked(at) {
            groups(note, at);
        }
    }
}

/// Signs that stand within a mail address or a web address.
fn is_inner(gap: &str, signs: &[char]) -> bool {
    !gap.is_empty() && gap.len() <= 3 && gap.chars().all(|c| signs.contains(&c))
}

/// A token after an `@`: all of the address to its left and right.
fn email(note: &mut Note<'_>, at: usize) {
    const LOCAL: &[char] = &['.', '_', '-', '+', '%', '\'', '#', '!', '&', '=', '*', '~'];
    let gap = note.gap(at);
    let is_at =
        gap == "@" || gap.contains('@') && gap.chars().all(|c| c == '@' || LOCAL.contains(&c));
    if at == 0 || !is_at {
        return;
    }
    let mut first = at - 1;
    while first > 0 && is_inner(note.gap(first), LOCAL) {
        first -= 1;
    }
    let mut end = at + 1;
    while end < note.len() && is_inner(note.gap(end), &['.', '-', '_']) {
        end += 1;
    }
    note.mark_all(first..end, Class::Email);
}

/// Endings of names of machines that are written without `www.`.
const ENDINGS: &[&str] = &[
    "com", "org", "net", "edu", "gov", "mil", "io", "info", "biz", "co", "uk", "de", "fr", "es",
    "it", "nl", "ch", "at", "eu", "ca", "au", "us", "me", "tv", "app", "dev", "health", "care",
];

fn web(note: &mut Note<'_>, at: usize) {
    let is_scheme = matches!(note.word(at), "http" | "https" | "ftp") && note.after(at) == "://";
    let is_www = note.word(at) == "www" && note.after(at) == ".";
    let is_ending = note.gap(at) == "."
        && ENDINGS.contains(&note.word(at))
        && at > 0
        && note.case(at) == note.case(at - 1)
        && !note.is_number(at - 1);
    if !(is_scheme || is_www || is_ending) || note.is_marked(at) {
        return;
    }
    let mut first = at;
    if is_ending {
        while first > 0 && is_inner(note.gap(first), &['.', '-', '_', '/', ':']) {
            first -= 1;
        }
    }
    let mut end = at + 1;
    while end < note.len()
        && !note.gap(end).contains([' ', '\n', '\t', '\r', '<', '>', '"', ')', ','])
    {
        end += 1;
    }
    note.mark_all(first..end, Class::Url);
}

/// IPv4, IPv6 and the addresses of network cards.
fn machine(note: &mut Note<'_>, at: usize) {
    if note.is_marked(at) {
        return;
    }
    let run =
        |sign: &str| (at + 1..note.len()).take_while(|next| note.gap(*next) == sign).count() + 1;
    if note.is_number(at) && note.gap(at + 1) == "." {
        let groups = run(".");
        if groups == 4 && (at..at + 4).all(|part| (1..=3).contains(&note.digits(part))) {
            note.mark_all(at..at + 4, Class::Ip);
        }
        return;
    }
    let is_hex = |at: usize| {
        let word = note.word(at);
        (1..=4).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit())
    };
    if !is_hex(at) {
        return;
    }
    let colons = (at + 1..note.len())
        .take_while(|n| matches!(note.gap(*n), ":" | "::") && is_hex(*n))
        .count();
    let is_short = (at + 1..=at + colons).any(|part| note.gap(part) == "::");
    let dashes = (at + 1..note.len())
        .take_while(|n| note.gap(*n) == "-" && is_hex(*n) && note.word(*n).len() == 2)
        .count();
    if colons >= 5 || is_short && colons >= 1 {
        note.mark_all(at..at + colons + 1, Class::Ip);
    } else if dashes == 5 {
        note.mark_all(at..at + 6, Class::Ip);
    }
}

/// Two letters, two digits, and eleven letters or digits or more, in groups of four or not.
fn iban(note: &mut Note<'_>, at: usize) {
    let head = note.word(at).as_bytes();
    let is_head = match head {
        [a, b, c, d, ..] => {
            a.is_ascii_lowercase()
                && b.is_ascii_lowercase()
                && c.is_ascii_digit()
                && d.is_ascii_digit()
        }
        _ => false,
    };
    if !is_head || !note.is_capital(at) {
        return;
    }
    let (mut end, mut signs) = (at + 1, head.len());
    // Only the last group is not of four.
    while head.len() == 4
        && signs % 4 == 0
        && matches!(note.gap(end), " " | "-")
        && (1..=4).contains(&note.word(end).len())
        && (note.digits(end) > 0
            || note.token(end).is_some_and(|t| t.made == Made::Mixed)
            || note.word(end).len() == 4 && note.raw(end).bytes().all(|b| b.is_ascii_uppercase()))
    {
        signs += note.word(end).len();
        end += 1;
    }
    if (15..=34).contains(&signs) {
        note.mark_all(at..end, Class::Iban);
    }
}

/// The longest run of groups of digits that may be one number.
const GROUPS_MAX: usize = 7;

/// Numbers of several groups: telephone numbers, social security numbers, ZIP+4, payment cards.
fn groups(note: &mut Note<'_>, at: usize) {
    let is_between = |gap: &str| {
        matches!(
            gap,
            " " | "-" | "." | ") " | ")" | " - " | ")-" | " (" | "/" | "\u{2011}" | "\u{2013}"
        )
    };
    let mut lengths = vec![note.digits(at)];
    while lengths.len() < GROUPS_MAX {
        let next = at + lengths.len();
        if note.is_marked(next) || note.digits(next) == 0 || !is_between(note.gap(next)) {
            break;
        }
        lengths.push(note.digits(next));
    }
    let plus = note.gap(at).ends_with(['+']) || note.gap(at).ends_with("+(");
    let found = form(&lengths, plus, |group| note.gap(at + group)).or_else(|| {
        let is_told = labelled(note, at, Sense::PHONE_LABEL, 3);
        let total: usize = lengths.iter().sum();
        (is_told && (5..=15).contains(&total)).then_some((Class::Phone, lengths.len()))
    });
    let Some((class, count)) = found else { return };
    let mut end = at + count;
    if class == Class::Phone {
        let is_extension =
            matches!(note.word(end), "x" | "ext" | "extension") && note.gap(end).len() <= 3;
        if is_extension && note.digits(end + 1) > 0 && note.gap(end + 1).len() <= 2 {
            end += 2;
        } else if note.word(end).strip_prefix('x').is_some_and(is_digits)
            && note.gap(end).len() <= 2
        {
            end += 1;
        }
    }
    note.mark_all(at..end, class);
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// What the lengths of groups make of them, and of how many: the longest form first.
fn form<'g>(
    lengths: &[usize],
    plus: bool,
    gap: impl Fn(usize) -> &'g str,
) -> Option<(Class, usize)> {
    let tight = |upto: usize| {
        (1..upto).all(|group| matches!(gap(group), "-" | "." | " " | "\u{2011}" | "\u{2013}"))
    };
    let total = |count: usize| lengths.iter().take(count).sum::<usize>();
    if plus {
        let count = (1..=lengths.len()).rev().find(|count| (8..=15).contains(&total(*count)));
        return Some((Class::Phone, count.unwrap_or(lengths.len())));
    }
    match lengths {
        [4, 4, 4, 4, ..] => Some((Class::Id, 4)),
        [4, 6, 5, ..] => Some((Class::Id, 3)),
        [1, 3, 3, 4, ..] => Some((Class::Phone, 4)),
        [3, 3, 4, ..] => Some((Class::Phone, 3)),
        [3, 2, 4, ..] if tight(3) => Some((Class::Ssn, 3)),
        [3, 7, ..] | [5, 6, ..] => Some((Class::Phone, 2)),
        [5, 4, ..] if gap(1) == "-" => Some((Class::Zip, 2)),
        [3, 4, ..] if matches!(gap(1), "-" | "." | "\u{2011}") => Some((Class::Phone, 2)),
        [9, ..] => Some((Class::Ssn, 1)),
        [10 | 11, ..] => Some((Class::Phone, 1)),
        [2, 2, 2, 2, 2, ..] => Some((Class::Phone, 5)),
        [first, ..] if *first >= 12 => Some((Class::Id, 1)),
        _ => {
            // 020 7946 0958, 0171 1234567.
            let count =
                (2..=lengths.len()).rev().find(|count| (9..=13).contains(&total(*count)))?;
            let is_long = lengths.iter().take(count).filter(|digits| **digits >= 3).count() >= 2;
            (tight(count) && is_long).then_some((Class::Phone, count))
        }
    }
}

/// Whether one of the words before a token has a sense, with nothing but blanks and signs between.
pub(super) fn labelled(note: &Note<'_>, at: usize, sense: Sense, reach: usize) -> bool {
    for back in 1..=reach {
        let Some(before) = at.checked_sub(back) else { return false };
        let gap = note.gap(before + 1);
        if gap.len() > 4
            || gap.contains(['\n', ';', ','])
            || gap.contains(". ") && !gap.ends_with(".:") && back > 1
        {
            return false;
        }
        if note.sense(before).has(sense) {
            return true;
        }
        if note.is_number(before) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Matcher, ScrubDates, Scrubber};

    fn found(text: &str) -> Vec<(Class, String)> {
        let spans = Scrubber::new(&[], ScrubDates::Mask).spans(text, &Matcher::default(), 0);
        spans.into_iter().map(|span| (span.class, text[span.bytes].to_owned())).collect()
    }

    #[test]
    fn every_form_that_gives_itself_away_is_taken_out_whole_and_named() {
        for (class, forms) in [
            (
                Class::Email,
                &[
                    "jane.doe@example.org",
                    "j_doe+x@mail.example.co.uk",
                    "JANE@EXAMPLE.COM",
                    "o'neil-99@a.io",
                ][..],
            ),
            (
                Class::Url,
                &[
                    "https://example.org/a?b=1&c=2",
                    "www.example.com",
                    "example.org/jane-doe",
                    "ftp://x.net/y",
                ],
            ),
            (
                Class::Ip,
                &["192.168.1.10", "2001:db8::8a2e:370:7334", "fe80::1", "00:1b:44:11:3a:b7"],
            ),
            (Class::Ssn, &["123-45-6789", "123 45 6789", "987654321"]),
            (
                Class::Iban,
                &[
                    "DE89370400440532013000",
                    "GB82 WEST 1234 5698 7654 32",
                    "FR14 2004 1010 0505 0001 3M02 606",
                ],
            ),
            (
                Class::Phone,
                &[
                    "617-555-0123",
                    "617.555.0123",
                    "617 555 0123",
                    "6175550123",
                    "1-617-555-0123",
                    "+1 617 555 0123",
                    "+49 30 123456",
                    "+442079460958",
                    "020 7946 0958",
                    "555-0123",
                    "06 12 34 56 78",
                    "617-555-0123 x45",
                    "617-555-0123 ext. 45",
                    "+1 617-555-0123",
                ],
            ),
            (Class::Zip, &["02139-4307"]),
            (Class::Id, &["4111 1111 1111 1111", "4111111111111111"]),
        ] {
            for form in forms {
                for text in
                    [format!("note {form} today"), format!("{form}."), format!("({form})\n")]
                {
                    let bare = form.trim_start_matches('+').to_owned();
                    assert_eq!(found(&text), [(class, bare)], "in {text:?}");
                }
            }
        }
        assert_eq!(found("(617) 555-0123"), [(Class::Phone, "617) 555-0123".to_owned())]);
        assert_eq!(found("fax: 30-123456"), [(Class::Phone, "30-123456".to_owned())]);
    }

    #[test]
    fn no_unit_saves_a_number_of_such_a_form() {
        for text in ["123-45-6789 mg", "617-555-0123 mg", "glucose 6175550123", "BP 192.168.1.10"] {
            let shown: String = found(text).into_iter().map(|(_, text)| text).collect();
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let taken = shown.bytes().filter(u8::is_ascii_digit).count();
            assert_eq!(digits, taken, "digits are left of {text:?}");
        }
    }
}

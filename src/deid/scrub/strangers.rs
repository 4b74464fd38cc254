//! Words that are on no list, and words of the lists that stand so near them that they may be a part of
//! a name.
//!
//! Comes in: a note of which all else is marked. Goes out: marks. Never: a word that is on no list let
//! through, or one that may be a name let through with a capital.

use super::{
    Class,
    context::could_be_name,
    note::{Case, Note},
    senses::Sense,
};

/// Marks every word that is left and on no list, and words beside those that may be part of a name.
pub(super) fn mark(note: &mut Note<'_>) {
    let mut strangers = Vec::new();
    for at in 0..note.len() {
        if note.class(at) == Some(Class::Name) && note.is_word(at) {
            strangers.push(at);
        }
        if note.is_marked(at) || !note.is_word(at) || is_safe(note, at) {
            continue;
        }
        let is_name = note.is_capital(at) && (!note.opens(at) || is_beside_name(note, at));
        note.mark(at, if is_name { Class::Name } else { Class::Word });
        strangers.push(at);
    }
    // The neighbours of a stranger: only such as stand right beside it, and no chain of them.
    for at in strangers {
        for beside in [at.checked_sub(1), Some(at + 1)].into_iter().flatten() {
            if note.is_marked(beside) || !note.is_word(beside) {
                continue;
            }
            let gap = note.gap(beside.max(at));
            if may_be_of_name(note, at, beside, gap) {
                note.mark(beside, Class::Name);
            }
        }
    }
}

fn is_beside_name(note: &Note<'_>, at: usize) -> bool {
    let is_name = |at: usize| note.class(at) == Some(Class::Name);
    at.checked_sub(1).is_some_and(is_name) || is_name(at + 1) || could_be_name(note, at + 1)
}

/// Whether a word of the lists that stands beside a stranger goes with it.
fn may_be_of_name(note: &Note<'_>, stranger: usize, beside: usize, gap: &str) -> bool {
    let sense = note.sense(beside);
    let is_tied = matches!(gap, "-" | "'" | "\u{2019}" | "-\n" | "-\r\n");
    // A name that is broken or bound by a hyphen; a tail such as `'s` is no part of it.
    if is_tied && note.is_capital(stranger) {
        return !(sense.has(Sense::TAIL) && gap != "-") && (gap != "-" || note.is_capital(beside));
    }
    if !matches!(gap, " " | "\n" | ", ") {
        return false;
    }
    // What follows a name as its degree is no part of it.
    if gap == ", " && beside > stranger && DEGREES.contains(&note.word(beside)) {
        return false;
    }
    // Words that pass in one case alone are names in the other.
    if sense.has(Sense::LOWER.and(Sense::UPPER)) && !sense.has(Sense::SAFE.and(Sense::GRAMMAR)) {
        return gap != ", " || note.is_capital(beside);
    }
    // Jane Bone: two capitals within a sentence.
    gap == " "
        && note.case(stranger) == Case::Capital
        && note.case(beside) == Case::Capital
        && !note.opens(beside)
        && !sense.has(Sense::TITLE.and(Sense::BODY))
}

/// Degrees that are written after a name.
pub(super) const DEGREES: &[&str] = &["md", "do", "rn", "np", "pa", "ms", "ma", "jr", "sr"];

/// Whether a word is on a list for the case that it is written in.
fn is_safe(note: &Note<'_>, at: usize) -> bool {
    let sense = note.sense(at);
    if note.word(at).len() == 1 {
        return is_safe_letter(note, at);
    }
    if matches!(note.word(at), "ray" | "rays")
        && note.gap(at) == "-"
        && note.word(at.wrapping_sub(1)) == "x"
    {
        return true;
    }
    if sense.has(Sense::TAIL) && note.gap(at).ends_with(['\'', '\u{2019}']) {
        return true;
    }
    match note.case(at) {
        Case::Lower => {
            sense.has(Sense::SAFE.and(Sense::LOWER).and(Sense::GRAMMAR).and(Sense::TITLE))
        }
        // In capitals, `WILL` and `DAYS` are mostly words; right beside a stranger they go with it.
        Case::Caps => sense.has(
            Sense::SAFE.and(Sense::UPPER).and(Sense::TITLE).and(Sense::GRAMMAR).and(Sense::UNIT),
        ),
        Case::Capital => sense.has(Sense::SAFE.and(Sense::TITLE)) || opens_clinically(note, at),
        Case::Other => sense.has(Sense::SAFE.and(Sense::UPPER)),
    }
}

/// A word that may be a name opens a sentence, and the next one says that it is none: `White blood
/// cells`, `Will follow up`; somebody named Will follows up.
fn opens_clinically(note: &Note<'_>, at: usize) -> bool {
    let next = note.word(at + 1);
    let is_open = note.opens(at) && note.gap(at + 1) == " " && note.case(at + 1) == Case::Lower;
    is_open
        && match note.word(at) {
            "white" | "red" => matches!(next, "blood" | "cell" | "cells" | "matter" | "rash"),
            "will" | "may" => BARE_VERBS.contains(&next),
            "fell" => matches!(
                next,
                "at" | "from"
                    | "on"
                    | "down"
                    | "off"
                    | "in"
                    | "while"
                    | "asleep"
                    | "to"
                    | "and"
                    | "out"
            ),
            "foley" => matches!(next, "catheter" | "placed" | "removed"),
            "long" | "short" => {
                matches!(next, "history" | "term" | "standing" | "discussion" | "course" | "acting")
            }
            "good" | "strong" => {
                matches!(next, "historian" | "appetite" | "pulses" | "air" | "control" | "family")
            }
            _ => false,
        }
}

/// Verbs after `Will` where it is no name: a person's would end in `s` or `ed`.
const BARE_VERBS: &[&str] = &[
    "follow", "continue", "return", "need", "check", "recheck", "monitor", "consider", "start",
    "stop", "see", "have", "be", "require", "obtain", "discuss", "order", "give", "plan", "repeat",
    "try", "keep", "hold", "call", "schedule", "refer", "resume", "take", "arrange", "defer",
    "proceed", "use", "increase", "decrease", "also", "not", "likely", "add", "begin", "switch",
    "wean", "attempt",
];

/// A letter alone may be an initial; it stays where it is none.
fn is_safe_letter(note: &Note<'_>, at: usize) -> bool {
    let letter = note.word(at);
    let tied = note.gap(at).ends_with(['\'', '\u{2019}']);
    if tied && note.case(at) == Case::Lower {
        return note.sense(at).has(Sense::TAIL);
    }
    // With a dot after it, it is an initial.
    let after = note.after(at);
    let is_dotted = after.starts_with('.') && note.is_capital(at);
    if is_dotted {
        return false;
    }
    if letter == "x" && after == "-" && matches!(note.word(at + 1), "ray" | "rays" | "linked") {
        return true;
    }
    let before = at.checked_sub(1).map_or("", |b| note.word(b));
    let is_kind = matches!(
        before,
        "hepatitis"
            | "vitamin"
            | "vitamins"
            | "influenza"
            | "type"
            | "class"
            | "grade"
            | "stage"
            | "factor"
            | "group"
            | "protein"
            | "hemoglobin"
            | "troponin"
            | "immunoglobulin"
            | "category"
            | "flu"
            | "child"
            | "hep"
            | "strep"
            | "streptococcus"
            | "amphotericin"
            | "score"
            | "complex"
            | "borderline"
            | "cluster"
    );
    // In a text of capitals an article is one as well.
    let is_amid = note.case(at + 1) == Case::Caps
        && note.sense(at + 1).has(Sense::SAFE)
        && !note.is_marked(at + 1)
        && after == " ";
    let is_grammar = matches!((letter, note.case(at)), ("a", Case::Lower))
        || note.raw(at) == "I"
        || note.raw(at) == "A"
            && (note.opens(at) || is_amid || note.is_number(at + 1) && !note.is_marked(at + 1));
    let is_sign = note.case(at) == Case::Lower
        && (matches!(letter, "x" | "c" | "s" | "p" | "q" | "w" | "o" | "y" | "n" | "v")
            && (note.is_number(at + 1)
                || after.starts_with('/')
                || note.gap(at).starts_with('/')
                || note.is_number(at.wrapping_sub(1))
                || after == " " && letter == "x"));
    // A letter of a vital sign or an electrolyte before its number, of a unit after one.
    let is_value = note.sense(at).has(Sense::LAB.and(Sense::GRADE))
        && note.is_number(at + 1)
        && !note.is_marked(at + 1)
        && after.len() <= 2
        || note.sense(at).has(Sense::UNIT)
            && note.is_number(at.wrapping_sub(1))
            && !note.is_marked(at.wrapping_sub(1));
    // °F, SpO2.
    let is_degree = matches!(letter, "f" | "c") && note.gap(at).trim_start().starts_with('°');
    is_kind || is_grammar || is_sign || is_value || is_degree
}

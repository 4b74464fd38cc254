//! What stands beside a name or a place and gives it away: titles, relatives, labels, streets.
//!
//! Comes in: a note. Goes out: marks. Never: a word let through because it is on a list, where a title
//! or a label says that it is a name here.

use super::{
    Class,
    note::{Case, Made, Note},
    senses::Sense,
    strangers::DEGREES,
};

/// So many words of a line are taken for what its label says.
const LABELLED_MAX: usize = 10;
/// So many words before `Hospital` or `Street` are taken for its name.
const NAMED_MAX: usize = 4;

/// Marks names and places that what stands beside them gives away, be they on a list or not.
pub(super) fn mark(note: &mut Note<'_>) {
    for at in 0..note.len() {
        let sense = note.sense(at);
        if sense.has(Sense::TITLE) {
            titled(note, at);
        }
        if sense.has(Sense::KIN) {
            kin(note, at);
        }
        if sense.has(Sense::NAME_LABEL.and(Sense::PLACE_LABEL)) && is_label(note, at) {
            let class = if sense.has(Sense::NAME_LABEL) { Class::Name } else { Class::Place };
            labelled(note, at + 1, class);
        }
        if sense.has(Sense::DWELLS) {
            // Moved here from, lives alone in.
            let by = usize::from(matches!(
                note.word(at + 1),
                "here" | "there" | "back" | "alone" | "out"
            ));
            if note.sense(at + 1 + by).has(Sense::WHERE) {
                dwelling(note, at + 2 + by);
            }
        }
        if sense.has(Sense::STREET) {
            street(note, at);
        }
        if sense.has(Sense::BODY) && note.is_capital(at) {
            body(note, at);
        }
    }
}

/// A blank, or one after the dot of an abbreviation.
fn is_blank(gap: &str) -> bool {
    matches!(gap, " " | ". " | "." | "  " | "\n" | "\r\n" | "\t")
}

/// Whether a token with a capital could be the beginning of a name.
pub(super) fn could_be_name(note: &Note<'_>, at: usize) -> bool {
    note.is_word(at) && note.is_capital(at)
}

/// `Dr. Young`, `Mrs. Grace Hope-Long`.
fn titled(note: &mut Note<'_>, at: usize) {
    let next = at + 1;
    if !is_blank(note.gap(next))
        || !note.is_word(next)
        || note.case(at) == Case::Lower && note.word(at) == "sr"
    {
        return;
    }
    // MR SPINE: in capitals, without a dot, it may be the imaging.
    let may_be_other = matches!(note.word(at), "mr" | "ms" | "sr" | "sir" | "madam" | "doctor")
        && (note.case(at) == Case::Caps || note.case(at) == Case::Lower)
        && !note.gap(next).starts_with('.');
    let sense = note.sense(next);
    if may_be_other && sense.has(Sense::SAFE) && note.case(next) != Case::Capital {
        return;
    }
    if note.case(next) == Case::Lower && sense.has(Sense::GRAMMAR) && !is_initial(note, next) {
        // The doctor will see her; but `mrs. do`, and `dr an kowalski`.
        let is_dotted = note.gap(next).starts_with('.') && AFTER_TITLES.contains(&note.word(next));
        let before_stranger = note.sense(next + 1) == Sense::NONE
            && note.is_word(next + 1)
            && note.gap(next + 1) == " ";
        if !is_dotted && !before_stranger {
            return;
        }
    }
    note.mark(next, Class::Name);
    // A given name, and the family's after it.
    for more in next + 1..next + 3 {
        let is_initial = note.word(more - 1).len() == 1;
        let goes_on = matches!(note.gap(more), " " | "\n" | "-" | "'" | "\u{2019}")
            || is_initial && matches!(note.gap(more), ". " | ".\n");
        let sense = note.sense(more);
        // In a text without capitals a word that is mostly a name is one here.
        let is_lower_name = note.case(more) == Case::Lower
            && note.is_word(more)
            && !sense.has(Sense::SAFE.and(Sense::GRAMMAR).and(Sense::TITLE));
        let is_particle = matches!(
            note.word(more),
            "de" | "la" | "van" | "von" | "der" | "del" | "di" | "al" | "el"
        );
        if !goes_on || !(could_be_name(note, more) || is_particle || is_lower_name) {
            break;
        }
        // In a text of capitals the next word is mostly no name.
        if sense.has(Sense::SAFE)
            && (note.case(more) != Case::Capital || note.gap(more) == " " && !is_initial)
        {
            break;
        }
        note.mark(more, Class::Name);
    }
}

/// Words of grammar that are family names as well.
const AFTER_TITLES: &[&str] =
    &["an", "do", "so", "no", "in", "my", "he", "may", "will", "on", "to"];

/// Whether a token is a letter with a dot.
fn is_initial(note: &Note<'_>, at: usize) -> bool {
    note.word(at).len() == 1 && note.after(at).starts_with('.')
}

/// `his wife Rose`, `a friend named Mark`.
fn kin(note: &mut Note<'_>, at: usize) {
    let by =
        usize::from(matches!(note.word(at + 1), "by" | "is" | "was") && note.gap(at + 1) == " ");
    let next = at + 1 + by;
    let is_near = matches!(note.gap(next), " " | ", " | " (" | " \"" | "\n" | ": ");
    let sense = note.sense(next);
    let is_name = could_be_name(note, next)
        && (note.case(next) == Case::Capital || !sense.has(Sense::SAFE))
        && !sense.has(Sense::TITLE)
        || sense.has(Sense::LOWER)
            && !sense.has(Sense::GRAMMAR.and(Sense::UNIT))
            && note.gap(next) == " ";
    if is_near
        && is_name
        && note.case(at) != Case::Caps
        && !(note.gap(next) == ": " && note.sense(next).has(Sense::SAFE))
    {
        note.mark(next, Class::Name);
    }
}

/// Whether a colon stands after a word.
fn is_label(note: &Note<'_>, at: usize) -> bool {
    let after = note.after(at).trim_start_matches([' ', ')', 's', '(']);
    after.starts_with([':', '=']) && !after.starts_with(":\n")
}

/// All that stands on a line after its label, up to the next label.
fn labelled(note: &mut Note<'_>, from: usize, class: Class) {
    let mut end = from;
    while end < note.len() && end < from + LABELLED_MAX {
        let gap = note.gap(end);
        let is_over =
            end > from && (gap.contains(['\n', ';', '|', '\t', ':']) || gap.contains("  "));
        // The next label: a word with a colon after it.
        let is_next = note.after(end).starts_with(':') && note.is_word(end);
        if is_over || end == from && gap.contains('\n') || is_next {
            break;
        }
        end += 1;
    }
    for at in from..end {
        let is_grammar = note.sense(at).has(Sense::GRAMMAR) && note.case(at) == Case::Lower;
        let is_degree = at > from && note.gap(at) == ", " && DEGREES.contains(&note.word(at));
        if !is_grammar && !is_degree {
            note.mark(at, class);
        }
    }
}

/// `lives in Long Beach`: every word with a capital after it.
fn dwelling(note: &mut Note<'_>, from: usize) {
    let from =
        from + usize::from(note.sense(from).has(Sense::GRAMMAR) && note.case(from) == Case::Lower);
    for at in from..from + NAMED_MAX {
        let is_near = matches!(note.gap(at), " " | "\n" | ", " | ". " | "-");
        let sense = note.sense(at);
        if !(is_near && could_be_name(note, at)) || sense.has(Sense::TITLE) {
            break;
        }
        if note.case(at) == Case::Caps
            && sense.has(Sense::GRAMMAR.and(Sense::WARD).and(Sense::UPPER))
        {
            break;
        }
        note.mark(at, Class::Place);
    }
}

/// `12 Old Mill Road, Apt 4`.
fn street(note: &mut Note<'_>, at: usize) {
    let is_plain = matches!(
        note.word(at),
        "street"
            | "avenue"
            | "boulevard"
            | "road"
            | "lane"
            | "blvd"
            | "ave"
            | "rd"
            | "ln"
            | "parkway"
            | "pkwy"
            | "highway"
            | "hwy"
    );
    let mut first = at;
    let mut number = None;
    for back in 1..=NAMED_MAX + 1 {
        let Some(before) = at.checked_sub(back) else { break };
        // A dot ends an abbreviation, such as St. or N.; otherwise a sentence.
        let is_near = matches!(note.gap(before + 1), " " | "-" | ", ")
            || note.gap(before + 1) == ". " && note.word(before).len() <= 2;
        if !is_near {
            break;
        }
        let is_house = note.digits(before) > 0
            || note.token(before).is_some_and(|t| t.made == Made::Mixed)
                && note.word(before).starts_with(|c: char| c.is_ascii_digit());
        if is_house && !is_ordinal(note.word(before)) {
            number = Some(before);
            break;
        }
        let is_part = could_be_name(note, before)
            || is_ordinal(note.word(before))
            || is_plain && note.is_word(before);
        if !is_part || back > NAMED_MAX {
            break;
        }
        if could_be_name(note, before) {
            first = before;
        }
    }
    let begins = match number {
        // 12 Mill Road; but not `3 times a day by way`.
        Some(number) if note.sense(number + 1).has(Sense::UNIT) => None,
        Some(number) if number + 1 < at || is_plain => {
            let is_named = is_plain || (number + 1..at).any(|part| could_be_name(note, part));
            is_named.then_some(number)
        }
        Some(_) => None,
        None => (first < at && note.is_capital(at) && is_plain).then_some(first),
    };
    let Some(begins) = begins else { return };
    let mut end = at + 1;
    // The flat after it.
    if matches!(
        note.word(end),
        "apt" | "apartment" | "unit" | "suite" | "ste" | "flat" | "room" | "floor"
    ) && note.gap(end).len() <= 3
        && note.gap(end + 1).len() <= 3
    {
        end += 2;
    }
    note.mark_all(begins..end, Class::Place);
}

fn is_ordinal(word: &str) -> bool {
    ["st", "nd", "rd", "th"].iter().any(|end| {
        word.strip_suffix(end)
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// `Mercy General Hospital`, `University of the Pacific`.
fn body(note: &mut Note<'_>, at: usize) {
    let in_capitals = note.case(at) == Case::Caps;
    let mut first = at;
    for back in 1..=NAMED_MAX {
        let Some(before) = at.checked_sub(back) else { break };
        let is_near =
            matches!(note.gap(before + 1), " " | "\n" | ". " | "-" | "'" | "\u{2019}" | " & ");
        let sense = note.sense(before);
        let is_part = note.word(before) == "s" || could_be_name(note, before);
        if !is_near
            || !note.is_word(before)
            || !is_part
            || sense.has(Sense::GRAMMAR.and(Sense::TITLE))
        {
            break;
        }
        // A ward is no name; nor, where all is in capitals, is a word of the lists.
        let is_plain =
            sense.has(Sense::WARD.and(Sense::BODY)) || in_capitals && sense.has(Sense::SAFE);
        if !is_plain {
            first = before;
        }
    }
    for part in first..at {
        note.mark(part, Class::Place);
    }
    if matches!(note.word(at), "university" | "college" | "school" | "church" | "bank")
        && matches!(note.word(at + 1), "of" | "for")
    {
        let from = at + 2 + usize::from(note.word(at + 2) == "the");
        for more in from..from + 3 {
            if note.gap(more) != " " || !could_be_name(note, more) {
                break;
            }
            note.mark(more, Class::Place);
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
    fn a_word_that_is_on_no_list_goes_and_one_that_is_stays() {
        assert_eq!(
            masked("Patient denies chest pain, nausea and vomiting."),
            "Patient denies chest pain, nausea and vomiting."
        );
        assert_eq!(
            masked("Patient met Zorblax at the blorf quux."),
            "Patient met [name] at the [word]."
        );
        assert_eq!(masked("the pain of Jane Doe"), "the pain of [name]", "a name shows its length");
    }

    #[test]
    fn names_go_in_every_writing() {
        for name in [
            "Jane Doe",
            "DOE, JANE",
            "Doe, Jane",
            "jane doe",
            "J. Doe",
            "Jane Q. Doe",
            "Doe-Smith",
            "O'Neill",
            "O’Neill",
            "José García",
            "JOSÉ",
            "Jos\u{65}\u{301}",
            "Müller",
            "Łukasz",
            "Jane\nDoe",
            "Ja\u{ad}ne",
            "de la Cruz",
            "McDonald",
            "Nguyễn",
            "李明",
            "Иванов",
            "Doe's",
        ] {
            let shown = masked(&format!("we saw {name} for pain"));
            let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
            for part in name.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() > 1) {
                assert!(!shown.contains(part), "{part} of {letters} shows: {shown}");
            }
        }
    }

    #[test]
    fn what_stands_beside_it_gives_a_name_away_that_is_a_word_as_well() {
        for (text, gone) in [
            ("seen by Dr. Young today", "Young"),
            ("seen by Dr Bone today", "Bone"),
            ("Mrs. Grace Long denies pain", "Long"),
            ("mr. hand denies pain", "hand"),
            ("his wife Joy called", "Joy"),
            ("daughter Hope was present", "Hope"),
            ("a friend named Will", "Will"),
            ("Patient Name: Short, May", "Short"),
            ("Name: Iron, Skin\nDiagnosis: asthma", "Iron"),
            ("Attending: Small", "Small"),
            ("Jane Bone was seen", "Bone"),
            ("we saw Jane Young-Brown", "Young"),
            ("WILL YOUNG was seen", "YOUNG"),
            ("lives in Long Beach", "Beach"),
            ("admitted to Stone Valley Hospital", "Stone"),
            ("at 12 Old Mill Road, Apt 4", "Mill"),
            ("at 120 long hand street", "hand"),
            ("City: Hand Springs", "Hand"),
        ] {
            let shown = masked(text);
            assert!(!shown.contains(gone), "{gone} shows: {shown}");
        }
        for text in [
            "the patient will follow up",
            "a long history of pain",
            "wife denies pain",
            "MR of the spine",
            "in the ED",
        ] {
            assert_eq!(masked(text), text, "a word is taken for a name");
        }
    }
}

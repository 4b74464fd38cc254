//! Plain words for what the engine calls by short names.

use super::messages::{Lang, Messages};
use crate::{purpose::Purpose, schema::Role};

/// Says a purpose in words, with its code.
pub(super) fn purpose(purpose: &Purpose) -> String {
    Messages::of(Lang::En).purpose(purpose)
}

/// Says several purposes.
pub(super) fn purposes(purposes: &[Purpose]) -> String {
    purposes.iter().map(purpose).collect::<Vec<_>>().join("; ")
}

/// Says why rows were refused, and what would change it.
pub(super) fn refusal(reason: &str) -> (String, &'static str) {
    let (words, remedy) = match plain(reason).as_str() {
        "no consent" => ("The person has never consented", "Ask them, or leave them out."),
        "purpose not consented" => (
            "The person consented, but not to this purpose",
            "Their choice stands; nothing is to be done.",
        ),
        "withdrawn" => ("The person took the consent back", "Their choice stands."),
        "opted out" => ("The person keeps out of every such use", "Their choice stands."),
        "not linked" => (
            "Nobody knows yet whose records they are",
            "Mend the patient's row, then run almoner linkage.",
        ),
        "expired" => ("The consent has run out", "Ask whether they want to renew it."),
        "not yet valid" => ("The consent begins later", "A later run will take the rows."),
        "institution not consented" => (
            "The person consented, but not for this institution",
            "Their choice stands; nothing is to be done.",
        ),
        "category not consented" => (
            "The person consented, but not to this kind of data",
            "Their choice stands; nothing is to be done.",
        ),
        _ => return (plain(reason), ""),
    };
    (words.to_owned(), remedy)
}

/// Says why a file was not taken, and what would change it.
pub(super) fn left(reason: &str) -> (String, &'static str) {
    let sign = "Have the institution sign the delivery: almoner credential sign-delivery.";
    let (words, remedy) = match reason {
        "no-delivery-note" => ("No delivery note lies beside it", sign),
        "delivery-note-malformed" => ("The delivery note cannot be read", sign),
        "delivery-note-of-another" => ("The delivery note is another institution's", sign),
        "not-in-delivery-note" => ("The delivery note does not list it", sign),
        "not-as-delivered" => (
            "It is not the file that was signed",
            "Have it sent again; it changed after it was signed.",
        ),
        "delivery-note-not-signed" => (
            "The note is not signed with a key that the licence names",
            "Ask the institution which key it signs with, and have its licence name that key.",
        ),
        "delivery-note-from-the-future" => (
            "The note is dated after this run",
            "Check the clock of the institution; a later run may take the file.",
        ),
        "no-licence" => {
            ("No licence of the institution is known", "Record it: almoner credential record FILE.")
        }
        "licence-not-begun" => (
            "The licence had not begun when the note was signed",
            "What is signed once it has begun is taken.",
        ),
        "licence-expired" => (
            "The licence had expired when the note was signed",
            "Once it is renewed, have the delivery signed again.",
        ),
        "licence-suspended" => (
            "The licence was suspended when the note was signed",
            "Once it is reinstated, have the delivery signed again.",
        ),
        "licence-revoked" => ("The licence was revoked when the note was signed", ""),
        "licence-restricted" => (
            "The licence excludes the contribution of data",
            "Its issuer can lift the restriction.",
        ),
        "delivery-incomplete" => (
            "It refers to a table of which a file was not taken",
            "It is taken together with the other file.",
        ),
        _ => return (plain(reason), ""),
    };
    (words.to_owned(), remedy)
}

/// Says why rows were rejected, and what would mend them.
pub(super) fn reject(rule: &str) -> (String, &'static str) {
    let (words, remedy) = match rule {
        "type" => ("A cell is not of its column's type", "See the expected form in the schema."),
        "required" => ("A required cell is empty", "Complete the row at its source."),
        "range" => ("A value lies outside the allowed range", "Check the unit and the value."),
        "code" => ("A code is not on the column's list", "Correct it, or extend the list."),
        "length" => ("A cell is too long", "Check for a missing quotation mark."),
        "key-duplicate" => ("A key occurs twice", "Keep one of the rows."),
        "foreign-key" => ("A row refers to one that is not there", "Mend the other row first."),
        "columns" => ("A row has too many or too few cells", "Check its separators and quotes."),
        "encoding" => ("A row is not UTF-8", "Export the file as UTF-8."),
        "syntax" => ("A row cannot be read", "Check it in the named file and line."),
        "resource" => (
            "A line is no FHIR resource with a type and an id",
            "Check it in the named file and line.",
        ),
        _ => return (plain(rule), ""),
    };
    (words.to_owned(), remedy)
}

/// Says a column's role.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Person => "who it is",
        Role::Direct => "identifies directly",
        Role::Quasi => "known to others",
        Role::Sensitive => "sensitive",
        Role::Measure => "measurement",
        Role::Drop => "not wanted",
    }
}

/// Turns `PurposeNotConsented`, `purpose-not-consented` and `purpose_not_consented` into words.
fn plain(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        match letter {
            '-' | '_' => words.push(' '),
            letter => words.extend(letter.to_lowercase()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_understood_in_whatever_case_it_is_written() {
        for name in ["PurposeNotConsented", "purpose-not-consented", "purpose_not_consented"] {
            assert_eq!(refusal(name).0, "The person consented, but not to this purpose");
        }
        assert_eq!(refusal("quite-new").0, "quite new", "a new reason must not vanish");
    }
}

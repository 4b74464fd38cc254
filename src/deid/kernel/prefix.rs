//! The first characters of a text, such as the category of an ICD-10 code (`E11` of `E11.9`).
//!
//! Comes in: `Utf8`. Goes out: `Utf8`. Never: half a character; length counts characters.

use arrow::array::StringArray;

/// Keeps the first `length` characters of each text.
pub fn prefix(texts: &StringArray, length: usize) -> StringArray {
    let cut = |text| match str::char_indices(text).nth(length) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    };
    texts.iter().map(|text| text.map(cut)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_counts_characters_not_bytes() {
        let texts = StringArray::from(vec![Some("E11.9"), Some("é\u{301}x"), Some("E"), None]);
        let cut = prefix(&texts, 2);
        assert_eq!(cut.iter().collect::<Vec<_>>(), [Some("E1"), Some("é\u{301}"), Some("E"), None]);
    }
}

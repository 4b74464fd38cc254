//! Prefixes: 53210, 532, 5. Comes in: a text. Goes out: its first characters, fewer at each level.
//! Never: half a character.

use super::rule::RuleError;

/// Checks that each level keeps fewer characters than the one before, and the last at least one.
pub(super) fn lengths(keep: &[usize]) -> Result<(), RuleError> {
    if keep.is_empty() {
        return Err(RuleError::NoLevel);
    }
    let before = std::iter::once(&usize::MAX).chain(keep);
    let wrong = keep.iter().zip(before).position(|(now, before)| *now == 0 || now >= before);
    let wanted = "a prefix of one character or more, shorter than the one before";
    wrong.map_or(Ok(()), |at| Err(RuleError::Level { level: at + 1, wanted }))
}

/// Returns the prefixes of a text.
pub(super) fn labels(value: &str, keep: &[usize]) -> Vec<String> {
    keep.iter().map(|length| value.chars().take(*length).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_keeps_fewer_characters() {
        assert_eq!(labels("53210", &[4, 2]), ["5321", "53"]);
        assert_eq!(labels("é1", &[5, 1]), ["é1", "é"], "a character was cut in two");
    }

    #[test]
    fn prefixes_that_do_not_grow_shorter_are_refused() {
        for keep in [[3, 3], [3, 5], [2, 0]] {
            let error = lengths(&keep).unwrap_err();
            assert!(matches!(error, RuleError::Level { level: 2, .. }), "{keep:?}: {error}");
        }
        assert_eq!(lengths(&[]), Err(RuleError::NoLevel));
    }
}

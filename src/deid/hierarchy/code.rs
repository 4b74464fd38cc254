//! Code systems whose codes tell their own place: ICD-10 (category, block, chapter) and ATC (levels 4 to
//! 1). Comes in: a code. Goes out: what stands above it. Never: a code of another system given a place.
//!
//! ICD-10 is the WHO's of 2019 <https://icd.who.int/browse10/2019/en>. A category that only a national
//! modification has (E08, Z66 of ICD-10-CM) and no block of the WHO's holds is a block of its own.

mod icd10;

/// A code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// `E11.9`, `E11`, `E10-E14`, `IV`.
    Icd10,
    /// `A10BA02`, `A10BA`, `A10B`, `A10`, `A`.
    Atc,
}

/// The length of an ATC code at each level, from the whole code to its anatomical group
/// <https://atcddd.fhi.no/atc/structure_and_principles/>.
const ATC_LENGTHS: [usize; 5] = [7, 5, 4, 3, 1];

impl System {
    /// The words for code systems in a schema.
    pub const WORDS: [(&'static str, Self); 2] = [("icd-10", Self::Icd10), ("atc", Self::Atc)];

    /// Returns how many levels stand between a code and `*`.
    pub(super) fn levels(self) -> usize {
        match self {
            Self::Icd10 => 3,
            Self::Atc => ATC_LENGTHS.len() - 1,
        }
    }

    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Icd10 => "ICD-10 codes like E11.9",
            Self::Atc => "ATC codes like A10BA02",
        }
    }

    /// Returns what stands above a code, level by level.
    pub(super) fn labels(self, value: &str) -> Option<Vec<String>> {
        match self {
            Self::Icd10 => icd10::labels(value),
            Self::Atc => atc(value),
        }
    }
}

/// A code of any level; one that is short already stands for itself until a level is shorter.
fn atc(value: &str) -> Option<Vec<String>> {
    let shape = |(at, byte): (usize, u8)| match at {
        0 | 3 | 4 => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_digit(),
    };
    let is_code = ATC_LENGTHS.contains(&value.len()) && value.bytes().enumerate().all(shape);
    let cut = |length: &usize| value.get(..*length).unwrap_or(value).to_owned();
    is_code.then(|| ATC_LENGTHS.iter().skip(1).map(cut).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atc_code_tells_its_groups() {
        assert_eq!(atc("A10BA02").unwrap(), ["A10BA", "A10B", "A10", "A"]);
        assert_eq!(atc("A10B").unwrap(), ["A10B", "A10B", "A10", "A"]);
        for text in ["", "A1", "a10ba02", "A10BA0", "A10BAXX", "110BA02", "A10BA021", "É0BA02"] {
            assert_eq!(atc(text), None, "`{text}` was taken for an ATC code");
        }
    }
}

//! The first three digits of a ZIP code where more than 20,000 people live there, else `000`
//! (45 CFR 164.514(b)(2)(i)(B)).
//!
//! Comes in: text. Goes out: `Utf8` of three digits; an empty cell stays empty.
//! Never: a prefix outside the allow-list; what is not understood is `000`, never passed on.

mod allowed;
mod census;

use arrow::array::StringArray;
pub use census::{CENSUS_YEAR, CURRENT_THROUGH, is_stale};

/// What stands for every prefix that may not be shown.
pub const HIDDEN: &str = "000";

/// Reduces ZIP codes to prefixes that may be shown.
///
/// Understood are `NNNNN`, `NNNNN-NNNN`, nine digits, and the bare prefix `NNN`. A code of four
/// digits has lost a leading zero or something else: nobody can tell, so it is hidden.
pub fn zip3(codes: &StringArray) -> StringArray {
    codes.iter().map(|code| code.map(prefix)).collect()
}

/// Returns the prefix of one code that may be shown, or [`HIDDEN`].
pub fn prefix(code: &str) -> &str {
    let digits = match code.split_once('-') {
        Some((zip, plus)) if zip.len() == 5 && plus.len() == 4 && all_digits(plus) => zip,
        Some(_) => return HIDDEN,
        None => code,
    };
    if !matches!(digits.len(), 3 | 5 | 9) || !all_digits(digits) {
        return HIDDEN;
    }
    match digits.get(..3) {
        Some(prefix) if is_allowed(prefix) => prefix,
        Some(_) | None => HIDDEN,
    }
}

/// Whether a prefix is on the list.
pub fn is_allowed(prefix: &str) -> bool {
    prefix.len() == 3
        && all_digits(prefix)
        && prefix.parse().is_ok_and(|n: usize| ALLOWED.get(n).copied().unwrap_or(false))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

static ALLOWED: [bool; 1000] = table(allowed::PREFIXES.as_bytes());

/// Reads the list at compile time: a malformed list stops the build.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: out of bounds is a build error"
)]
const fn table(text: &[u8]) -> [bool; 1000] {
    let mut out = [false; 1000];
    let mut at = 0;
    while at + 3 <= text.len() {
        let n = digit(text[at]) * 100 + digit(text[at + 1]) * 10 + digit(text[at + 2]);
        out[n] = true;
        at += 4;
    }
    out
}

const fn digit(byte: u8) -> usize {
    assert!(byte.is_ascii_digit(), "the list of prefixes is digits and single spaces");
    (byte - b'0') as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_thinly_peopled_prefix_is_hidden_and_a_crowded_one_shown() {
        // 036 (NH), 059 (VT), 821 (Yellowstone) have at most 20,000 people in 2020; 063 and 890 had
        // in 2000 and have more now.
        for hidden in ["03601", "05901-1234", "82190", "102", "202", "000", "340", "96201", "09012"]
        {
            assert_eq!(prefix(hidden), "000", "a thinly peopled or unknown prefix shows");
        }
        for (code, shown) in [("02155", "021"), ("063011234", "063"), ("89001-0001", "890")] {
            assert_eq!(prefix(code), shown, "a prefix of the list is lost");
        }
    }

    #[test]
    fn what_is_no_zip_code_is_hidden() {
        for code in [
            "2155",
            "021551",
            "02155-12",
            "SW1A 1AA",
            "0215A",
            "021-55",
            "\u{0665}\u{0665}\u{0665}",
            "",
            "0é1",
        ] {
            assert_eq!(prefix(code), "000", "text that is no ZIP code shows through");
        }
    }

    #[test]
    fn the_list_is_what_the_census_figures_give() {
        let places = ["../shared/data", "../../shared/data", "../../../shared/data"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let Some(text) = places.iter().find_map(|place| {
            std::fs::read_to_string(root.join(place).join("zip/zcta_population_2020.csv")).ok()
        }) else {
            println!("skipped: no zip/zcta_population_2020.csv beside the project");
            return;
        };
        let mut people = std::collections::BTreeMap::<String, u64>::new();
        for (zip, count) in text.lines().filter_map(|line| line.split_once(',')) {
            *people.entry(zip[..3].to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
        let crowded: Vec<&str> =
            people.iter().filter(|(_, n)| **n > 20_000).map(|(zip, _)| zip.as_str()).collect();
        assert_eq!(allowed::PREFIXES.split(' ').collect::<Vec<_>>(), crowded);
        assert_eq!(people.len() - crowded.len(), 18, "2020 has 18 restricted prefixes");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of today asks which day it is")]
    fn the_list_is_not_older_than_the_newest_census() {
        let today = chrono::Datelike::year(&chrono::Utc::now().date_naive());
        assert!(!is_stale(today), "the {CENSUS_YEAR} figures are no longer the current ones");
        assert!(is_stale(CENSUS_YEAR + 13), "a list of two censuses ago counts as current");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_comes_in_a_listed_prefix_or_000_goes_out(code in "\\PC{0,12}|[0-9]{5}(-[0-9]{4})?") {
            let shown = prefix(&code);
            prop_assert!(shown == HIDDEN || is_allowed(shown));
        }
    }
}

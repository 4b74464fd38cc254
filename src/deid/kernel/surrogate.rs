//! Surrogates that keep an id's shape: format-preserving encryption by FF1 (NIST SP 800-38G) with
//! AES-256 under a key of the release and the domain.
//!
//! Comes in: text or `Int64`. Goes out: the same type, digits where digits stood, letters where
//! letters stood, everything else as it was. Never: an id with fewer than 10^6 surrogates of its shape
//! (the least domain of SP 800-38G revision 1; below it FF1 can be tried out), which becomes nothing, as
//! does one with characters outside ASCII or of a mixed shape with 2^128 surrogates or more.
//!
//! It protects an id as the pseudonym does, as long as the key is kept, for systems that refuse
//! anything of another shape. It costs more: the shape itself stays, so the pattern of letters and
//! digits in ids that differ in it (record locators, e-mail addresses) goes on telling people apart; whoever has the key can go back to the id, where a pseudonym only lets them try ids out; a
//! surrogate may be somebody else's real number, and check digits no longer hold. Prefer `pseudonym`.
//!
//! Where all places are of one radix, FF1 runs in that radix: 10 for digits, 26 for letters, 16 for the
//! digits of a UUID in lower case, which so stays one (its version goes with the rest). Else the
//! id is a number in mixed radix below some N, encrypted as bits until the result is below N again
//! (cycle walking, Black and Rogaway 2002: fewer than two rounds on average).

use std::fmt;

use aes::Aes256;
use arrow::array::{Int64Array, StringArray};
use fpe::ff1::{FF1, FlexibleNumeralString};

/// The least number of ids of one shape.
const DOMAIN_MIN: u128 = 1_000_000;
const RADIX_DIGITS: u16 = 10;
const RADIX_LETTERS: u16 = 26;
const RADIX_HEX: u16 = 16;

/// Where the dashes of a UUID stand, and how long it is (RFC 9562, section 4).
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];
const UUID_BYTES: usize = 36;

/// FF1 under the key of one release and domain.
pub(super) struct Surrogates {
    digits: FF1<Aes256>,
    letters: FF1<Aes256>,
    hex: FF1<Aes256>,
    bits: FF1<Aes256>,
}

impl fmt::Debug for Surrogates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surrogates(…)")
    }
}

impl Surrogates {
    /// Makes a key ready.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let ff1 = |radix: u16| {
            FF1::new(key, u32::from(radix))
                .unwrap_or_else(|_| unreachable!("FF1 takes every radix from 2 to 2^16"))
        };
        Self {
            digits: ff1(RADIX_DIGITS),
            letters: ff1(RADIX_LETTERS),
            hex: ff1(RADIX_HEX),
            bits: ff1(2),
        }
    }

    /// Replaces a column of texts.
    pub(super) fn texts(&self, ids: &StringArray) -> StringArray {
        ids.iter().map(|id| self.text(id?)).collect()
    }

    /// Replaces a column of integers; one below zero becomes nothing.
    pub(super) fn integers(&self, ids: &Int64Array) -> Int64Array {
        ids.iter().map(|id| self.integer(id?)).collect()
    }

    fn text(&self, id: &str) -> Option<String> {
        if !id.is_ascii() {
            return None;
        }
        let place = if is_uuid(id) { Place::of_hex } else { Place::of };
        let places: Vec<Place> = id.bytes().filter_map(place).collect();
        let mut made = self.encrypt(&places)?.into_iter().zip(&places);
        id.chars()
            .map(|kept| {
                let is_kept = u8::try_from(kept).ok().and_then(place).is_none();
                if is_kept { Some(kept) } else { made.next().and_then(|(n, place)| place.write(n)) }
            })
            .collect()
    }

    fn integer(&self, id: i64) -> Option<i64> {
        let text = u64::try_from(id).ok()?.to_string();
        let mut places: Vec<Place> = text.bytes().filter_map(Place::of).collect();
        // The first digit is never 0, so that the length stays.
        let first = places.first_mut()?;
        *first = Place { radix: 9, first: b'1', numeral: first.numeral.checked_sub(1)? };
        let made = self.encrypt(&places)?;
        let digits: Option<String> =
            places.iter().zip(made).map(|(place, numeral)| place.write(numeral)).collect();
        digits?.parse().ok()
    }

    fn encrypt(&self, places: &[Place]) -> Option<Vec<u16>> {
        let numerals = || places.iter().map(|place| place.numeral);
        let all = |radix| places.iter().all(|place| place.radix == radix);
        if all(RADIX_DIGITS) {
            return ff1(&self.digits, numerals().collect());
        }
        if all(RADIX_LETTERS) {
            return ff1(&self.letters, numerals().collect());
        }
        if all(RADIX_HEX) {
            return ff1(&self.hex, numerals().collect());
        }
        let domain = places
            .iter()
            .try_fold(1_u128, |domain, place| domain.checked_mul(u128::from(place.radix)))
            .filter(|domain| *domain >= DOMAIN_MIN)?;
        let mut number = places.iter().fold(0_u128, |number, place| {
            number * u128::from(place.radix) + u128::from(place.numeral)
        });
        let bits = (domain - 1).checked_ilog2()? + 1;
        loop {
            let one = (0..bits).rev().map(|bit| u16::from(number >> bit & 1 == 1)).collect();
            let made = ff1(&self.bits, one)?;
            number = made.into_iter().fold(0, |number, bit| number << 1 | u128::from(bit));
            if number < domain {
                break;
            }
        }
        let mut made: Vec<u16> = places
            .iter()
            .rev()
            .map(|place| {
                let numeral = number % u128::from(place.radix);
                number /= u128::from(place.radix);
                u16::try_from(numeral).unwrap_or_default()
            })
            .collect();
        made.reverse();
        Some(made)
    }
}

/// Encrypts numerals, where there are enough of them. The tweak is empty: the key is the domain's own.
fn ff1(cipher: &FF1<Aes256>, numerals: Vec<u16>) -> Option<Vec<u16>> {
    cipher.encrypt(&[], &FlexibleNumeralString::from(numerals)).ok().map(Into::into)
}

fn is_uuid(id: &str) -> bool {
    id.len() == UUID_BYTES
        && id.bytes().enumerate().all(|(at, byte)| {
            if UUID_DASHES.contains(&at) { byte == b'-' } else { Place::of_hex(byte).is_some() }
        })
}

/// A place of an id that is replaced: its numeral in its radix, and what numeral 0 is written as.
struct Place {
    radix: u16,
    first: u8,
    numeral: u16,
}

impl Place {
    fn of(byte: u8) -> Option<Self> {
        let (radix, first) = match byte {
            b'0'..=b'9' => (RADIX_DIGITS, b'0'),
            b'a'..=b'z' => (RADIX_LETTERS, b'a'),
            b'A'..=b'Z' => (RADIX_LETTERS, b'A'),
            _ => return None,
        };
        Some(Self { radix, first, numeral: u16::from(byte - first) })
    }

    fn of_hex(byte: u8) -> Option<Self> {
        let numeral = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(Self { radix: RADIX_HEX, first: b'0', numeral: u16::from(numeral) })
    }

    fn write(&self, numeral: u16) -> Option<char> {
        if self.radix == RADIX_HEX {
            return char::from_digit(u32::from(numeral), 16);
        }
        u8::try_from(numeral).ok().and_then(|n| self.first.checked_add(n)).map(char::from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The AES-256 key of NIST's FF1 samples 7 to 9.
    const NIST: [u8; 32] = [
        0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f,
        0x3c, 0xef, 0x43, 0x59, 0xd8, 0xd5, 0x80, 0xaa, 0x4f, 0x7f, 0x03, 0x6d, 0x6f, 0x04, 0xfc,
        0x6a, 0x94,
    ];

    #[test]
    fn digits_are_encrypted_as_in_nists_sample_7() {
        // <https://csrc.nist.gov/csrc/media/projects/cryptographic-standards-and-guidelines/documents/examples/ff1samples.pdf>
        let shown = Surrogates::new(&NIST).text("0123456789");
        assert_eq!(shown.as_deref(), Some("6657667009"));
        let shown = Surrogates::new(&NIST).text("012-345 67/89");
        assert_eq!(
            shown.as_deref(),
            Some("665-766 70/09"),
            "what stands between has no part in it"
        );
    }

    #[test]
    fn the_cipher_gives_nists_samples_8_and_9() {
        let numerals = |text: &str| -> Vec<u16> {
            text.chars().map(|c| u16::try_from(c.to_digit(36).unwrap()).unwrap()).collect()
        };
        for (radix, tweak, plain, cipher) in [
            (10, "9876543210", "0123456789", "1001623463"),
            (36, "7777pqrs777", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
        ] {
            let ff1 = FF1::<Aes256>::new(&NIST, radix).unwrap();
            let plain = FlexibleNumeralString::from(numerals(plain));
            let found: Vec<u16> = ff1.encrypt(tweak.as_bytes(), &plain).unwrap().into();
            assert_eq!(found, numerals(cipher));
        }
    }

    #[test]
    fn an_id_of_too_few_of_its_shape_becomes_nothing() {
        let surrogates = Surrogates::new(&[1; 32]);
        for id in ["12345", "AB12", "abcd", "", "--", "12345é7", "1234-A"] {
            assert_eq!(surrogates.text(id), None, "an id that can be tried out: {id}");
        }
        for id in [0, 12_345, 999_999, -1_234_567, i64::MIN] {
            assert_eq!(surrogates.integer(id), None);
        }
        assert!(surrogates.text("123456").is_some() && surrogates.integer(1_000_000).is_some());
        let uuid = "3edac2e3-d223-6fae-d515-daf96ef6bc76";
        let shown = Surrogates::new(&[1; 32]).text(uuid).unwrap();
        assert!(is_uuid(&shown) && shown != uuid, "a UUID becomes {shown}");
        let long = "a1".repeat(40);
        assert_eq!(surrogates.text(&long), None, "more than fits was encrypted");
    }

    #[test]
    fn all_numbers_of_seven_digits_in_a_range_stay_apart() {
        let ids = Int64Array::from_iter_values(1_000_000..1_002_000);
        let shown = Surrogates::new(&[3; 32]).integers(&ids);
        let distinct: BTreeSet<i64> = shown.iter().flatten().collect();
        assert_eq!(distinct.len(), 2_000, "two ids share a surrogate");
        assert!(distinct.iter().all(|id| (1_000_000..10_000_000).contains(id)), "a length changed");
    }

    #[test]
    fn surrogates_are_left_for_another_program_to_make_again() {
        let key: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 7 % 251).unwrap());
        let surrogates = Surrogates::new(&key);
        let ids = [
            "123456",
            "000-00-0001",
            "99999999999999999999",
            "AB12345",
            "Zürich 1234567",
            "lower case only",
            "3edac2e3-d223-6fae-d515-daf96ef6bc76",
            "MRN 00417-x",
            "12345",
        ];
        let shown = ids.map(|id| surrogates.text(id));
        let cases =
            serde_json::json!({"key": crate::digest::hex(&key), "ids": ids, "shown": shown});
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("surrogates.json"), cases.to_string()).unwrap();
        assert_eq!(shown.iter().flatten().count(), 7, "five digits and Zürich become nothing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_shape_stays_and_the_release_decides(id in "[A-Z]{2}[0-9]{5}(-[0-9a-z]{3})?", key in any::<[u8; 32]>()) {
            let surrogates = Surrogates::new(&key);
            let shown = surrogates.text(&id).unwrap();
            prop_assert_eq!(Some(shown.clone()), surrogates.text(&id), "two surrogates of one id");
            let class = |c: char| match c { '0'..='9' => '0', 'a'..='z' => 'a', 'A'..='Z' => 'A', other => other };
            prop_assert_eq!(
                shown.chars().map(class).collect::<String>(), id.chars().map(class).collect::<String>(),
            );
            let others = (0_u8..6).filter(|n| {
                let mut other = key;
                other[0] ^= n + 1;
                Surrogates::new(&other).text(&id).as_ref() != Some(&shown)
            });
            prop_assert!(others.count() >= 5, "the key decides nothing");
        }
    }
}

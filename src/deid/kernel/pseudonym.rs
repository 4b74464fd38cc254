//! Keyed pseudonyms: equal ids of one domain meet in every table of a release, and nowhere else.
//!
//! Comes in: ids as text or integers. Goes out: `Utf8` of 32 lower-case hex digits (128 bits).
//! Never: a pseudonym under a key of another release; without the key it cannot be recomputed.
//!
//! A pseudonym is the first 16 bytes of HMAC-SHA-256(release key, lp(domain) || lp(id)), where lp is
//! a length of 4 big-endian bytes and then the bytes. The canonical bytes of an id are its UTF-8 as
//! conformed; an integer's are its decimal digits, so that `123` meets 123.

use std::fmt;

use arrow::array::{Array as _, Int64Array, StringArray, StringBuilder};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The key of one release, made ready to hash: the key's two blocks are computed once.
#[derive(Clone)]
pub struct Pseudonyms(Hmac<Sha256>);

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(…)")
    }
}

impl Pseudonyms {
    /// Makes a release key ready.
    pub fn new(key: &[u8; 32]) -> Self {
        let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key)
            .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        Self(mac)
    }

    /// Returns the pseudonym of one id, as hex digits.
    pub fn of(&self, domain: &str, id: &[u8]) -> Digits {
        self.domain(domain).of_id(id)
    }

    /// Fixes the domain, so that its bytes are hashed once.
    pub(in crate::deid) fn domain(&self, domain: &str) -> Self {
        let mut mac = self.0.clone();
        frame(&mut mac, domain.as_bytes());
        Self(mac)
    }

    /// Hashes an id after the domain was fixed.
    pub(in crate::deid) fn of_id(&self, id: &[u8]) -> Digits {
        let mut mac = self.0.clone();
        frame(&mut mac, id);
        Digits::of_bytes(&mac.finalize().into_bytes())
    }

    /// Returns the key of the surrogates of a domain, which no pseudonym gives away: no domain has
    /// spaces.
    pub(super) fn surrogate_key(&self, domain: &str) -> [u8; 32] {
        let mut mac = self.domain("key of surrogates").0;
        frame(&mut mac, domain.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Replaces a column of texts.
    pub fn texts(&self, domain: &str, ids: &StringArray) -> StringArray {
        let domain = self.domain(domain);
        replace(ids.iter().map(|id| id.map(str::as_bytes)), |id| domain.of_id(id), ids.len())
    }

    /// Replaces a column of integers.
    pub fn integers(&self, domain: &str, ids: &Int64Array) -> StringArray {
        let domain = self.domain(domain);
        replace(ids.iter(), |id| domain.of_id(id.to_string().as_bytes()), ids.len())
    }
}

/// 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits([u8; 32]);

impl Digits {
    /// Parses 32 lower-case hex digits.
    pub(in crate::deid) fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }

    /// Writes the first 16 bytes.
    pub(in crate::deid) fn of_bytes(bytes: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'0');
        let mut out = [0; 32];
        for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
            if let [high, low] = pair {
                *high = digit(byte >> 4);
                *low = digit(byte & 15);
            }
        }
        Self(out)
    }

    /// Returns the digits as ASCII bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the digits as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Rows come in runs of the same id (the observations of one encounter): a run is hashed once.
fn replace<T: PartialEq + Copy>(
    ids: impl Iterator<Item = Option<T>>,
    pseudonym: impl Fn(T) -> Digits,
    rows: usize,
) -> StringArray {
    let mut out = StringBuilder::with_capacity(rows, rows * 32);
    let mut last: Option<(T, Digits)> = None;
    for id in ids {
        let Some(id) = id else {
            out.append_null();
            continue;
        };
        let digits = match last {
            Some((same, digits)) if same == id => digits,
            Some(_) | None => pseudonym(id),
        };
        last = Some((id, digits));
        out.append_value(digits.as_str());
    }
    out.finish()
}

fn frame(mac: &mut Hmac<Sha256>, part: &[u8]) {
    // INVARIANT: no id is 4 GiB long; a conformed cell has a limit far below.
    mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    mac.update(part);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{digest::hmac_sha256, party::Pseudonym};

    #[test]
    fn a_pseudonym_is_the_published_function_of_key_domain_and_id() {
        let key = [3; 32];
        let mac = hmac_sha256(&key, &[b"encounter", b"123"]);
        let shown = Pseudonyms::new(&key).of("encounter", b"123");
        assert_eq!(shown.as_str(), Pseudonym::from_mac(&mac).to_string());
    }

    #[test]
    fn an_id_meets_itself_as_text_and_as_number_and_nothing_in_another_domain() {
        let keyed = Pseudonyms::new(&[3; 32]);
        let texts = keyed.texts("visit", &StringArray::from(vec![Some("12"), Some("12"), None]));
        let numbers = keyed.integers("visit", &Int64Array::from(vec![Some(12), Some(13), None]));
        assert_eq!(texts.value(0), numbers.value(0));
        assert_eq!(texts.value(0), texts.value(1));
        assert_ne!(texts.value(0), numbers.value(1));
        assert!(texts.is_null(2) && numbers.is_null(2));
        assert_ne!(keyed.of("visit", b"12"), keyed.of("person", b"12"));
        assert_ne!(keyed.of("ab", b"c"), keyed.of("a", b"bc"), "the framing is ambiguous");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn two_release_keys_share_no_pseudonym(
            ids in proptest::collection::btree_set("[0-9a-z]{1,12}", 1..20),
            a in any::<[u8; 32]>(), b in any::<[u8; 32]>(),
        ) {
            prop_assume!(a != b);
            let column = StringArray::from_iter_values(&ids);
            let one: std::collections::BTreeSet<String> = Pseudonyms::new(&a)
                .texts("d", &column).iter().flatten().map(str::to_owned).collect();
            prop_assert_eq!(one.len(), ids.len(), "two ids share a pseudonym");
            let two = Pseudonyms::new(&b).texts("d", &column);
            prop_assert!(two.iter().flatten().all(|p| !one.contains(p)));
            prop_assert!(two.iter().flatten().all(|p| p.len() == 32 && !ids.contains(p)));
        }
    }
}

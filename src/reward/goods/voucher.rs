//! A voucher: one unit of an item for whoever shows its code.
//!
//! Comes in: the site's secrets, and whose how-manieth unit it is. Goes out: an id for lists and
//! commits, and a code for its owner, the same each time. Never: a code at rest in the vault.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ItemId, VoucherState};
use crate::{
    digest::{hex, hmac_sha3_parts},
    instant::Date,
    party::ContributorId,
    reward::{Period, PoolId},
};

/// A voucher's id: 24 hex digits. It redeems nothing, and tells nobody's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VoucherId(String);

/// A text is no id or no code of a voucher. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a voucher's code is 16 letters and digits, such as 7Q2M-XK4D-9RTB-H3WA")]
pub struct CodeError;

impl VoucherId {
    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VoucherId {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        let fits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 24 && text.bytes().all(fits) { Ok(Self(text)) } else { Err(CodeError) }
    }
}

impl From<VoucherId> for String {
    fn from(id: VoucherId) -> Self {
        id.0
    }
}

impl fmt::Display for VoucherId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What its owner shows: 80 bits in Crockford's base 32 (<https://www.crockford.com/base32.html>).
#[derive(Clone, PartialEq, Eq)]
pub struct VoucherCode([u8; 16]);

/// Digits and letters without I, L, O and U.
const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl VoucherCode {
    /// Parses a code as people write it: in small letters or capitals, with or without `-`, with O
    /// for 0 and I or L for 1.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let mut code = [0; 16];
        let mut letters =
            text.bytes().filter(|b| *b != b'-').map(|b| match b.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            });
        for place in &mut code {
            *place = letters.next().filter(|b| ALPHABET.contains(b)).ok_or(CodeError)?;
        }
        if letters.next().is_none() { Ok(Self(code)) } else { Err(CodeError) }
    }

    fn from_mac(mac: &[u8; 32]) -> Self {
        let mut bits =
            mac.iter().flat_map(|byte| (0..8).rev().map(move |at| byte.unbounded_shr(at) & 1));
        let mut code = [0; 16];
        for place in &mut code {
            let letter =
                bits.by_ref().take(5).fold(0_usize, |sum, bit| sum << 1 | usize::from(bit));
            *place = ALPHABET.get(letter).copied().unwrap_or(b'0');
        }
        Self(code)
    }

    /// Returns the code in four groups: the one place where it becomes text.
    pub fn text(&self) -> String {
        let groups = self.0.chunks(4).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join("-")
    }
}

impl fmt::Debug for VoucherCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VoucherCode(…)")
    }
}

/// The site's secrets that vouchers are made of.
#[derive(Clone)]
pub struct Secrets {
    /// Makes codes.
    pub codes: [u8; 32],
    /// Makes ids, and the commitments to them in the book.
    pub ids: [u8; 32],
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Returns the id of somebody's `number`th unit of an item, from 1.
    pub fn id(
        &self,
        pool: &PoolId,
        item: &ItemId,
        whose: &ContributorId,
        number: u64,
    ) -> VoucherId {
        let mac = keyed(&self.ids, b"almoner/voucher-id/v1", pool, item, whose, number);
        VoucherId(hex(mac.split_at(12).0))
    }

    /// Returns its code.
    pub fn code(
        &self,
        pool: &PoolId,
        item: &ItemId,
        whose: &ContributorId,
        number: u64,
    ) -> VoucherCode {
        let label = b"almoner/voucher-code/v1";
        VoucherCode::from_mac(&keyed(&self.codes, label, pool, item, whose, number))
    }

    /// Returns what the book holds in place of vouchers that ended; `txn` is the random id of the commit
    /// that ends them.
    pub fn commitment(
        &self,
        txn: &str,
        pool: &PoolId,
        item: &ItemId,
        vouchers: &[VoucherId],
    ) -> [u8; 32] {
        let mut parts = vec![
            b"almoner/vouchers-ended/v2".as_slice(),
            txn.as_bytes(),
            pool.as_str().as_bytes(),
            item.as_str().as_bytes(),
        ];
        parts.extend(vouchers.iter().map(|id| id.as_str().as_bytes()));
        hmac_sha3_parts(&self.ids, &parts)
    }
}

fn keyed(
    key: &[u8; 32],
    label: &[u8],
    pool: &PoolId,
    item: &ItemId,
    whose: &ContributorId,
    number: u64,
) -> [u8; 32] {
    let (pool, item) = (pool.as_str().as_bytes(), item.as_str().as_bytes());
    let number = number.to_be_bytes();
    hmac_sha3_parts(key, &[label, pool, item, whose.as_str().as_bytes(), &number])
}

/// One voucher, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// Its id.
    pub id: VoucherId,
    /// The pool.
    pub pool: PoolId,
    /// Of what.
    pub item: ItemId,
    /// Whose.
    pub contributor: ContributorId,
    /// The how-manieth unit of the item that its owner was given, from 1.
    pub number: u64,
    /// The period of the giving.
    pub period: Period,
    /// The commit of the giving.
    pub giving: u64,
    /// The last day on which it is taken.
    pub expires: Option<Date>,
    /// How it stands.
    pub state: VoucherState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it_and_tells_nothing_in_debug_output() {
        let code = VoucherCode::from_mac(&[0x5a; 32]);
        let text = code.text();
        assert_eq!(text.len(), 19, "{text}");
        assert_eq!(VoucherCode::parse(&text).unwrap(), code);
        let sloppy = text.to_lowercase().replace('-', "").replace('0', "o").replace('1', "l");
        assert_eq!(VoucherCode::parse(&sloppy).unwrap(), code, "a true code would be refused");
        for wrong in
            ["", "1234", "1234-5678-9ABC-DEF", "1234-5678-9ABC-DEFGH", "1234-5678-9ABC-DEFU"]
        {
            assert_eq!(VoucherCode::parse(wrong), Err(CodeError), "{wrong}");
        }
        assert!(!format!("{code:?}").contains(&text[..4]), "a log line would hold a code");
    }

    #[test]
    fn each_unit_of_each_person_and_item_has_its_own_id_and_code() {
        let secrets = Secrets { codes: [1; 32], ids: [2; 32] };
        let pool = PoolId::parse("p").unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for item in ["aa", "bb"] {
            for who in ["anna", "bert"] {
                for number in 1..4 {
                    let item = ItemId::parse(item).unwrap();
                    let who = ContributorId::parse(who).unwrap();
                    let id = secrets.id(&pool, &item, &who, number);
                    let code = secrets.code(&pool, &item, &who, number);
                    assert_eq!(id, secrets.id(&pool, &item, &who, number), "a second id for one");
                    assert!(seen.insert(id.to_string()) && seen.insert(code.text()), "shared");
                }
            }
        }
    }
}

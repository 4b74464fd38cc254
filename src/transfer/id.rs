//! Short runs of bytes that the files name: a transfer's id, a nonce, keys. Each its own type, its
//! text lower-case hex.
//!
//! Comes in: bytes, or hex. Goes out: a value that is not mistaken for another's.
//! Never: two texts of one value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::hex;

/// A text is not the lower-case hex of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0} bytes in lower-case hex")]
pub struct HexError(pub usize);

macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Parses lower-case hex.
            pub fn parse(text: &str) -> Result<Self, HexError> {
                parse(text).map(Self)
            }

            /// Returns the bytes.
            pub fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl TryFrom<String> for $name {
            type Error = HexError;

            fn try_from(text: String) -> Result<Self, HexError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

bytes! {
    /// One transfer: 16 random bytes, chosen by the sender; it tells nothing of the patient.
    TransferId, 16
}
bytes! {
    /// What the receiver chose at random for one challenge.
    Nonce, 32
}
bytes! {
    /// An X25519 public key that parcels are sealed for, or sealed by.
    HpkeKey, 32
}
bytes! {
    /// The encapsulated key of one parcel: `enc` of RFC 9180.
    Encapsulated, 32
}

bytes! {
    /// What a parcel's head says of its key (RFC 9180 §5.3): AES-GCM alone would open one sealed
    /// text under two keys.
    Commitment, 32
}

fn parse<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(HexError(N)),
    };
    let mut out = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(HexError(N));
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text_alone() {
        let id = TransferId([0xab; 16]);
        let text = id.to_string();
        assert_eq!(TransferId::parse(&text), Ok(id));
        for bad in [text.to_uppercase(), format!("{text}0"), text[2..].to_owned(), "+1".repeat(16)]
        {
            assert_eq!(TransferId::parse(&bad), Err(HexError(16)), "{bad} was a second text");
        }
    }
}

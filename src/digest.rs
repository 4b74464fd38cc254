//! Digests: SHA3-256 for content, SHA-256 for the ledger's tree, HMAC for what must stay private,
//! and the canonical bytes (RFC 8785, JCS) of a value.
//!
//! Never: a float in canonical bytes, or an integer beyond 2^53 - 1; two programs could write it
//! differently, and then its digest would prove nothing.

use std::{fmt, fmt::Write as _};

use hmac::{Hmac, Mac as _, SimpleHmac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256 as Sha2;
use sha3::{Digest as _, Sha3_256};

/// A text is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of 64 hex digits")]
pub struct DigestError;

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $hasher:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Hashes one run of bytes.
            pub fn of(bytes: &[u8]) -> Self {
                Self(<$hasher>::digest(bytes).into())
            }

            /// Hashes all that a reader gives, and returns how many bytes that was.
            pub fn of_reader(mut reader: impl std::io::Read) -> std::io::Result<(Self, u64)> {
                let mut hasher = <$hasher>::new();
                let mut buffer = vec![0; 1 << 18];
                let mut total = 0_u64;
                loop {
                    let n = reader.read(&mut buffer)?;
                    if n == 0 {
                        return Ok((Self(hasher.finalize().into()), total));
                    }
                    hasher.update(buffer.split_at(n).0);
                    total += n as u64;
                }
            }

            /// Parses 64 hex digits.
            pub fn parse(text: &str) -> Result<Self, DigestError> {
                let digits = text.as_bytes();
                if digits.len() != 64 {
                    return Err(DigestError);
                }
                let mut out = [0; 32];
                for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
                    let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
                }
                Ok(Self(out))
            }

            /// Returns the 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
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
            type Error = DigestError;

            fn try_from(text: String) -> Result<Self, DigestError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_string()
            }
        }
    };
}

digest! {
    /// A SHA3-256 digest (FIPS 202): every content digest is one.
    Sha3Digest, Sha3_256
}
digest! {
    /// A SHA-256 digest (FIPS 180-4): hashes of the ledger's tree, and the second digest of a file.
    Sha256, Sha2
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    })
}

/// HMAC-SHA-256 (RFC 2104) over the parts, each preceded by its length as 4 big-endian bytes, so
/// that no two lists of parts give the same input.
pub fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha2> as hmac::KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    for part in parts {
        mac.update(&length(part));
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA3-256 over the bytes as they are; [`hmac_sha3_parts`] frames a list of parts.
pub fn hmac_sha3(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = <SimpleHmac<Sha3_256> as hmac::KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA3-256 over the parts, each preceded by its length as 4 big-endian bytes.
pub fn hmac_sha3_parts(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <SimpleHmac<Sha3_256> as hmac::KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    for part in parts {
        mac.update(&length(part));
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn length(part: &[u8]) -> [u8; 4] {
    // INVARIANT: no part of a keyed hash is 4 GiB long; beyond that the length saturates, which
    // still differs from every shorter part.
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// Why a value has no canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A number that is no integer of at most 2^53 - 1.
    #[error("the number at `{0}` is no integer within 2^53")]
    Number(String),
    /// The value could not be turned into JSON.
    #[error("the value is not JSON: {0}")]
    Json(String),
}

/// Returns the canonical bytes of a value: JCS (RFC 8785) over strings, booleans, nulls, integers
/// within 2^53, arrays and objects.
pub fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let value = serde_json::to_value(value).map_err(|e| CanonicalError::Json(e.to_string()))?;
    let mut text = String::new();
    write_canonical(&value, "$", &mut text)?;
    Ok(text.into_bytes())
}

/// Returns the SHA3-256 digest of a value's canonical bytes.
pub fn canonical_digest<T: Serialize>(value: &T) -> Result<Sha3Digest, CanonicalError> {
    Ok(Sha3Digest::of(&canonical(value)?))
}

fn write_canonical(value: &Value, place: &str, out: &mut String) -> Result<(), CanonicalError> {
    const LIMIT: i64 = (1 << 53) - 1;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => match number.as_i64() {
            Some(n) if (-LIMIT..=LIMIT).contains(&n) => {
                let _ = write!(out, "{n}");
            }
            Some(_) | None => return Err(CanonicalError::Number(place.to_owned())),
        },
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(item, &format!("{place}[{at}]"), out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            // RFC 8785 §3.2.3: keys in the order of their UTF-16 code units.
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_canonical(&members[key], &format!("{place}.{key}"), out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sha3_of_nothing_is_the_published_digest() {
        // FIPS 202: SHA3-256 of the empty message.
        assert_eq!(
            Sha3Digest::of(b"").to_string(),
            "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
        );
    }

    #[test]
    fn canonical_bytes_do_not_depend_on_the_order_of_keys() {
        let value = json!({"b": [1, true, null], "a": "x\u{e9}\n", "\u{20ac}": -3});
        let bytes = canonical(&value).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"a\":\"x\u{e9}\\n\",\"b\":[1,true,null],\"\u{20ac}\":-3}"
        );
    }

    #[test]
    fn a_float_has_no_canonical_bytes() {
        let error = canonical(&json!({"rate": [0.1]})).unwrap_err();
        assert_eq!(error, CanonicalError::Number("$.rate[0]".to_owned()));
    }
}

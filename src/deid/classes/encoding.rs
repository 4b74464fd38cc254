//! The bytes of [`Classes`]: what a part's receipt carries.
//!
//! ```text
//! "ALMC\x01"  varint classes  { 16 bytes key (big-endian), varint rows, varint people,
//!                               varint first person, varint gaps to the next … }
//! ```
//!
//! Never: bytes taken whose classes or people do not ascend strictly; one value has one encoding.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Classes;

const MAGIC: &[u8] = b"ALMC\x01";

/// Bytes are not those of counted classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the bytes of counted classes: fault at byte {0}")]
pub struct ClassesError(usize);

impl Classes {
    /// Returns the bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.keys.len() * 20 + self.people.len() * 2);
        out.extend_from_slice(MAGIC);
        write(&mut out, self.keys.len() as u64);
        for class in self.iter() {
            out.extend_from_slice(&class.key.to_be_bytes());
            write(&mut out, class.rows);
            write(&mut out, class.people.len() as u64);
            let mut last = None;
            for person in class.people {
                write(&mut out, u64::from(person - last.unwrap_or(0)));
                last = Some(*person);
            }
        }
        out
    }

    /// Reads the bytes back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ClassesError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(ClassesError(0));
        }
        let mut out = Self::default();
        for _ in 0..reader.varint()? {
            let mut key = [0; 16];
            key.copy_from_slice(reader.take(16)?);
            let key = u128::from_be_bytes(key);
            if out.keys.last().is_some_and(|last| *last >= key) {
                return Err(ClassesError(reader.at));
            }
            let rows = reader.varint()?;
            let mut last: Option<u32> = None;
            for _ in 0..reader.varint()? {
                let gap = reader.varint()?;
                let person = u64::from(last.unwrap_or(0)).checked_add(gap);
                let person = person.and_then(|person| u32::try_from(person).ok());
                match person {
                    Some(person) if last.is_none_or(|last| last < person) => {
                        out.people.push(person);
                        last = Some(person);
                    }
                    Some(_) | None => return Err(ClassesError(reader.at)),
                }
            }
            out.keys.push(key);
            out.rows.push(rows);
            out.ends.push(out.people.len());
        }
        if reader.at == bytes.len() { Ok(out) } else { Err(ClassesError(reader.at)) }
    }
}

impl Serialize for Classes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(|_| D::Error::custom("not base64"))?;
        Self::from_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// LEB128.
fn write(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ClassesError> {
        let end = self.at.checked_add(count).ok_or(ClassesError(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(ClassesError(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, ClassesError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.take(1)?.first() else { break };
            let part = u64::from(byte & 0x7f);
            // The tenth byte has one bit left, and no number ends in an empty byte.
            if (shift == 63 && part > 1) || (shift > 0 && *byte == 0) {
                return Err(ClassesError(self.at));
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ClassesError(self.at))
    }
}

//! The names of keys of data: `vault/3` is the vault's third epoch, `lake/diabetes@2/1` the first key of
//! version 2 of a dataset.

use std::fmt;

/// Names one key of data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// A key of the vault.
    Vault {
        /// Its epoch, from 1.
        epoch: u64,
    },
    /// A key of the segments that a dataset version wrote.
    Version {
        /// The dataset.
        dataset: String,
        /// The version.
        version: u64,
        /// How many keys there were before and with it.
        generation: u64,
    },
}

impl KeyName {
    /// Reads a name; none where it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
            plain.then(|| text.parse().ok()).flatten()
        };
        let (room, rest) = text.split_once('/')?;
        match room {
            "vault" => Some(Self::Vault { epoch: number(rest)? }),
            "lake" => {
                let (version, generation) = rest.rsplit_once('/')?;
                let (dataset, version) = version.rsplit_once('@')?;
                let plain = !dataset.is_empty() && !dataset.contains('/');
                plain.then_some(Self::Version {
                    dataset: dataset.to_owned(),
                    version: number(version)?,
                    generation: number(generation)?,
                })
            }
            _ => None,
        }
    }

    /// Returns the name of the key after this one, for the same objects.
    pub(super) fn next(&self) -> Self {
        let mut next = self.clone();
        let (Self::Vault { epoch: number } | Self::Version { generation: number, .. }) = &mut next;
        *number = number.saturating_add(1);
        next
    }

    /// Returns the object of the keyring that holds the key.
    pub(super) fn path(&self) -> String {
        format!("{self}.json")
    }

    /// Reads a name off an object's path in the keyring.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        Self::parse(path.strip_suffix(".json")?)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault { epoch } => write!(f, "vault/{epoch}"),
            Self::Version { dataset, version, generation } => {
                write!(f, "lake/{dataset}@{version}/{generation}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_nothing_else_does() {
        for text in ["vault/1", "lake/diabetes@2/1", "lake/a-b@10/33"] {
            let name = KeyName::parse(text).unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(KeyName::of_path(&name.path()), Some(name), "the object would not be found");
        }
        for text in
            ["vault/0", "vault/01", "vault/", "lake/d@1", "lake/@1/1", "lake/a/b@1/1", "x/1"]
        {
            assert_eq!(KeyName::parse(text), None, "{text} names no key");
        }
    }
}

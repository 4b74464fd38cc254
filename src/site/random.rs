//! What is random in a site: keys of persons, salts, ids of commits.
//!
//! Comes in: the system's randomness, or a seed. Goes out: 32 bytes a draw.
//! Never: two draws that are the same, or a seed in a command; only a simulation sets one.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use zeroize::Zeroizing;

use super::{Error, keys};
use crate::{digest::hmac_sha256, signed_note::seed};

/// Where a site's randomness comes from.
#[derive(Default)]
pub(super) enum Random {
    /// The system.
    #[default]
    System,
    /// A seed, and how often it was drawn from.
    Seeded([u8; 32], AtomicU64),
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Seeded(..) => "Seeded",
        })
    }
}

impl Random {
    pub(super) fn seeded(seed: [u8; 32]) -> Self {
        Self::Seeded(seed, AtomicU64::new(0))
    }

    /// Draws; `folder` is what an error names.
    pub(super) fn draw(&self, folder: &Path) -> Result<[u8; 32], Error> {
        match self {
            Self::System => system(folder),
            Self::Seeded(seed, drawn) => {
                let nth = drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                Ok(hmac_sha256(seed, &[b"almoner/simulation/v1", &nth]))
            }
        }
    }

    /// Draws a secret for the key folder. Of a seed it is the same for the same use, however much was
    /// drawn before: an act that is cut off and begun again may have made its file already.
    pub(super) fn secret(&self, folder: &Path, label: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        let drawn = match self {
            Self::System => system(folder)?,
            Self::Seeded(seed, _) => {
                hmac_sha256(seed, &[b"almoner/simulation/secret/v1", label.as_bytes()])
            }
        };
        Ok(Zeroizing::new(drawn))
    }
}

fn system(folder: &Path) -> Result<[u8; 32], Error> {
    match seed::random() {
        Ok(bytes) => Ok(*bytes),
        Err(error) => Err(keys::fault(folder, &error.to_string())),
    }
}

//! A secret of 32 bytes in a file of its own: 64 hex digits and a line feed, mode 0600.
//!
//! Comes in: a path. Goes out: the bytes, which leave memory when they are dropped.
//! Never: a secret that others can read taken for one, one written over, or one in an error.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use zeroize::Zeroizing;

use crate::digest::{Sha256, hex};

/// Why a secret cannot be had from its file, or made there.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Read(String, #[source] io::Error),
    /// The file cannot be written.
    #[error("`{0}` cannot be written: {1}")]
    Write(String, #[source] io::Error),
    /// Others than its owner may read it.
    #[error("`{0}` is open to others; chmod 600 it")]
    Open(String),
    /// It holds something else.
    #[error("`{0}` does not hold 64 hex digits")]
    Form(String),
    /// The machine has no randomness.
    #[error("no randomness: {0}")]
    Randomness(String),
}

/// Returns 32 random bytes.
pub fn random() -> Result<Zeroizing<[u8; 32]>, SeedError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|e| SeedError::Randomness(e.to_string()))?;
    Ok(bytes)
}

/// Makes a file with a random secret; says whether it did: a file that is there stays as it is.
pub fn create(file: &Path) -> Result<bool, SeedError> {
    create_of(file, &*random()?)
}

/// As `create`, with a secret that was drawn elsewhere.
pub fn create_of(file: &Path, secret: &[u8; 32]) -> Result<bool, SeedError> {
    let text = Zeroizing::new(format!("{}\n", hex(secret)));
    create_text(file, &text)
}

/// Makes a file that its owner alone may read; says whether it did: one that is there stays as it is.
pub fn create_text(file: &Path, text: &str) -> Result<bool, SeedError> {
    // A name that no other writer has, in this process or in another: a file that is written to once
    // more after it got its second name would be another secret than the one that was read.
    let unique = random()?;
    let beside = file.with_file_name(format!(".{}-{}", name(file), hex(unique.split_at(8).0)));
    let fault = |error| SeedError::Write(name(file), error);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&beside).and_then(|mut f| {
        f.write_all(text.as_bytes())?;
        f.sync_all()
    });
    // The name appears with all that the file holds, or not at all.
    let linked = written.and_then(|()| fs::hard_link(&beside, file));
    match (linked, fs::remove_file(&beside)) {
        (Ok(()), removed) => removed.map(|()| true).map_err(fault),
        (Err(error), _) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        (Err(error), _) => Err(fault(error)),
    }
}

/// Reads a secret.
pub fn read(file: &Path) -> Result<Zeroizing<[u8; 32]>, SeedError> {
    let fault = |error| SeedError::Read(name(file), error);
    let metadata = fs::metadata(file).map_err(fault)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(SeedError::Open(name(file)));
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(fault)?);
    Sha256::parse(text.trim_end())
        .map(|digits| Zeroizing::new(digits.0))
        .map_err(|_| SeedError::Form(name(file)))
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_make_one_secret_at_once_all_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let file = folder.path().join(format!("{round}.seed"));
            let read: Vec<[u8; 32]> = std::thread::scope(|scope| {
                let makers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            create(&file).unwrap();
                            *read(&file).unwrap()
                        })
                    })
                    .collect();
                makers.into_iter().map(|maker| maker.join().unwrap()).collect()
            });
            assert!(read.windows(2).all(|two| two[0] == two[1]), "a secret was written over");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 50, "files are left over");
    }

    #[test]
    fn a_secret_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.seed");
        assert!(create(&file).unwrap());
        let made = read(&file).unwrap();
        assert!(!create(&file).unwrap(), "a second call wrote over the key");
        assert_eq!(read(&file).unwrap(), made);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&file), Err(SeedError::Open(_))), "a key open to others was taken");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "0123").unwrap();
        let error = read(&file).unwrap_err();
        assert!(matches!(error, SeedError::Form(_)));
        assert!(!error.to_string().contains("0123"), "an error shows what the file holds");
    }
}

//! What wraps keys of data: a key in a file of the key folder, or a command that speaks to a service
//! which keeps its key to itself (a KMS).
//!
//! Comes in: a key in the open. Goes out: bytes that may lie anywhere, and back.
//! Never: a key in an argument, an environment or a temporary file: it goes by stdin and stdout.

use std::{
    fmt,
    io::Write as _,
    process::{Command, Stdio},
};

use zeroize::Zeroizing;

use super::{
    Error,
    cipher::{self, Key},
};
use crate::digest::{Sha256, hex};

/// Wraps keys of data.
pub trait Wrapper: fmt::Debug + Send + Sync {
    /// Names what wraps, in the open: the same name, the same wrapping key.
    fn id(&self) -> String;

    /// Wraps bytes.
    fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, Error>;

    /// Returns the bytes that were wrapped; none where they were wrapped otherwise or have changed.
    fn unwrap(&self, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error>;
}

/// A wrapping key that lies in a file.
pub(super) struct FileKey {
    key: Key,
}

const AAD: &[u8] = b"almoner/wrapped-key/v1";

impl FileKey {
    pub(super) fn new(key: Key) -> Self {
        Self { key }
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Wrapper for FileKey {
    fn id(&self) -> String {
        let digest = Sha256::of(&[AAD, self.key.as_slice()].concat());
        format!("file:{}", hex(digest.0.split_at(8).0))
    }

    fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        cipher::seal(&self.key, AAD, plain)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        Ok(cipher::open(&self.key, AAD, wrapped).map(Zeroizing::new))
    }
}

/// A command that is called with the last argument `wrap` or `unwrap`, takes bytes on stdin and gives
/// bytes on stdout.
#[derive(Debug, Clone)]
pub(super) struct Outside {
    program: String,
    arguments: Vec<String>,
}

impl Outside {
    /// Reads a command, its program and arguments each on a line of their own.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::to_owned).filter(|line| !line.is_empty());
        Some(Self { program: lines.next()?, arguments: lines.collect() })
    }

    /// Returns the command as [`Outside::parse`] reads it.
    pub(super) fn lines(&self) -> String {
        let all = std::iter::once(&self.program).chain(&self.arguments);
        all.map(|line| format!("{line}\n")).collect()
    }

    fn run(&self, act: &'static str, input: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let fault = |reason: String| Error::Command { act, reason };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(act)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| fault(e.to_string()))?;
        if let Some(mut stdin) = child.stdin.take()
            && let Err(error) = stdin.write_all(input)
        {
            tracing::debug!(%error, "the command that wraps keys did not read all");
        }
        let output = child.wait_with_output().map_err(|e| fault(e.to_string()))?;
        let said = Zeroizing::new(output.stdout);
        Ok(output.status.success().then_some(said))
    }
}

impl Wrapper for Outside {
    fn id(&self) -> String {
        "command".to_owned()
    }

    fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let wrapped = self.run("wrap", plain)?.map(|bytes| bytes.to_vec());
        let wrapped = wrapped.filter(|bytes| !bytes.is_empty() && bytes != plain);
        let reason = "it ended with an error, or gave nothing back".to_owned();
        wrapped.ok_or(Error::Command { act: "wrap", reason })
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.run("unwrap", wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_with_its_own_wrapping_key_alone() {
        let (one, other) = (FileKey::new([1; 32].into()), FileKey::new([2; 32].into()));
        let wrapped = one.wrap(b"a key").unwrap();
        assert_eq!(one.unwrap(&wrapped).unwrap().unwrap().as_slice(), b"a key");
        assert!(other.unwrap(&wrapped).unwrap().is_none(), "another key opens it");
        let mut bent = wrapped.clone();
        bent[20] ^= 1;
        assert!(one.unwrap(&bent).unwrap().is_none(), "a changed key was taken");
        assert_ne!(one.id(), other.id());
        assert_ne!(one.wrap(b"a key").unwrap(), wrapped, "a nonce was used twice");
        assert!(!format!("{one:?}").contains("1, 1"), "the key shows in Debug");
    }

    #[test]
    fn a_command_wraps_by_stdin_and_stdout_and_its_failure_is_told() {
        let script = "/bin/sh\n-c\ncase $0 in wrap|unwrap) base64 -w0 | rev ;; esac\n";
        let outside = Outside::parse(script).unwrap();
        assert_eq!(Outside::parse(&outside.lines()).unwrap().lines(), outside.lines());
        let wrapped = outside.wrap(b"a key").unwrap();
        assert!(!wrapped.is_empty() && wrapped != b"a key");
        let failing = Outside::parse("/bin/false\n").unwrap();
        assert!(matches!(failing.wrap(b"a key"), Err(Error::Command { act: "wrap", .. })));
        assert!(failing.unwrap(b"x").unwrap().is_none());
        let echo = Outside::parse("/bin/sh\n-c\ncat\n").unwrap();
        assert!(echo.wrap(b"a key").is_err(), "a key that was not wrapped at all was taken");
        let missing = Outside::parse("/nowhere/kms\n").unwrap();
        let error = missing.wrap(b"a key").unwrap_err().to_string();
        assert!(!error.contains("a key"), "{error}");
    }
}

//! A small site for the tests that use the command alone: a folder, its keys, and what it said.
//!
//! Comes in: arguments. Goes out: exit code, stdout, stderr. Never: the caller's environment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The instant of every run, unless a test says otherwise.
pub(crate) const NOW: &str = "2026-11-22T12:00:00Z";

/// A folder with `site`, `site.keys` and whatever else a test puts there.
#[derive(Debug, Clone)]
pub(crate) struct Commons {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The site's address, where it is not the folder's `site`.
    pub(crate) elsewhere: Option<String>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) out: String,
    /// What it wrote to stderr.
    pub(crate) err: String,
}

impl Commons {
    /// Makes an empty folder below `target/tmp`, in the place of what an earlier run left there.
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Self { folder, elsewhere: None }
    }

    /// Returns the site's address.
    pub(crate) fn site(&self) -> String {
        self.elsewhere.clone().unwrap_or_else(|| self.path("site").display().to_string())
    }

    /// Returns a path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the command, on this site, at the repository's root, with no input.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_almoner"));
        command
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("RUST_BACKTRACE")
            .env("ALMONER_SITE", self.site())
            .env("ALMONER_KEYS", self.path("site.keys"))
            .env("ALMONER_NOW", NOW)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must end well.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "almoner {arguments:?} failed:\n{}\n{}", said.out, said.err);
        said
    }
}

/// Lists the files below a folder, sorted; temporary files of a killed writer are left out.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".almoner-")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

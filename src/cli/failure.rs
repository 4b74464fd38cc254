//! What a command ends with when it does not end well: a kind (the exit code), a chain of causes,
//! and a hint that says what to do next.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
};

use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::store::{Error as StoreError, Unfit};

/// The kind of a failure, and so the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1: it failed.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: a configuration or contract is invalid; trying again will not help.
    Invalid,
    /// 4: more rows were rejected or suppressed than the pipeline allows.
    Rejects,
    /// 5: somebody else committed first; trying again is safe.
    Conflict,
    /// 6: the store could not be reached; try again.
    Unavailable,
    /// 7: something that was promised unchanged has changed.
    Integrity,
    /// 8: a policy says no.
    Refused,
}

impl Kind {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Rejects => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
            Self::Integrity => 7,
            Self::Refused => 8,
        }
    }
}

/// A failure, ready to be shown.
#[derive(Debug)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// The error, with its causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do next.
    pub hint: Option<String>,
    /// Faults in files, each with its place, shown in full before the error.
    pub reports: Vec<miette::Report>,
}

impl Failure {
    /// Makes a failure of an error.
    pub fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, error: error.into(), hint: None, reports: Vec::new() }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds faults that have a place in a file.
    #[must_use]
    pub fn reports(mut self, reports: Vec<miette::Report>) -> Self {
        self.reports = reports;
        self
    }

    pub(super) fn is_broken_pipe(&self) -> bool {
        let io = self.error.downcast_ref::<io::Error>();
        io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Writes the faults, the error, its causes one by one, and the hint.
    pub(super) fn show(&self, err: &mut dyn Write, colour: bool) -> io::Result<()> {
        let theme =
            if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme);
        for report in &self.reports {
            let mut text = String::new();
            if handler.render_report(&mut text, report.as_ref()).is_ok() {
                writeln!(err, "{}", text.trim_end())?;
            }
        }
        writeln!(err, "error: {}", self.error)?;
        let mut said = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if text != said {
                writeln!(err, "  cause: {text}")?;
                said = text;
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            writeln!(err, "  hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Kind::Failed, error)
    }
}

fn store_kind(error: &crate::store::Error) -> Kind {
    use crate::store::Error as E;
    match error {
        E::Address { .. } | E::Name { .. } => Kind::Usage,
        E::NotFound { .. } => Kind::Failed,
        E::Differs { .. } | E::Sealed { .. } => Kind::Integrity,
        E::Destroyed { .. } => Kind::Refused,
        E::Unavailable { source, .. } => match source.downcast_ref() {
            Some(crate::vault::Error::Busy | crate::vault::Error::Renewed) => Kind::Conflict,
            Some(_) | None => Kind::Unavailable,
        },
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Self::new(store_kind(&error), error)
    }
}

fn vault_kind(error: &crate::vault::Error) -> (Kind, Option<&'static str>) {
    use crate::vault::Error as E;
    match error {
        E::Store(error) => (store_kind(error), None),
        E::File { .. } | E::Command { .. } => {
            (Kind::Invalid, Some("keys lie beside a folder as SITE.keys, or where --keys says"))
        }
        E::Lost { .. } => (Kind::Invalid, Some("give the key folder that belongs to this copy")),
        E::Destroyed { .. } => (Kind::Refused, Some("nobody has that key any more")),
        E::Unknown { .. } => (Kind::Usage, Some("`almoner keys list` names all keys")),
        E::Format { .. } => (Kind::Integrity, None),
        E::Renewed => (Kind::Conflict, Some("run the command again")),
        E::Busy => (Kind::Conflict, Some("run the command again when the others are done")),
        E::Seal(_) => (Kind::Failed, None),
    }
}

impl From<crate::vault::Error> for Failure {
    fn from(error: crate::vault::Error) -> Self {
        let (kind, hint) = vault_kind(&error);
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<crate::site::Error> for Failure {
    fn from(error: crate::site::Error) -> Self {
        use crate::site::{Error as E, LogError as L};
        let (kind, hint) = match &error {
            E::Log(L::KeysChanged | L::Conflict) | E::Conflict(_) => {
                (Kind::Conflict, Some("run the command again"))
            }
            E::Erasing => (Kind::Conflict, Some("`almoner erase --resume` finishes it")),
            E::Log(L::Ended(_)) => (
                Kind::Refused,
                Some(
                    "`almoner init --continues` begins the log that follows, under another origin",
                ),
            ),
            E::Log(L::Keys(_)) => {
                (Kind::Refused, Some("`almoner keys signers` shows who may sign"))
            }
            E::Log(L::NoSeed(_)) | E::Keys { .. } => {
                (Kind::Invalid, Some("keys lie beside a folder as SITE.keys, or where --keys says"))
            }
            E::Log(L::Store(StoreError::NotFound { .. }) | L::Broken(_)) | E::Format { .. } => {
                (Kind::Integrity, Some("run `almoner verify --deep`, which names what has changed"))
            }
            // A disk that is full says nothing of the book.
            E::Store(e) | E::Log(L::Store(e)) => (store_kind(e), None),
            E::Entry(_) => (Kind::Failed, None),
            E::Vault(error) => vault_kind(error),
            E::Missing(_) => (Kind::Usage, Some("`almoner init SITE` makes one")),
            E::Exists(_) => (Kind::Usage, Some("leave it, or name another place")),
            E::Unfit(Unfit::Failed(e)) => {
                (store_kind(e), Some("`almoner doctor --store` says more"))
            }
            E::Unfit(Unfit::Forgets(_) | Unfit::Overwrites | Unfit::ManyWinners { .. }) => {
                (Kind::Refused, Some("it would lose commits; keep the site in another store"))
            }
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<crate::pipeline::dataset::Error> for Failure {
    fn from(error: crate::pipeline::dataset::Error) -> Self {
        use crate::pipeline::dataset::Error as E;
        match &error {
            E::Store(e) => Self::new(store_kind(e), error),
            E::Changed { .. } | E::Format { .. } => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            E::NoDataset { known, .. } => {
                let known = known.join(", ");
                let hint = if known.is_empty() {
                    "this site has none yet; `almoner ingest` makes one".to_owned()
                } else {
                    format!("this site has {known}")
                };
                Self::new(Kind::Usage, error).hint(hint)
            }
            E::NoVersion { .. } | E::Name(_) => Self::new(Kind::Usage, error),
            E::Write { .. } | E::Order { .. } | E::Read { .. } => Self::new(Kind::Failed, error),
        }
    }
}

impl From<crate::pipeline::fund::Error> for Failure {
    fn from(error: crate::pipeline::fund::Error) -> Self {
        use crate::pipeline::fund::Error as E;
        let (kind, hint) = match error {
            E::Site(error) => return error.into(),
            E::Pool(_) | E::Cover(_) => {
                (Kind::Integrity, Some("run `almoner verify --deep`, which names what has changed"))
            }
            E::Rules { .. } | E::Amount(_) => (Kind::Usage, None),
            E::Canonical(_) => (Kind::Failed, None),
            E::Unknown(_) => {
                (Kind::Usage, Some("`almoner pool show` lists the pools of this site"))
            }
            E::IsPolicy(_) => (Kind::Refused, Some("give the pool another name")),
            E::OtherRules(_) => (Kind::Refused, Some("a pool keeps its rules; open another one")),
            E::Matches(_) => (Kind::Refused, Some("settle the pools that it gives to")),
            E::OtherPayment { .. } => {
                (Kind::Refused, Some("a reference names one payment; give each payment its own"))
            }
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<crate::pipeline::settle::Error> for Failure {
    fn from(error: crate::pipeline::settle::Error) -> Self {
        use crate::pipeline::settle::Error as E;
        let (kind, hint) = match error {
            E::Fund(error) => return error.into(),
            E::NotOver { .. } => (
                Kind::Refused,
                Some(
                    "settle it when it is over, name FROM..TO with TO before today, or look with --dry-run",
                ),
            ),
            E::Overlap { .. } => {
                (Kind::Refused, Some("name a period that begins where the settled one ends"))
            }
            E::Empty { .. } => (
                Kind::Refused,
                Some(
                    "`almoner pool fund` puts money in; it counts for the period in which it came",
                ),
            ),
            E::Settle { .. } => (Kind::Failed, None),
            E::Register(_)
            | E::Payees(_)
            | E::Related(_)
            | E::Records { .. }
            | E::Lake(_)
            | E::Integrity { .. }
            | E::Table { .. }
            | E::Format { .. }
            | E::Version { .. } => {
                (Kind::Integrity, Some("run `almoner verify --deep`, which names what has changed"))
            }
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

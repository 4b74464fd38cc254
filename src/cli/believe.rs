//! Whom a command believes that needs no site: keys on the command line, or a policy file.
//!
//! Comes in: options. Goes out: keys, and how many witnesses it takes. Never: nobody believed.

use std::path::PathBuf;

use super::{Failure, Kind};
use crate::{
    ledger::{Policy, policy::Believed},
    signed_note::Verifier,
};

/// Whom to believe.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Believe {
    /// A key to believe: the log's, and any of witnesses
    #[arg(long, value_name = "VKEY")]
    vkey: Vec<String>,
    /// A C2SP tlog-policy: logs, witnesses, and how many of them must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Believe {
    /// Reads the keys and the policy; `None` where neither was given.
    pub fn read(&self) -> Result<Option<Believed>, Failure> {
        if self.vkey.is_empty() && self.policy.is_none() {
            return Ok(None);
        }
        let keys = self.vkey.iter().map(|vkey| Verifier::parse(vkey));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|e| Failure::new(Kind::Usage, e))?;
        let policy = match &self.policy {
            None => None,
            Some(file) => {
                let name = file.display();
                let bytes = std::fs::read(file)
                    .map_err(|e| Failure::new(Kind::Usage, format!("{name}: {e}")))?;
                let policy = Policy::parse(&bytes);
                Some(policy.map_err(|e| Failure::new(Kind::Invalid, format!("{name}: {e}")))?)
            }
        };
        Ok(Some(Believed::new(keys, policy)))
    }

    /// Reads them where the command cannot do without.
    pub fn required(&self) -> Result<Believed, Failure> {
        self.read()?.ok_or_else(|| {
            Failure::new(Kind::Usage, "nobody was named to believe").hint(
                "give --vkey VKEY or --policy FILE; a log's key is `log_vkey` in its site.json: take \
                 it from someone you trust",
            )
        })
    }
}

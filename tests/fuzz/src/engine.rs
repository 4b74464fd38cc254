//! What readers of the whole engine must keep for any bytes at all: a pipeline file, and the commit of a
//! dataset version, which is the lake's manifest.
//!
//! Comes in: bytes. Goes out: nothing. Never: a fault without words, or an object read that lies outside
//! of its zone.

use std::{fs, sync::Arc};

use almoner::{
    lake::{Lake, Version},
    pipeline::spec::{self, Spec},
    store::Store,
};
use object_store::memory::InMemory;

use super::targets::Target;

/// All targets that need the whole engine.
pub const ALL: &[Target] = &[("pipeline", pipeline), ("manifest", manifest)];

/// A pipeline in TOML: read, or refused with faults that lie in the file.
pub fn pipeline(bytes: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let file = folder.path().join("pipeline.toml");
    if fs::write(&file, bytes).is_err() {
        return;
    }
    match Spec::read(&file) {
        Ok(spec) => assert!(!spec.name.is_empty(), "a pipeline without a name was read"),
        Err(spec::Error::Faults { faults, .. }) => {
            assert!(!faults.is_empty(), "a pipeline was refused without a reason");
            for fault in faults {
                let report = miette::Report::new(fault);
                assert!(!format!("{report:?}").is_empty(), "a fault has no words");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error has no words"),
    }
}

/// The commit of a version: what is read is written back as the same version, and its objects are
/// looked for in the lake and the vault alone.
pub fn manifest(bytes: &[u8]) {
    let store = Store::over(Arc::new(InMemory::new()));
    let (lake, vault) = (store.zone("lake"), store.zone("vault"));
    if lake.put("commits/000000000001.json", bytes.to_vec().into()).is_err() {
        return;
    }
    let Ok(found) = Lake::new(lake.clone()).all() else { return };
    for located in found {
        let again = serde_json::to_vec(&located.version).ok();
        let again = again.and_then(|bytes| serde_json::from_slice::<Version>(&bytes).ok());
        assert_eq!(again.as_ref(), Some(&located.version), "a version reads back as another");
        let version = &located.version;
        let segments: usize = version.tables.iter().map(|table| table.segments.len()).sum();
        let papers = 2 + usize::from(version.quality.is_some()) + version.papers.len();
        if let Ok(problems) = Lake::new(lake.clone()).verify(version, &vault) {
            assert_eq!(problems.len(), segments + papers, "an object was found that nobody wrote");
        }
    }
}

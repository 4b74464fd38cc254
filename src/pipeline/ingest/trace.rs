//! What becomes of single rows in a run that is done: does the row still stand there, does it fit,
//! and was its person's consent found. Only the files that hold the rows are read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Error, plan};
use crate::{
    consent,
    pipeline::{Progress, spec::Spec},
    site::Site,
};

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Fate {
    /// It went on to de-identification: it is released, unless its class is too small.
    Admitted,
    /// It fits, but its person's consent does not cover it.
    Refused {
        /// Why.
        reason: String,
    },
    /// It does not fit.
    Rejected {
        /// The rule that it breaks now.
        rule: String,
        /// What is wrong, without the value.
        reason: String,
    },
    /// No row begins on that line any more, or the file is gone.
    Gone,
}

/// Follows rows, given by file and line, through the rows that fit their schema; a row that does
/// not is not among the answers.
pub fn trace(
    site: &Site,
    spec: &Spec,
    folder: &Path,
    rows: &BTreeMap<String, BTreeSet<u64>>,
    progress: &dyn Progress,
) -> Result<BTreeMap<(String, u64), Fate>, Error> {
    let spec = &spec.over(folder)?;
    let plan = plan::plan(site, spec, folder, progress)?;
    let mut fates = BTreeMap::new();
    for task in &plan.tasks {
        let Some(input) = plan.inputs.get(task.input) else { continue };
        let Some(lines) = rows.get(&input.name) else { continue };
        let Some((source, _)) = plan.reading().of(spec, task) else { continue };
        plan.reading().conformed(spec, task, &mut |batch| {
            for &line in batch.lines().iter().filter(|line| lines.contains(line)) {
                let row = batch.only(&BTreeSet::from([line]))?;
                let (institution, namespace) = (&source.institution, &spec.namespace);
                let admitted = consent::admit(&plan.admission, institution, namespace, row);
                let refusal = admitted.refusals.into_keys().next();
                let fate = refusal.map_or(Fate::Admitted, |refusal| Fate::Refused {
                    reason: refusal.as_str().to_owned(),
                });
                fates.insert((input.name.clone(), line), fate);
            }
            Ok(())
        })?;
    }
    Ok(fates)
}

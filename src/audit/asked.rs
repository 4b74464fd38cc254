//! Answered questions: whose rows each drew on, against its sums and the people of its version.

use std::collections::BTreeSet;

use super::{
    Audit, Check, Evidence,
    commits::Commits,
    released::Versions,
    table::{ascends, ints, is_pseudonym, parquet, texts},
};
use crate::{purpose::covers, store};

pub(super) fn usage(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    versions: &Versions,
) -> Result<(), store::Error> {
    for commit in &commits.usage {
        let record = &commit.body;
        let purposes = commits
            .lake
            .iter()
            .find(|c| c.body.dataset == record.dataset && c.body.version == record.version);
        let told = purposes.is_some() || !commits.complete;
        audit.check(Check::Usage, &commit.path, told, "it asked a version that the lake has not");
        if let Some(version) = purposes {
            let mut granted = version.body.purposes.iter();
            let good = granted.any(|granted| covers(granted, &record.purpose));
            let fault = "it was asked for a purpose that the version's people did not consent to";
            audit.check(Check::Usage, &commit.path, good, fault);
            let after = version.body.time <= record.time;
            audit.check(Check::Usage, &commit.path, after, "it was answered before its version");
        }
        let (path, digest) = (&record.lines_path, &record.lines);
        let Some(batches) = parquet(audit, &evidence.vault, "vault", path, digest)? else {
            continue;
        };
        let name = format!("vault/{path}");
        let mut lines = Vec::new();
        let mut good = true;
        for batch in &batches {
            let (Some(names), Some(rows)) = (texts(batch, "pseudonym"), ints(batch, "rows")) else {
                good = false;
                break;
            };
            for (name, rows) in names.iter().zip(rows) {
                let rows = rows.and_then(|rows| u64::try_from(rows).ok()).filter(|n| *n > 0);
                match (name.filter(|name| is_pseudonym(name)), rows) {
                    (Some(name), Some(rows)) => lines.push((name.to_owned(), rows)),
                    _ => good = false,
                }
            }
        }
        audit.check(Check::Usage, &name, good, "it holds what are no lines of usage");
        let names: Vec<&String> = lines.iter().map(|(name, _)| name).collect();
        audit.check(Check::Usage, &name, ascends(&names), "it is out of order, or names one twice");
        let people = u64::try_from(lines.len()).ok() == Some(record.people);
        audit.check(Check::Usage, &commit.path, people, "its people are not those of its lines");
        let rows = lines.iter().try_fold(0_u64, |sum, (_, rows)| sum.checked_add(*rows));
        let same = rows == Some(record.rows);
        audit.check(Check::Usage, &commit.path, same, "its rows are not those of its lines");
        if let Some(version) = versions.get(&(record.dataset.clone(), record.version)) {
            let own: BTreeSet<&str> = version.roster.iter().map(|l| l.pseudonym.as_str()).collect();
            let strangers = lines.iter().filter(|(name, _)| !own.contains(name.as_str())).count();
            let fault = format!("{strangers} of its people are not in the version asked");
            audit.check(Check::Usage, &name, strangers == 0, &fault);
        }
    }
    Ok(())
}

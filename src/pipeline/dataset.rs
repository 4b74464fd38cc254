//! What there is in the lake: versions listed, shown, compared, checked.

use serde::Serialize;

pub use crate::lake::{Difference, Error, Problem, Version};
use crate::{
    lake::{Lake, Located},
    site::Site,
};

/// One line of the list.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The dataset.
    pub dataset: String,
    /// Its newest version.
    pub version: u64,
    /// When that was made.
    pub time: crate::instant::Instant,
    /// Its purposes.
    pub purposes: Vec<crate::purpose::Purpose>,
    /// The people in it.
    pub people: u64,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Lists the newest version of each dataset.
pub fn list(site: &Site) -> Result<Vec<Line>, Error> {
    let newest = Lake::new(site.lake()).newest()?;
    Ok(newest.into_values().map(|located| line(&located.version)).collect())
}

fn line(version: &Version) -> Line {
    Line {
        dataset: version.dataset.clone(),
        version: version.version,
        time: version.time,
        purposes: version.purposes.clone(),
        people: version.counts.people,
        rows: version.counts.released,
        bytes: version.tables.iter().flat_map(|t| &t.segments).map(|s| s.bytes).sum(),
    }
}

/// Finds one version by `dataset` or `dataset@version`.
pub fn show(site: &Site, name: &str) -> Result<Version, Error> {
    Ok(Lake::new(site.lake()).find(name)?.version)
}

/// Says whether the key of a version was destroyed, so that nobody reads its rows any more.
pub fn is_destroyed(site: &Site, version: &Version) -> Result<bool, crate::site::Error> {
    Ok(site.keyring().is_destroyed(&version.dataset, version.version)?)
}

/// Compares two versions.
pub fn diff(site: &Site, before: &str, after: &str) -> Result<Vec<Difference>, Error> {
    let lake = Lake::new(site.lake());
    Ok(Lake::difference(&lake.find(before)?.version, &lake.find(after)?.version))
}

/// Hashes every object of one version, or of all where no name is given.
pub fn verify(site: &Site, name: Option<&str>) -> Result<(u64, Vec<Problem>), Error> {
    let lake = Lake::new(site.lake());
    let versions: Vec<Located> = match name {
        Some(name) => vec![lake.find(name)?],
        None => lake.all()?,
    };
    let mut problems = Vec::new();
    let mut objects = 0;
    for located in &versions {
        let tables = &located.version.tables;
        objects += tables.iter().map(|t| t.segments.len() as u64).sum::<u64>();
        let papers = located.version.quality.iter().chain(&located.version.papers);
        objects += 2 + papers.count() as u64;
        problems.extend(lake.verify(&located.version, &site.vault())?);
    }
    problems.sort_by(|a, b| a.object.cmp(&b.object));
    problems.dedup();
    Ok((objects, problems))
}

//! An expert looks at what was released, and signs that the risk is very small.

use super::story::{Story, bug};
use crate::{
    cli::Failure,
    pipeline::{
        ingest::Ingested,
        risk::{self, Population, Told},
    },
    report::{Lang, RiskFigures, risk_page},
    site::Site,
};

/// Who signs; 45 CFR 164.514(b)(1) asks for a person with the knowledge and experience.
const EXPERT: &str = "Dr. Ada Okafor, statistician";

impl Story {
    /// Measures the risk of what was released, has it signed, and lays page and signed report beside the site.
    pub(super) fn determine(&self, site: &Site, released: &Ingested) -> Result<String, Failure> {
        let version = &released.version;
        let name = format!("{}@{}", version.dataset, version.version);
        let key = self.around().join("expert.key");
        if !key.is_file() {
            risk::new_key(&key)?;
        }
        let population: Population = "us".parse().map_err(bug)?;
        let report = risk::of_version(site, &name, &Told { population, code: None })?;
        let determined = risk::sign(site, &report, EXPERT, &key)?;
        let signed = risk::signed(site, &version.dataset, version.version)?;
        let page = risk_page(&report, &signed, site.now(), Lang::En, "determination.json");
        std::fs::write(self.around().join("risk.html"), page)?;
        std::fs::write(self.around().join("determination.json"), &determined.file)?;
        let figures = || report.tables.iter().filter_map(|table| table.figures.as_ref());
        // Rounded up: what is said to be the most must not be less than it is.
        let most = |read: fn(&RiskFigures) -> f64, places: f64| {
            (figures().map(read).fold(0.0, f64::max) * 100.0 * places).ceil() / places
        };
        Ok(format!(
            "{name}: nobody is found with more than {:.1} %, on average {:.2} %, {:.1} % are alone in a \
             class; signed by {EXPERT}",
            most(|figures| figures.prosecutor.highest, 10.0),
            most(|figures| figures.prosecutor.success, 100.0),
            most(|figures| figures.sample_unique, 10.0),
        ))
    }
}

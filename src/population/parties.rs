//! Sponsors, who fund pools, and researchers, who ask: small lists for demos and tests.

use std::io::Write;

use serde::Serialize;

use super::{Error, dice::Dice, records::put};

/// A sponsor and what it pays in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sponsor {
    /// Its id.
    pub sponsor: String,
    /// The pool it funds.
    pub pool: &'static str,
    /// The amount, with its decimals.
    pub amount: String,
    /// The currency.
    pub currency: &'static str,
    /// The payment's reference: the same one is the same payment.
    pub reference: String,
}

/// A researcher and what their pass says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Researcher {
    /// Their id.
    pub researcher: String,
    /// Where they work.
    pub institution: &'static str,
    /// The dataset they may ask.
    pub dataset: &'static str,
    /// The DUO code of what they may ask it for.
    pub purpose: &'static str,
    /// The day on which the pass ends.
    pub expires: &'static str,
}

/// Returns `count` sponsors; the first pays EUR 100,000.00, as the story tells.
pub fn sponsors(seed: u64, count: u32) -> Vec<Sponsor> {
    const NAMES: [&str; 5] =
        ["meridian-health", "lumen-foundation", "harbor-insurance", "novara-pharma", "city-fund"];
    (0..count)
        .map(|at| {
            let mut dice = Dice::new(seed, "sponsor", u64::from(at));
            let euros = if at == 0 { 100_000 } else { 5_000 * (1 + dice.below(20)) };
            Sponsor {
                sponsor: named(&NAMES, at),
                pool: "diabetes-2026",
                amount: format!("{euros}.00"),
                currency: "EUR",
                reference: format!("wire-{:08}", dice.digits(8)),
            }
        })
        .collect()
}

/// Returns `count` researchers; the second one's pass has expired, the third's purpose is ancestry.
pub fn researchers(seed: u64, count: u32) -> Vec<Researcher> {
    const NAMES: [&str; 6] =
        ["r-okonkwo", "r-lindgren", "r-delacroix", "r-watanabe", "r-moreno", "r-banerjee"];
    (0..count)
        .map(|at| {
            let mut dice = Dice::new(seed, "researcher", u64::from(at));
            Researcher {
                researcher: named(&NAMES, at),
                institution: dice.pick(&["bay-university", "delta-institute", "st-anselm"]),
                dataset: "diabetes",
                purpose: if at == 2 { "DUO:0000011" } else { "DUO:0000006" },
                expires: if at == 1 { "2026-06-30" } else { "2027-12-31" },
            }
        })
        .collect()
}

/// Writes sponsors as CSV; returns how many.
pub fn write_sponsors(seed: u64, count: u32, out: &mut dyn Write) -> Result<u64, Error> {
    let mut lines = Vec::new();
    put(&mut lines, &["sponsor", "pool", "amount", "currency", "reference"].map(str::to_owned));
    for sponsor in sponsors(seed, count) {
        let Sponsor { sponsor, pool, amount, currency, reference } = sponsor;
        put(&mut lines, &[sponsor, pool.to_owned(), amount, currency.to_owned(), reference]);
    }
    out.write_all(&lines)?;
    Ok(u64::from(count))
}

/// Writes researchers as CSV; returns how many.
pub fn write_researchers(seed: u64, count: u32, out: &mut dyn Write) -> Result<u64, Error> {
    let mut lines = Vec::new();
    let header = ["researcher", "institution", "dataset", "purpose", "expires"];
    put(&mut lines, &header.map(str::to_owned));
    for researcher in researchers(seed, count) {
        let Researcher { researcher, institution, dataset, purpose, expires } = researcher;
        let cells = [institution, dataset, purpose, expires].map(str::to_owned);
        let cells: Vec<String> = std::iter::once(researcher).chain(cells).collect();
        put(&mut lines, &cells);
    }
    out.write_all(&lines)?;
    Ok(u64::from(count))
}

fn named(names: &[&str], at: u32) -> String {
    usize::try_from(at)
        .ok()
        .and_then(|at| names.get(at))
        .map_or_else(|| format!("{}-{at}", names.first().unwrap_or(&"")), |name| (*name).to_owned())
}

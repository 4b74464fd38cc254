//! The life of a book: writers of several sequences, each commit with its entry, on a store that fails.
//! It is the protocol that every act of a site keeps, without what the acts are about.

use almoner::{
    instant::Instant,
    ledger::Kind,
    site::Site,
    store::{Sequence, Store},
};
use serde_json::{Map, Value, json};

use super::life::{Act, Life, Run, told};

/// A commit that is made once, however often it is begun, and whose entry tells its number.
fn commit(zone: &'static str, prefix: &'static str, label: String) -> Run {
    Box::new(move |site: &mut Site| {
        let store: Store = if zone == "lake" { site.lake() } else { site.vault() };
        let sequence = Sequence::new(&store, prefix);
        let all = sequence.all().map_err(told)?;
        for (number, body) in &all {
            let body: Value = serde_json::from_slice(body).map_err(told)?;
            if body["act"] == label.as_str() {
                return Ok(());
            }
            assert_eq!(body["number"], json!(number), "a commit lies under another number");
        }
        let number = all.last().map_or(0, |(number, _)| *number) + 1;
        let mut body = Map::new();
        body.insert("count".to_owned(), "<10".into());
        body.insert("root".to_owned(), "00".repeat(32).into());
        body.insert("commit".to_owned(), number.into());
        body.insert("purposes".to_owned(), json!(["DUO:0000006"]));
        let entry = site.entry(Kind::ConsentBatch, &[], &[], &body).map_err(told)?;
        let txn = site.txn().map_err(told)?;
        let commit = json!({"txn": txn, "act": label, "number": number, "entry": entry.text()});
        site.commit(&sequence, number, &commit, &entry).map_err(told)
    })
}

/// A day of 2026, or of ten years before or after: what the clock says is no order.
fn day(nth: usize) -> Instant {
    const TEN_YEARS: i64 = 315_576_000;
    let by = [0, TEN_YEARS, 0, -TEN_YEARS][nth % 4];
    let nth = i64::try_from(nth).unwrap();
    Instant::from_unix(1_790_000_000 + by + nth).unwrap()
}

/// Four phases of two to four writers, on sequences they share and on others.
pub(crate) fn life(folder: &std::path::Path) -> Life {
    let sequences = [("vault", "pools/commits"), ("vault", "usage/commits"), ("lake", "commits")];
    let mut phases = Vec::new();
    let mut nth = 1;
    for writers in [3, 4, 2, 4] {
        let mut acts = Vec::new();
        for writer in 0..writers {
            // Two of a phase meet in one sequence; the others have their own.
            let (zone, prefix) = sequences[(writer / 2 + nth) % sequences.len()];
            let name = ["first", "second", "third", "fourth"][writer];
            let label = format!("{name} {nth}");
            acts.push(Act { name, now: day(nth), books: true, run: commit(zone, prefix, label) });
            nth += 1;
        }
        phases.push(acts);
    }
    Life::new(folder, day(0), phases, Box::new(|_| Ok(())))
}

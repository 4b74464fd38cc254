//! The whole lattice, node by node: what the search must find, found without any of its means.
//!
//! Comes in: a table small enough to wait for. Goes out: the optimum. Never: a node left out.

use super::{Conditions, Measure, Optimum, Proof, Request, Table, node::Node};

/// Returns the best node, or none where no node can be made good within the limit.
pub(super) fn exhaust(table: &Table, request: &Request) -> Option<Optimum> {
    let conditions = Conditions::new(table, &request.models);
    let measure = Measure::new(table, request.metric);
    let most = request.suppressed_most(table.released_rows());
    let heights: Vec<usize> = table.quasi.iter().map(|quasi| quasi.hierarchy.height()).collect();
    let lattice: u64 = heights.iter().map(|height| *height as u64).product();
    let mut best: Option<Optimum> = None;
    let mut levels = vec![0; heights.len()];
    for _ in 0..lattice {
        let judged = Node::count(table, &levels).judge(&conditions, &measure, &levels);
        let beats = best.as_ref().is_none_or(|best| {
            measure.order((&levels, judged.score), (&best.levels, best.score)).is_lt()
        });
        if !judged.forbidden && judged.suppressed <= most && beats {
            best = Some(Optimum {
                levels: levels.clone(),
                score: judged.score,
                suppressed: judged.suppressed,
                classes: judged.classes,
                smallest: judged.smallest,
                lattice,
                checked: lattice,
                proof: Proof::Exact,
            });
        }
        for (level, height) in levels.iter_mut().zip(&heights) {
            *level += 1;
            if *level < *height {
                break;
            }
            *level = 0;
        }
    }
    best
}

//! The same person at several institutions: keyed tokens of demographics, weighted agreement, and
//! the person index in the vault.
//!
//! Comes in: conformed rows of a table of demographics. Goes out: a [`PersonIndex`], pairs for the
//! steward to look at. Never: a token or a value outside the vault, or two people made one on weak
//! evidence; what is in doubt is left to the steward.

mod batch;
mod block;
mod cluster;
mod error;
mod evaluate;
mod forms;
mod index;
#[cfg(test)]
mod laws;
mod normalise;
mod run;
#[cfg(test)]
mod sample;
mod score;
mod stored;
mod tokens;
mod weights;

pub use self::{
    batch::{
        Act, Assignment, Batch, COMMITS, Commit, Object, commit_key, commitment, commits, prepare,
        row_key,
    },
    block::BLOCK_MAX,
    cluster::{Candidates, Clusters, Pair, Rules, candidates, compared, steps},
    error::Error,
    evaluate::{Quality, Truth, curve, quality},
    forms::Form,
    index::{Members, PersonIndex},
    normalise::plain,
    run::{Counts, Linked, link, name},
    score::{Comparison, Floor, Within},
    stored::{Doubt, review, tokens},
    tokens::{Fields, Table},
    weights::{Field, Level, MATCH_DEFAULT, REVIEW_DEFAULT, Weights},
};

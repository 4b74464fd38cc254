//! SHA-256 of many leaves or nodes side by side, near the speed of its compression function.
//!
//! Comes in: leaves, or pairs of hashes. Goes out: their hashes. The blocks of one message wait for
//! each other and those of two do not, so a processor works at several messages at once where it is
//! given them by turns. Never: a padding other than that of FIPS 180-4 §5.1.1.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::slice;

use sha2::block_api::compress256;

use super::{Hash, count};
use crate::digest::Sha256;

/// Messages that take turns: more than a processor can work at, in few bytes of memory.
pub(super) const LANES: usize = 16;

/// The state before the first block: FIPS 180-4 §5.3.3.
const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

type State = [u32; 8];
type Block = [u8; 64];

/// The hashes of at most [`LANES`] leaves, each `SHA-256(0x00 || data)`, in as many first places.
pub(super) fn leaves<L: AsRef<[u8]>>(data: &[L]) -> [Hash; LANES] {
    let mut all = [Leaf::EMPTY; LANES];
    let (lanes, _) = all.split_at_mut(data.len().min(LANES));
    for (lane, data) in lanes.iter_mut().zip(data) {
        lane.fill(data.as_ref());
    }
    let body_blocks = lanes.iter().map(|lane| lane.body.len()).max().unwrap_or_default();
    turn(lanes, |lane| lane.head.as_ref());
    for at in 0..body_blocks {
        turn(lanes, |lane| lane.body.get(at));
    }
    turn(lanes, |lane| Some(&lane.tail));
    turn(lanes, |lane| lane.length.as_ref());
    all.map(|lane| digest(&lane.state))
}

/// Compresses one block of each leaf that has one.
fn turn<'a>(lanes: &mut [Leaf<'a>], block: impl for<'b> Fn(&'b Leaf<'a>) -> Option<&'b Block>) {
    for lane in lanes {
        let mut state = lane.state;
        if let Some(block) = block(lane) {
            compress256(&mut state, slice::from_ref(block));
            lane.state = state;
        }
    }
}

/// A leaf as blocks. Those of a long one are its own bytes, where they lie.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    state: State,
    /// The prefix and the leaf's first bytes, where it has enough to fill a block.
    head: Option<Block>,
    body: &'a [Block],
    /// What is left, a set bit, and the length if there is room for it.
    tail: Block,
    /// The length where the tail had no room.
    length: Option<Block>,
}

impl<'a> Leaf<'a> {
    const EMPTY: Self = Self { state: START, head: None, body: &[], tail: [0; 64], length: None };

    fn fill(&mut self, data: &'a [u8]) {
        let mut message_end = 1_usize;
        let mut rest = data;
        if let Some((first, more)) = data.split_first_chunk::<63>() {
            let mut head = [0; 64];
            head.split_at_mut(1).1.copy_from_slice(first);
            self.head = Some(head);
            (self.body, rest) = more.as_chunks();
            message_end = 0;
        }
        // A leaf without a head begins with its prefix, a zero, in the tail.
        let (_, free) = self.tail.split_at_mut(message_end);
        let (end, free) = free.split_at_mut(rest.len().min(free.len()));
        end.copy_from_slice(rest);
        if let Some(bit) = free.first_mut() {
            *bit = 0x80;
        }
        let bits = count(data.len()).saturating_add(1).saturating_mul(8).to_be_bytes();
        if free.len() > bits.len() {
            put_length(&mut self.tail, bits);
        } else {
            put_length(self.length.insert([0; 64]), bits);
        }
    }
}

fn put_length(block: &mut Block, bits: [u8; 8]) {
    if let Some(end) = block.last_chunk_mut::<8>() {
        *end = bits;
    }
}

/// The hashes of at most [`LANES`] nodes, each `SHA-256(0x01 || left || right)`, in as many first
/// places.
pub(super) fn nodes(pairs: &[[Hash; 2]]) -> [Hash; LANES] {
    let mut heads = [[1; 64]; LANES];
    let mut tails = [NODE_TAIL; LANES];
    for ((head, tail), [left, right]) in heads.iter_mut().zip(&mut tails).zip(pairs) {
        let (start, end) = head.split_at_mut(33);
        start.split_at_mut(1).1.copy_from_slice(&left.0);
        let (most, last) = right.0.split_at(31);
        end.copy_from_slice(most);
        tail.split_at_mut(1).0.copy_from_slice(last);
    }
    let mut all = [START; LANES];
    let (states, _) = all.split_at_mut(pairs.len().min(LANES));
    for (state, head) in states.iter_mut().zip(&heads) {
        compress256(state, slice::from_ref(head));
    }
    for (state, tail) in states.iter_mut().zip(&tails) {
        compress256(state, slice::from_ref(tail));
    }
    all.map(|state| digest(&state))
}

/// The second block of a node's 65 bytes: its last byte comes first.
const NODE_TAIL: Block = {
    let mut block = [0; 64];
    block[1] = 0x80;
    block[62] = 0x02;
    block[63] = 0x08;
    block
};

fn digest(state: &State) -> Hash {
    let mut bytes = [0; 32];
    for (four, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    Sha256(bytes)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{leaf_hash, node_hash},
        *,
    };

    #[test]
    fn leaves_of_every_length_have_the_hash_that_one_alone_has() {
        let bytes: Vec<u8> = (0..400_u16).map(|at| at.to_le_bytes()[0]).collect();
        // Neighbours of other lengths take other turns.
        for length in 0..=bytes.len() {
            let data: Vec<&[u8]> =
                (0..LANES).map(|at| &bytes[..(length + at * 37) % (bytes.len() + 1)]).collect();
            for used in [1, 2, LANES] {
                let hashes = leaves(&data[..used]);
                for (data, hash) in data[..used].iter().zip(hashes) {
                    assert_eq!(hash, leaf_hash(data), "{} bytes among {used}", data.len());
                }
            }
        }
    }

    #[test]
    fn nodes_side_by_side_have_the_hash_that_one_alone_has() {
        let pairs: Vec<[Hash; 2]> = (0..LANES)
            .map(|at| [leaf_hash(&at.to_le_bytes()), leaf_hash(&[7, at.to_le_bytes()[0]])])
            .collect();
        for used in 0..=LANES {
            let hashes = nodes(&pairs[..used]);
            for ([left, right], hash) in pairs[..used].iter().zip(hashes) {
                assert_eq!(hash, node_hash(left, right), "one of {used}");
            }
        }
    }
}

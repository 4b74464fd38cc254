//! One parsed resource: a flat tape of nodes, and the text that its numbers were read from.
//!
//! Comes in: simd-json's tape. Goes out: members, items, and numbers as they were written. Never:
//! a node beyond its parent.

use simd_json::{Node, StaticNode};

/// A resource, or a part of one, on its tape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tape<'t> {
    pub(super) nodes: &'t [Node<'t>],
    /// The text before it was parsed in place, and where that lay in memory.
    pub(super) text: &'t [u8],
    pub(super) address: usize,
    /// Where its tokens begin in the text.
    pub(super) tokens: &'t [u32],
}

/// The nodes of an object's members, or of an array's items.
#[derive(Debug, Clone)]
pub(super) struct Inside<'t> {
    nodes: &'t [Node<'t>],
    at: usize,
    left: usize,
}

impl<'t> Tape<'t> {
    #[inline]
    pub(super) fn node(self, at: usize) -> Option<Node<'t>> {
        self.nodes.get(at).copied()
    }

    pub(super) fn str(self, at: usize) -> Option<&'t str> {
        match self.node(at) {
            Some(Node::String(text)) => Some(text),
            Some(Node::Object { .. } | Node::Array { .. } | Node::Static(_)) | None => None,
        }
    }

    /// Returns the members of an object: nothing where it is none.
    #[inline]
    pub(super) fn members(self, at: usize) -> Inside<'t> {
        let left = match self.node(at) {
            Some(Node::Object { len, .. }) => len,
            Some(Node::String(_) | Node::Array { .. } | Node::Static(_)) | None => 0,
        };
        Inside { nodes: self.nodes, at: at + 1, left }
    }

    /// Returns where the member of a name stands.
    #[inline]
    pub(super) fn member(self, at: usize, name: &str) -> Option<usize> {
        let mut members = self.members(at);
        while let Some((key, value)) = members.member() {
            if key.len() == name.len()
                && key.as_bytes().first() == name.as_bytes().first()
                && key == name
            {
                return Some(value);
            }
        }
        None
    }

    /// Calls `each` with the node, or with each item where it is an array; nulls are left out.
    #[inline]
    pub(super) fn each(self, at: usize, mut each: impl FnMut(usize)) {
        match self.node(at) {
            Some(Node::Array { len, .. }) => {
                let mut items = Inside { nodes: self.nodes, at: at + 1, left: len };
                while let Some(item) = items.item() {
                    if !matches!(self.node(item), Some(Node::Static(StaticNode::Null))) {
                        each(item);
                    }
                }
            }
            Some(Node::Static(StaticNode::Null)) | None => {}
            Some(Node::String(_) | Node::Object { .. } | Node::Static(_)) => each(at),
        }
    }

    /// Returns a number as it was written.
    pub(super) fn number(self, at: usize) -> Option<&'t str> {
        // The nearest string before it lies in the text still: its address says where. From there
        // each token that is no closing or joining mark is one node.
        let back = (0..at).rev().find_map(|before| self.str(before).map(|text| (before, text)));
        let (before, text) = back?;
        let opening = (text.as_ptr() as usize).checked_sub(self.address + 1)?;
        let from = self.tokens.binary_search(&u32::try_from(opening).ok()?).ok()?;
        let start = self
            .tokens
            .get(from + 1..)?
            .iter()
            .filter_map(|token| usize::try_from(*token).ok())
            .filter(|token| {
                !matches!(self.text.get(*token), None | Some(b':' | b',' | b'}' | b']'))
            })
            .nth(at - before - 1)?;
        let rest = self.text.get(start..)?;
        let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end)?).ok().filter(|text| !text.is_empty())
    }
}

impl<'t> Inside<'t> {
    /// Returns the next member's name, and where its value stands.
    #[inline]
    pub(super) fn member(&mut self) -> Option<(&'t str, usize)> {
        if self.left == 0 {
            return None;
        }
        let Some(Node::String(name)) = self.nodes.get(self.at) else { return None };
        self.at += 1;
        Some((name, self.item()?))
    }

    /// Returns where the next item stands.
    #[inline]
    pub(super) fn item(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        let at = self.at;
        self.left -= 1;
        self.at += match self.nodes.get(at)? {
            Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
            Node::String(_) | Node::Static(_) => 1,
        };
        Some(at)
    }
}

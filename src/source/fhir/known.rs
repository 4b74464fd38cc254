//! The members of a resource that a view's paths begin with, found in one pass over it.
//!
//! Comes in: a plan, whose paths are rewritten to slots; then resources. Goes out: where each slot's
//! member stands. Never: one of two members of the same name, as if it were the only one.

use super::{
    error::Wrong,
    kind::Type,
    plan::{Base, Each, Expr, Part, Select, Step, TypeName},
    tape::Tape,
};

/// Lists of keys are found by a hash of this many values.
const BUCKETS: usize = 64;

/// What a slot stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Member(String),
    Choice { name: String, member: String, of: TypeName },
}

/// Where a slot's member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    At(usize, Type),
    /// A choice under its bare name: what is there may be of the type.
    Bare(usize),
}

#[derive(Debug)]
struct Key {
    name: String,
    slot: usize,
    /// What is found under it; `None` for a choice's bare name.
    is: Option<Type>,
}

/// The slots of a view.
#[derive(Debug, Default)]
pub(super) struct Known {
    slots: Vec<Wanted>,
    buckets: Vec<Vec<Key>>,
}

/// The slot of `resourceType`.
pub(super) const TYPE: usize = 0;
/// The slot of `id`.
pub(super) const ID: usize = 1;

impl Known {
    /// Rewrites the paths that begin at the resource.
    pub(super) fn index(parts: &mut [Part], filters: &mut [Expr]) -> Self {
        let mut known = Self::default();
        known.slot(Wanted::Member("resourceType".to_owned()));
        known.slot(Wanted::Member("id".to_owned()));
        for filter in filters {
            known.expr(filter, true);
        }
        known.parts(parts, true);
        known.buckets.resize_with(BUCKETS, Vec::new);
        for (slot, wanted) in known.slots.iter().enumerate() {
            let mut add = |name: &str, is| {
                if let Some(bucket) = known.buckets.get_mut(bucket(name)) {
                    bucket.push(Key { name: name.to_owned(), slot, is });
                }
            };
            match wanted {
                Wanted::Member(name) => add(name, Some(Type::Unknown)),
                Wanted::Choice { name, member, of } => {
                    add(member, Some(of.is));
                    add(name, None);
                }
            }
        }
        known
    }

    pub(super) fn wanted(&self, slot: usize) -> Option<&Wanted> {
        self.slots.get(slot)
    }

    /// Finds every slot's member.
    pub(super) fn find(
        &self,
        tape: Tape<'_>,
        root: usize,
        found: &mut Vec<Found>,
    ) -> Result<(), Wrong> {
        found.clear();
        found.resize(self.slots.len(), Found::Missing);
        let mut members = tape.members(root);
        while let Some((name, at)) = members.member() {
            let Some(keys) = self.buckets.get(bucket(name)) else { continue };
            for key in keys {
                if key.name != name {
                    continue;
                }
                let Some(slot) = found.get_mut(key.slot) else { continue };
                *slot = match (*slot, key.is) {
                    (Found::Missing | Found::Bare(_), Some(is)) => Found::At(at, is),
                    (Found::Missing, None) => Found::Bare(at),
                    (before @ Found::At(..), None) => before,
                    (Found::At(..), Some(_)) | (Found::Bare(_), None) => return Err(Wrong::Twice),
                };
            }
        }
        Ok(())
    }

    fn slot(&mut self, wanted: Wanted) -> usize {
        self.slots.iter().position(|slot| *slot == wanted).unwrap_or_else(|| {
            self.slots.push(wanted);
            self.slots.len() - 1
        })
    }

    fn parts(&mut self, parts: &mut [Part], at_root: bool) {
        for part in parts {
            match part {
                Part::Select(select) => self.select(select, at_root),
                Part::Union(branches) => {
                    for branch in branches {
                        self.select(branch, at_root);
                    }
                }
            }
        }
    }

    fn select(&mut self, select: &mut Select, at_root: bool) {
        let mut inside = at_root;
        match &mut select.each {
            Each::Once => {}
            Each::Item { path, .. } => {
                self.expr(path, at_root);
                inside = false;
            }
            // Its paths are followed from where they lead, too.
            Each::Repeat(_) => inside = false,
        }
        for (_, path) in &mut select.columns {
            self.expr(path, inside);
        }
        self.parts(&mut select.parts, inside);
    }

    /// Rewrites a path that begins at the resource: everywhere where it says so, else at the root.
    fn expr(&mut self, expr: &mut Expr, at_root: bool) {
        match expr {
            Expr::Literal(_) | Expr::RowIndex => {}
            Expr::Negate(inner) => self.expr(inner, at_root),
            Expr::Binary(_, left, right) => {
                self.expr(left, at_root);
                self.expr(right, at_root);
            }
            Expr::Path(base, steps) => {
                let from_root = match base {
                    Base::This => at_root,
                    Base::Resource => true,
                    Base::Known(_) => false,
                    Base::Of(inner) => {
                        self.expr(inner, at_root);
                        false
                    }
                };
                let wanted = match steps.first() {
                    Some(Step::Member(name)) if from_root => Wanted::Member(name.clone()),
                    Some(Step::ResourceKey) if from_root => Wanted::Member("id".to_owned()),
                    Some(Step::Choice { name, member, of }) if from_root => Wanted::Choice {
                        name: name.clone(),
                        member: member.clone(),
                        of: of.clone(),
                    },
                    Some(_) | None => return,
                };
                *base = Base::Known(self.slot(wanted));
                steps.remove(0);
            }
        }
    }
}

/// Length, first and last byte tell most names apart.
fn bucket(name: &str) -> usize {
    let byte = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0));
    let bytes = name.as_bytes();
    (bytes.len() + byte(bytes.first()) * 3 + byte(bytes.last()) * 7) % BUCKETS
}

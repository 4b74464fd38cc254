//! From one resource to its rows: selects crossed, unrolled, joined in unions.
//!
//! Comes in: a plan and a resource. Goes out: rows in a table. Never: more rows of one resource
//! than a batch may hold.

use super::{
    error::Wrong,
    eval::{Evaluator, Focus, Item, Worth},
    plan::{Column, Each, Expr, Part, Select},
    table::{Cell, Table},
};

/// Rows that one resource may give.
const ROWS_MAX: usize = 100_000;
/// Bytes of text that a batch may hold while rows of one resource go in.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// What is kept from resource to resource.
#[derive(Debug, Default)]
pub(super) struct Scratch<'v> {
    row: Vec<Cell<'v>>,
    lists: Vec<Item<'v>>,
}

/// Why a resource gives no rows, and for which column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) column: Option<usize>,
    pub(super) wrong: Wrong,
}

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        Self { column: None, wrong }
    }
}

/// One resource on its way to rows.
pub(super) struct Rows<'m, 'v, 't> {
    evaluator: Evaluator<'m, 'v, 't>,
    columns: &'v [Column],
    scratch: &'m mut Scratch<'v>,
    table: &'m mut Table,
    count: usize,
}

/// What is still to be crossed with the rows at hand.
#[derive(Clone, Copy)]
struct Link<'l, 'v> {
    parts: &'v [Part],
    focus: Focus<'v>,
    next: Option<&'l Self>,
}

impl<'m, 'v, 't> Rows<'m, 'v, 't> {
    pub(super) fn new(
        evaluator: Evaluator<'m, 'v, 't>,
        columns: &'v [Column],
        scratch: &'m mut Scratch<'v>,
        table: &'m mut Table,
    ) -> Self {
        scratch.row.clear();
        scratch.row.resize(columns.len(), Cell::Null);
        scratch.lists.clear();
        Self { evaluator, columns, scratch, table, count: 0 }
    }

    /// Returns whether the resource passes the view's filters.
    pub(super) fn passes(
        &mut self,
        filters: &'v [Expr],
        focus: Focus<'v>,
    ) -> Result<bool, Refused> {
        for filter in filters {
            let start = self.evaluator.eval(filter, focus)?;
            let items = &mut self.evaluator.memory.items;
            let (first, more) = (items.get(start).copied(), items.len() > start + 1);
            items.truncate(start);
            let passed = match first {
                _ if more => return Err(Wrong::Several.into()),
                None => false,
                Some(item) => match self.evaluator.worth(item)? {
                    Worth::Boolean(value) => value,
                    other @ (Worth::Text(..) | Worth::Number(_) | Worth::Object) => {
                        let wanted = "true or false from a filter";
                        return Err(Wrong::Type { wanted, found: other.word() }.into());
                    }
                },
            };
            if !passed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds the rows of all combinations.
    pub(super) fn all(&mut self, parts: &'v [Part], focus: Focus<'v>) -> Result<(), Refused> {
        self.cross(&Link { parts, focus, next: None })
    }

    fn cross(&mut self, link: &Link<'_, 'v>) -> Result<(), Refused> {
        let Some((part, parts)) = link.parts.split_first() else {
            return match link.next {
                Some(next) => self.cross(next),
                None => self.push(),
            };
        };
        let next = Link { parts, ..*link };
        match part {
            Part::Select(select) => self.select(select, link.focus, &next),
            Part::Union(branches) => {
                branches.iter().try_for_each(|branch| self.select(branch, link.focus, &next))
            }
        }
    }

    fn select(
        &mut self,
        select: &'v Select,
        focus: Focus<'v>,
        next: &Link<'_, 'v>,
    ) -> Result<(), Refused> {
        match &select.each {
            Each::Once => self.body(select, focus, next),
            Each::Item { path, or_null } => {
                let start = self.evaluator.eval(path, focus)?;
                let end = self.evaluator.memory.items.len();
                if start == end && *or_null {
                    return self.body(select, Focus { item: None, index: 0 }, next);
                }
                for (index, at) in (0_i64..).zip(start..end) {
                    let item = self.evaluator.memory.items.get(at).copied();
                    self.body(select, Focus { item, index }, next)?;
                }
                self.evaluator.memory.items.truncate(start);
                Ok(())
            }
            Each::Repeat(paths) => {
                let start = self.evaluator.memory.items.len();
                self.below(paths, focus)?;
                let mut index = 0;
                while self.evaluator.memory.items.len() > start {
                    let item = self.evaluator.memory.items.pop();
                    let focus = Focus { item, index };
                    self.body(select, focus, next)?;
                    self.below(paths, focus)?;
                    index += 1;
                }
                Ok(())
            }
        }
    }

    /// Pushes the items below one, the first on top.
    fn below(&mut self, paths: &'v [Expr], focus: Focus<'v>) -> Result<(), Refused> {
        let start = self.evaluator.memory.items.len();
        for path in paths {
            self.evaluator.eval(path, focus)?;
        }
        let found = self.evaluator.memory.items.get_mut(start..).unwrap_or_default();
        // INVARIANT: each step goes down the tape, or it would go on for ever.
        let down = |item: &Item<'_>| match (focus.item, item) {
            (Some(Item::Node(from, _)), Item::Node(to, _)) => to > &from,
            (Some(_) | None, _) => false,
        };
        if !found.iter().all(down) {
            return Err(Wrong::Repeat.into());
        }
        found.reverse();
        Ok(())
    }

    /// Fills the columns of a select and goes on with its parts, then with what is next.
    fn body(
        &mut self,
        select: &'v Select,
        focus: Focus<'v>,
        next: &Link<'_, 'v>,
    ) -> Result<(), Refused> {
        for (at, path) in &select.columns {
            let cell = self.cell(*at, path, focus);
            let cell = cell.map_err(|wrong| Refused { column: Some(*at), wrong })?;
            if let Some(slot) = self.scratch.row.get_mut(*at) {
                *slot = cell;
            }
        }
        if select.parts.is_empty() {
            self.cross(next)
        } else {
            self.cross(&Link { parts: &select.parts, focus, next: Some(next) })
        }
    }

    #[inline]
    fn cell(&mut self, at: usize, path: &'v Expr, focus: Focus<'v>) -> Result<Cell<'v>, Wrong> {
        let collection = self.columns.get(at).is_some_and(|column| column.collection);
        if !collection && let Some(found) = self.evaluator.straight(path) {
            return Ok(found);
        }
        let start = self.evaluator.eval(path, focus)?;
        let items = &mut self.evaluator.memory.items;
        let found = items.get(start..).unwrap_or_default();
        let cell = if collection {
            let from = self.scratch.lists.len();
            self.scratch.lists.extend_from_slice(found);
            Cell::Many(from, self.scratch.lists.len())
        } else {
            match found {
                [] => Cell::Null,
                [item] => Cell::One(*item),
                [_, _, ..] => return Err(Wrong::Several),
            }
        };
        items.truncate(start);
        Ok(cell)
    }

    fn push(&mut self) -> Result<(), Refused> {
        self.count += 1;
        let many =
            self.count > 1 && (self.count > ROWS_MAX || self.table.text_bytes() > TEXT_BYTES_MAX);
        if many {
            return Err(Wrong::Rows(self.count - 1).into());
        }
        let pushed = self.table.push(&self.scratch.row, &self.scratch.lists, &self.evaluator);
        pushed.map_err(|(column, wrong)| Refused { column: Some(column), wrong })
    }
}

//! Columns under construction: typed for Arrow, or all of text for the belt.
//!
//! Comes in: items, row after row. Goes out: Arrow arrays. Never: a value of another type than its
//! column's, or half the rows of a resource; they are taken back.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray},
    buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Field},
    error::ArrowError,
};
use simd_json::{Node, StaticNode};

use super::{
    error::Wrong,
    eval::{Evaluator, Item, Worth},
    kind::{Kind, Type},
    plan::Column,
};
use crate::source::columns::CellColumn;

/// A cell of the row at hand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'v> {
    Null,
    One(Item<'v>),
    /// Items of the list that the rows of a resource share, from and to.
    Many(usize, usize),
}

/// How cells are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// Each in its column's type.
    Typed,
    /// All as text; a list as a JSON array.
    Text,
}

#[derive(Debug)]
struct Store {
    kind: Kind,
    /// Whether text takes numbers and booleans too.
    loose: bool,
    values: Values,
    /// For lists: where each row's ends.
    ends: Option<Vec<i32>>,
    /// Text of a list, or of a number, on its way.
    scratch: String,
}

#[derive(Debug)]
enum Values {
    Text(CellColumn),
    Integer(Vec<i64>, Vec<bool>),
    Decimal(Vec<f64>, Vec<bool>),
    Boolean(Vec<bool>, Vec<bool>),
}

/// The columns of a view under construction.
#[derive(Debug)]
pub(super) struct Table {
    stores: Vec<Store>,
    rows: usize,
    cells: Cells,
}

impl Table {
    pub(super) fn new(columns: &[Column], cells: Cells) -> Self {
        let stores = columns
            .iter()
            .map(|column| Store {
                kind: column.kind,
                loose: !column.declared,
                values: match (cells, column.kind) {
                    (Cells::Text, _) | (Cells::Typed, Kind::Text) => {
                        Values::Text(CellColumn::new())
                    }
                    (Cells::Typed, Kind::Integer) => Values::Integer(Vec::new(), Vec::new()),
                    (Cells::Typed, Kind::Decimal) => Values::Decimal(Vec::new(), Vec::new()),
                    (Cells::Typed, Kind::Boolean) => Values::Boolean(Vec::new(), Vec::new()),
                },
                ends: (cells == Cells::Typed && column.collection).then(Vec::new),
                scratch: String::new(),
            })
            .collect();
        Self { stores, rows: 0, cells }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the bytes of all text held.
    pub(super) fn text_bytes(&self) -> usize {
        self.stores.iter().map(|store| store.values.text_bytes()).sum()
    }

    /// Adds a row; on a fault, names the column. The caller then takes the row back.
    pub(super) fn push<'v>(
        &mut self,
        row: &[Cell<'v>],
        lists: &[Item<'v>],
        evaluator: &Evaluator<'_, 'v, '_>,
    ) -> Result<(), (usize, Wrong)> {
        for (at, (store, cell)) in self.stores.iter_mut().zip(row).enumerate() {
            store.push(*cell, lists, evaluator, self.cells).map_err(|wrong| (at, wrong))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes back all rows after the first so many.
    pub(super) fn truncate(&mut self, rows: usize) {
        for store in &mut self.stores {
            let values = match &mut store.ends {
                None => rows,
                Some(ends) => {
                    ends.truncate(rows);
                    ends.last().map_or(0, |end| usize::try_from(*end).unwrap_or(0))
                }
            };
            store.values.truncate(values);
        }
        self.rows = rows;
    }

    /// Hands over the columns and starts anew.
    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows = 0;
        self.stores.iter_mut().map(Store::finish).collect()
    }

    /// Hands over columns of text and starts anew.
    pub(super) fn finish_text(&mut self) -> Result<Vec<StringArray>, ArrowError> {
        self.rows = 0;
        let texts = self.stores.iter_mut().filter_map(|store| match &mut store.values {
            Values::Text(column) => Some(column.finish()),
            Values::Integer(..) | Values::Decimal(..) | Values::Boolean(..) => None,
        });
        texts.collect()
    }
}

/// Returns the Arrow type of a column.
pub(super) fn data_type(column: &Column) -> DataType {
    let item = match column.kind {
        Kind::Text => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Decimal => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
    };
    if column.collection {
        DataType::List(Arc::new(Field::new_list_field(item, true)))
    } else {
        item
    }
}

impl Store {
    #[inline]
    fn push<'v>(
        &mut self,
        cell: Cell<'v>,
        lists: &[Item<'v>],
        evaluator: &Evaluator<'_, 'v, '_>,
        cells: Cells,
    ) -> Result<(), Wrong> {
        match (cell, cells) {
            (Cell::Null, _) => self.values.push_null(),
            (Cell::One(item), _) => self.item(item, evaluator)?,
            (Cell::Many(from, to), Cells::Typed) => {
                for item in lists.get(from..to).unwrap_or_default() {
                    self.item(*item, evaluator)?;
                }
                let end = i32::try_from(self.values.len()).map_err(|_| Wrong::Overflow)?;
                self.ends.get_or_insert_default().push(end);
            }
            (Cell::Many(from, to), Cells::Text) => {
                let items = lists.get(from..to).unwrap_or_default();
                self.list_text(items, evaluator)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, item: Item<'_>, evaluator: &Evaluator<'_, '_, '_>) -> Result<(), Wrong> {
        if let Values::Text(column) = &mut self.values {
            // The common case first: a string of the resource into a column of text.
            if let (Item::Node(at, _), Kind::Text) = (item, self.kind)
                && let Some(Node::String(text)) = evaluator.tape.node(at)
            {
                column.extend(text.as_bytes());
                column.end_cell();
                return Ok(());
            }
            if let (Kind::Text, Worth::Text(text, _)) = (self.kind, evaluator.worth(item)?) {
                column.extend(text.as_bytes());
                column.end_cell();
                return Ok(());
            }
            self.scratch.clear();
            write_text(item, self.kind, self.loose, evaluator, &mut self.scratch)?;
            column.extend(self.scratch.as_bytes());
            column.end_cell();
            return Ok(());
        }
        match &mut self.values {
            Values::Text(_) => {}
            Values::Integer(values, valid) => {
                values.push(integer(item, evaluator)?);
                valid.push(true);
            }
            Values::Decimal(values, valid) => {
                values.push(decimal(item, evaluator)?);
                valid.push(true);
            }
            Values::Boolean(values, valid) => {
                values.push(boolean(item, evaluator)?);
                valid.push(true);
            }
        }
        Ok(())
    }

    /// Writes a list as a JSON array; an empty one is null.
    fn list_text(
        &mut self,
        items: &[Item<'_>],
        evaluator: &Evaluator<'_, '_, '_>,
    ) -> Result<(), Wrong> {
        let mut list = String::new();
        for item in items {
            list.push(if list.is_empty() { '[' } else { ',' });
            self.scratch.clear();
            write_text(*item, self.kind, self.loose, evaluator, &mut self.scratch)?;
            if self.kind == Kind::Text {
                let _ = write!(list, "{}", serde_json::Value::String(self.scratch.clone()));
            } else {
                list.push_str(&self.scratch);
            }
        }
        if !list.is_empty() {
            list.push(']');
        }
        if let Values::Text(column) = &mut self.values {
            column.extend(list.as_bytes());
            column.end_cell();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = |valid: &mut Vec<bool>| {
            let nulls = valid.contains(&false).then(|| NullBuffer::from(valid.as_slice()));
            valid.clear();
            nulls
        };
        let values: ArrayRef = match &mut self.values {
            Values::Text(column) => Arc::new(column.finish()?),
            Values::Integer(values, valid) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                Arc::new(Int64Array::try_new(values, nulls(valid))?)
            }
            Values::Decimal(values, valid) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                Arc::new(Float64Array::try_new(values, nulls(valid))?)
            }
            Values::Boolean(values, valid) => {
                let bits = BooleanBuffer::from(values.as_slice());
                values.clear();
                Arc::new(BooleanArray::new(bits, nulls(valid)))
            }
        };
        let Some(ends) = &mut self.ends else { return Ok(values) };
        let mut offsets = Vec::with_capacity(ends.len() + 1);
        offsets.push(0);
        offsets.append(ends);
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Text(column) => column.rows(),
            Self::Integer(_, valid) | Self::Decimal(_, valid) | Self::Boolean(_, valid) => {
                valid.len()
            }
        }
    }

    fn text_bytes(&self) -> usize {
        match self {
            Self::Text(column) => column.text_bytes(),
            Self::Integer(..) | Self::Decimal(..) | Self::Boolean(..) => 0,
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Text(column) => column.end_cell(),
            Self::Integer(values, valid) => {
                values.push(0);
                valid.push(false);
            }
            Self::Decimal(values, valid) => {
                values.push(0.0);
                valid.push(false);
            }
            Self::Boolean(values, valid) => {
                values.push(false);
                valid.push(false);
            }
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Text(column) => column.truncate(len),
            Self::Integer(values, valid) => {
                values.truncate(len);
                valid.truncate(len);
            }
            Self::Decimal(values, valid) => {
                values.truncate(len);
                valid.truncate(len);
            }
            Self::Boolean(values, valid) => {
                values.truncate(len);
                valid.truncate(len);
            }
        }
    }
}

fn integer<'a>(item: Item<'a>, evaluator: &'a Evaluator<'_, '_, '_>) -> Result<i64, Wrong> {
    if let Item::Node(at, _) = item
        && let Some(Node::Static(StaticNode::I64(number))) = evaluator.tape.node(at)
    {
        return Ok(number);
    }
    let wrong = |found| Wrong::Type { wanted: "a whole number", found };
    match evaluator.worth(item)? {
        Worth::Number(number) => number.to_integer().ok_or_else(|| wrong("another number")),
        other @ (Worth::Text(..) | Worth::Boolean(_) | Worth::Object) => Err(wrong(other.word())),
    }
}

fn decimal<'a>(item: Item<'a>, evaluator: &'a Evaluator<'_, '_, '_>) -> Result<f64, Wrong> {
    if let Item::Node(at, _) = item
        && let Some(Node::Static(StaticNode::F64(number))) = evaluator.tape.node(at)
    {
        return Ok(number);
    }
    match evaluator.worth(item)? {
        Worth::Number(number) => number.to_string().parse().map_err(|_| Wrong::Digits),
        other @ (Worth::Text(..) | Worth::Boolean(_) | Worth::Object) => {
            Err(Wrong::Type { wanted: "a number", found: other.word() })
        }
    }
}

fn boolean<'a>(item: Item<'a>, evaluator: &'a Evaluator<'_, '_, '_>) -> Result<bool, Wrong> {
    match evaluator.worth(item)? {
        Worth::Boolean(value) => Ok(value),
        other @ (Worth::Text(..) | Worth::Number(_) | Worth::Object) => {
            Err(Wrong::Type { wanted: "true or false", found: other.word() })
        }
    }
}

/// Writes an item of a kind as text; numbers as they stand in the resource.
fn write_text<'a>(
    item: Item<'a>,
    kind: Kind,
    loose: bool,
    evaluator: &'a Evaluator<'_, '_, '_>,
    out: &mut String,
) -> Result<(), Wrong> {
    let wanted = match kind {
        Kind::Text => "a text",
        Kind::Integer => "a whole number",
        Kind::Decimal => "a number",
        Kind::Boolean => "true or false",
    };
    let worth = evaluator.worth(item)?;
    match (kind, worth) {
        (Kind::Text, Worth::Text(text, _)) => out.push_str(text),
        (Kind::Integer, Worth::Number(number)) => {
            let number = number.to_integer();
            let number =
                number.ok_or(Wrong::Type { wanted: "a whole number", found: "another number" })?;
            let _ = write!(out, "{number}");
        }
        (Kind::Decimal, Worth::Number(number)) => write_number(item, number, evaluator, out),
        (Kind::Text, Worth::Number(number)) if loose => write_number(item, number, evaluator, out),
        (Kind::Boolean, Worth::Boolean(value)) => {
            let _ = write!(out, "{value}");
        }
        (Kind::Text, Worth::Boolean(value)) if loose => {
            let _ = write!(out, "{value}");
        }
        (Kind::Text | Kind::Integer | Kind::Decimal | Kind::Boolean, other) => {
            return Err(Wrong::Type { wanted, found: other.word() });
        }
    }
    Ok(())
}

fn write_number(
    item: Item<'_>,
    number: super::decimal::Decimal,
    evaluator: &Evaluator<'_, '_, '_>,
    out: &mut String,
) {
    let written = match item {
        Item::Node(at, Type::Unknown | Type::Text | Type::Integer | Type::Decimal) => {
            evaluator.tape.number(at)
        }
        Item::Node(..) | Item::Text(..) | Item::Made(..) | Item::Number(_) | Item::Boolean(_) => {
            None
        }
    };
    match written {
        Some(text) => out.push_str(text),
        None => drop(write!(out, "{number}")),
    }
}

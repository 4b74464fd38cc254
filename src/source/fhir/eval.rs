//! FHIRPath over a tape: items on a stack, nothing allocated for a step.
//!
//! Comes in: an expression and where it starts. Goes out: items. Never: an item out of a resource
//! before, or a guess where FHIRPath has no answer.

use simd_json::{Node, StaticNode};

use super::{
    decimal::Decimal,
    error::Wrong,
    kind::{Type, choice},
    known::{Found, Known, Wanted},
    moment,
    plan::{Base, Expr, Literal, Step, TypeName},
    table::Cell,
    tape::Tape,
};

/// One item of a collection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'v> {
    /// A node of the tape.
    Node(usize, Type),
    /// A text of the plan.
    Text(&'v str, Type),
    /// A text that was made: bytes of [`Evaluator::made`].
    Made(usize, usize, Type),
    Number(Decimal),
    Boolean(bool),
}

/// What an expression is evaluated on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Focus<'v> {
    /// The current item; none in a row that stands for nothing.
    pub(super) item: Option<Item<'v>>,
    /// Its place among its siblings.
    pub(super) index: i64,
}

/// What an item is worth.
#[derive(Debug, Clone, Copy)]
pub(super) enum Worth<'a> {
    Text(&'a str, Type),
    Number(Decimal),
    Boolean(bool),
    Object,
}

impl Worth<'_> {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text(..) => "a text",
            Self::Number(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Object => "an object",
        }
    }
}

/// The stack and the texts made; both are kept from resource to resource.
#[derive(Debug, Default)]
pub(super) struct Memory<'v> {
    pub(super) items: Vec<Item<'v>>,
    pub(super) made: String,
    pub(super) found: Vec<Found>,
}

pub(super) struct Evaluator<'m, 'v, 't> {
    pub(super) tape: Tape<'t>,
    pub(super) root: usize,
    pub(super) known: &'v Known,
    pub(super) memory: &'m mut Memory<'v>,
}

impl<'v> Evaluator<'_, 'v, '_> {
    /// Evaluates an expression; returns where its items begin on the stack. The caller takes them
    /// off again.
    pub(super) fn eval(&mut self, expr: &'v Expr, focus: Focus<'v>) -> Result<usize, Wrong> {
        let start = self.memory.items.len();
        match expr {
            Expr::Path(base, steps) => {
                match base {
                    Base::This => self.memory.items.extend(focus.item),
                    Base::Resource => self.push(Item::Node(self.root, Type::Complex)),
                    Base::Known(slot) => self.known(*slot),
                    Base::Of(expr) => {
                        self.eval(expr, focus)?;
                    }
                }
                for step in steps {
                    self.step(step, start)?;
                }
            }
            Expr::Literal(Literal::Text(text, is)) => self.push(Item::Text(text, *is)),
            Expr::Literal(Literal::Number(number)) => self.push(Item::Number(*number)),
            Expr::Literal(Literal::Boolean(value)) => self.push(Item::Boolean(*value)),
            Expr::Literal(Literal::Empty) => {}
            Expr::RowIndex => self.push(Item::Number(Decimal::whole(focus.index))),
            Expr::Negate(expr) => {
                if let Some(number) = self.number(expr, focus)? {
                    self.push(Item::Number(number.negate()));
                }
            }
            Expr::Binary(operator, left, right) => {
                let done = self.binary(*operator, left, right, focus)?;
                self.memory.items.extend(done);
            }
        }
        Ok(start)
    }

    /// Follows a path of single items from a member of the resource, without the stack; returns its
    /// cell. `None` where the path, or the resource, is not so simple.
    #[inline]
    pub(super) fn straight(&mut self, expr: &'v Expr) -> Option<Cell<'v>> {
        let Expr::Path(Base::Known(slot), steps) = expr else { return None };
        let (mut at, mut is) = match (self.memory.found.get(*slot)?, self.known.wanted(*slot)?) {
            (Found::At(at, is), _) => (*at, *is),
            (Found::Missing, Wanted::Choice { .. }) => return Some(Cell::Null),
            (Found::Missing | Found::Bare(_), _) => return None,
        };
        for (step, left) in steps.iter().zip((0..steps.len()).rev()) {
            at = self.only(at, matches!(step, Step::First))?;
            match step {
                Step::First => {}
                Step::Member(name) => {
                    at = self.tape.member(at, name)?;
                    is = Type::Unknown;
                }
                Step::ReferenceKey(of) if left == 0 => {
                    let text = self.tape.str(self.tape.member(at, "reference")?)?;
                    let from = self.memory.made.len();
                    self.memory.made.push_str(reference_key(text, of.as_deref())?);
                    let to = self.memory.made.len();
                    return Some(Cell::One(Item::Made(from, to, Type::Text)));
                }
                Step::ReferenceKey(_)
                | Step::Choice { .. }
                | Step::OfType(_)
                | Step::Index(_)
                | Step::Where(_)
                | Step::Exists(_)
                | Step::Empty
                | Step::Not
                | Step::Extension(_)
                | Step::Join(_)
                | Step::Boundary { .. }
                | Step::ResourceKey => return None,
            }
        }
        Some(Cell::One(Item::Node(self.only(at, false)?, is)))
    }

    /// Returns the one item that stands here, or the first of an array.
    #[inline]
    fn only(&self, at: usize, first: bool) -> Option<usize> {
        match self.tape.node(at)? {
            Node::Array { len, .. } if len == 1 || (first && len > 1) => {
                match self.tape.node(at + 1)? {
                    Node::String(_) | Node::Object { .. } => Some(at + 1),
                    Node::Array { .. } | Node::Static(_) => None,
                }
            }
            Node::Array { .. } | Node::Static(StaticNode::Null) => None,
            Node::String(_) | Node::Object { .. } | Node::Static(_) => Some(at),
        }
    }

    /// Pushes the items of a member of the resource.
    #[inline]
    fn known(&mut self, slot: usize) {
        let items = &mut self.memory.items;
        match self.memory.found.get(slot) {
            Some(Found::At(at, is)) => {
                self.tape.each(*at, |at| items.push(Item::Node(at, *is)));
            }
            Some(Found::Bare(_)) | None => {
                if let Some(Wanted::Choice { name, member, of }) = self.known.wanted(slot) {
                    self.choice(Item::Node(self.root, Type::Complex), name, member, of);
                }
            }
            Some(Found::Missing) => {
                if let Some(Wanted::Member(name)) = self.known.wanted(slot) {
                    self.member(Item::Node(self.root, Type::Complex), name);
                }
            }
        }
    }

    /// Evaluates an expression to true, false or nothing; a single item of another kind is true.
    pub(super) fn truth(
        &mut self,
        expr: &'v Expr,
        focus: Focus<'v>,
    ) -> Result<Option<bool>, Wrong> {
        let start = self.eval(expr, focus)?;
        let found = self.single(start)?;
        Ok(match found {
            None => None,
            Some(item) => match self.worth(item)? {
                Worth::Boolean(value) => Some(value),
                Worth::Text(..) | Worth::Number(_) | Worth::Object => Some(true),
            },
        })
    }

    /// Takes the items from `start` off the stack: none or one.
    pub(super) fn single(&mut self, start: usize) -> Result<Option<Item<'v>>, Wrong> {
        let items = self.memory.items.get(start..).unwrap_or_default();
        let found = match items {
            [] => None,
            [item] => Some(*item),
            [_, _, ..] => return Err(Wrong::Several),
        };
        self.memory.items.truncate(start);
        Ok(found)
    }

    #[inline]
    fn push(&mut self, item: Item<'v>) {
        self.memory.items.push(item);
    }

    /// Returns what an item is worth.
    pub(super) fn worth<'a>(&'a self, item: Item<'a>) -> Result<Worth<'a>, Wrong> {
        Ok(match item {
            Item::Node(at, is) => match self.tape.node(at) {
                Some(Node::String(text)) => Worth::Text(text, is),
                Some(Node::Static(StaticNode::Bool(value))) => Worth::Boolean(value),
                Some(Node::Static(StaticNode::I64(number))) => {
                    Worth::Number(Decimal::whole(number))
                }
                Some(Node::Static(StaticNode::U64(_) | StaticNode::F64(_))) => {
                    let text = self.tape.number(at).ok_or(Wrong::Digits)?;
                    Worth::Number(Decimal::parse(text).ok_or(Wrong::Digits)?)
                }
                Some(Node::Object { .. } | Node::Array { .. } | Node::Static(StaticNode::Null))
                | None => Worth::Object,
            },
            Item::Text(text, is) => Worth::Text(text, is),
            Item::Made(from, to, is) => {
                Worth::Text(self.memory.made.get(from..to).unwrap_or_default(), is)
            }
            Item::Number(number) => Worth::Number(number),
            Item::Boolean(value) => Worth::Boolean(value),
        })
    }

    /// Evaluates an expression to a number or nothing.
    fn number(&mut self, expr: &'v Expr, focus: Focus<'v>) -> Result<Option<Decimal>, Wrong> {
        let start = self.eval(expr, focus)?;
        let Some(item) = self.single(start)? else { return Ok(None) };
        match self.worth(item)? {
            Worth::Number(number) => Ok(Some(number)),
            other @ (Worth::Text(..) | Worth::Boolean(_) | Worth::Object) => {
                Err(Wrong::Type { wanted: "a number", found: other.word() })
            }
        }
    }

    /// Applies a step to the items from `start`.
    fn step(&mut self, step: &'v Step, start: usize) -> Result<(), Wrong> {
        match step {
            Step::Member(name) => self.map(start, |this, item| {
                this.member(item, name);
                Ok(())
            }),
            Step::Choice { name, member, of } => self.map(start, |this, item| {
                this.choice(item, name, member, of);
                Ok(())
            }),
            Step::Extension(url) => self.map(start, |this, item| {
                this.extension(item, url);
                Ok(())
            }),
            Step::ReferenceKey(of) => self.map(start, |this, item| {
                this.reference_key(item, of.as_deref());
                Ok(())
            }),
            Step::ResourceKey => self.map(start, |this, item| {
                this.member(item, "id");
                Ok(())
            }),
            Step::Boundary { high } => self.map(start, |this, item| this.boundary(item, *high)),
            Step::OfType(of) => self.retain(start, |this, item, _| Ok(this.is(item, of))),
            Step::Where(criterion) => self.retain(start, |this, item, index| {
                Ok(this.truth(criterion, Focus { item: Some(item), index })? == Some(true))
            }),
            Step::Exists(Some(criterion)) => {
                self.retain(start, |this, item, index| {
                    Ok(this.truth(criterion, Focus { item: Some(item), index })? == Some(true))
                })?;
                self.replace(start, |found| Item::Boolean(found > 0));
                Ok(())
            }
            Step::Exists(None) => {
                self.replace(start, |found| Item::Boolean(found > 0));
                Ok(())
            }
            Step::Empty => {
                self.replace(start, |found| Item::Boolean(found == 0));
                Ok(())
            }
            Step::First => {
                self.memory.items.truncate(start + 1);
                Ok(())
            }
            Step::Index(index) => {
                let found = self.memory.items.get(start + index).copied();
                self.memory.items.truncate(start);
                self.memory.items.extend(found);
                Ok(())
            }
            Step::Not => {
                if let Some(item) = self.single(start)? {
                    let value = match self.worth(item)? {
                        Worth::Boolean(value) => value,
                        Worth::Text(..) | Worth::Number(_) | Worth::Object => true,
                    };
                    self.push(Item::Boolean(!value));
                }
                Ok(())
            }
            Step::Join(separator) => self.join(start, separator),
        }
    }

    /// Replaces each item from `start` by what `each` pushes for it.
    fn map(
        &mut self,
        start: usize,
        mut each: impl FnMut(&mut Self, Item<'v>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let end = self.memory.items.len();
        if end == start + 1
            && let Some(item) = self.memory.items.pop()
        {
            return each(self, item);
        }
        for at in start..end {
            let Some(item) = self.memory.items.get(at).copied() else { break };
            each(self, item)?;
        }
        self.memory.items.drain(start..end);
        Ok(())
    }

    /// Keeps the items from `start` that `keep` says.
    fn retain(
        &mut self,
        start: usize,
        mut keep: impl FnMut(&mut Self, Item<'v>, i64) -> Result<bool, Wrong>,
    ) -> Result<(), Wrong> {
        let end = self.memory.items.len();
        let mut kept = start;
        for (index, at) in (0_i64..).zip(start..end) {
            let Some(item) = self.memory.items.get(at).copied() else { break };
            if keep(self, item, index)? {
                if let Some(slot) = self.memory.items.get_mut(kept) {
                    *slot = item;
                }
                kept += 1;
            }
        }
        self.memory.items.truncate(kept);
        Ok(())
    }

    fn replace(&mut self, start: usize, by: impl FnOnce(usize) -> Item<'v>) {
        let found = self.memory.items.len() - start;
        self.memory.items.truncate(start);
        self.push(by(found));
    }

    /// Pushes the items of a member, or of the choice that it stands for.
    #[inline]
    fn member(&mut self, item: Item<'v>, name: &str) {
        let Item::Node(at, _) = item else { return };
        let mut choices = None;
        let mut members = self.tape.members(at);
        while let Some((key, value)) = members.member() {
            if key.len() == name.len() {
                if key == name {
                    let items = &mut self.memory.items;
                    return self.tape.each(value, |at| items.push(Item::Node(at, Type::Unknown)));
                }
            } else if key.as_bytes().get(name.len()).is_some_and(u8::is_ascii_uppercase)
                && let Some(is) = key.strip_prefix(name).and_then(choice)
            {
                choices = choices.or(Some((value, is)));
            }
        }
        if let Some((value, is)) = choices {
            let items = &mut self.memory.items;
            self.tape.each(value, |at| items.push(Item::Node(at, is)));
        }
    }

    fn choice(&mut self, item: Item<'v>, name: &str, member: &str, of: &TypeName) {
        let Item::Node(at, _) = item else { return };
        let mut members = self.tape.members(at);
        while let Some((key, value)) = members.member() {
            let named = key == member;
            if named || key == name {
                let from = self.memory.items.len();
                let items = &mut self.memory.items;
                let is = if named { of.is } else { Type::Unknown };
                self.tape.each(value, |at| items.push(Item::Node(at, is)));
                if !named {
                    // A member without a choice: what lies there may be of the type.
                    let to = self.memory.items.len();
                    let mut kept = from;
                    for index in from..to {
                        let Some(item) = self.memory.items.get(index).copied() else { break };
                        if self.is(item, of) {
                            self.memory.items.swap(kept, index);
                            kept += 1;
                        }
                    }
                    self.memory.items.truncate(kept);
                }
                return;
            }
        }
    }

    /// Returns whether an item is of a type, as far as JSON tells.
    fn is(&self, item: Item<'v>, of: &TypeName) -> bool {
        if let Item::Node(at, _) = item
            && let Some(Node::Object { .. }) = self.tape.node(at)
        {
            let kind = self.tape.member(at, "resourceType").and_then(|kind| self.tape.str(kind));
            return of.is == Type::Complex && kind.is_none_or(|kind| kind == of.name);
        }
        match self.worth(item) {
            Ok(Worth::Text(_, is)) => match of.is {
                Type::Text | Type::Date | Type::DateTime | Type::Time => {
                    is == Type::Unknown || is == of.is
                }
                Type::Unknown | Type::Integer | Type::Decimal | Type::Boolean | Type::Complex => {
                    false
                }
            },
            Ok(Worth::Number(number)) => {
                of.is == Type::Decimal || (of.is == Type::Integer && number.to_integer().is_some())
            }
            Ok(Worth::Boolean(_)) => of.is == Type::Boolean,
            Ok(Worth::Object) | Err(_) => false,
        }
    }

    fn extension(&mut self, item: Item<'v>, url: &str) {
        let Item::Node(at, _) = item else { return };
        let Some(extensions) = self.tape.member(at, "extension") else { return };
        let (tape, items) = (self.tape, &mut self.memory.items);
        tape.each(extensions, |at| {
            let found = tape.member(at, "url").and_then(|url| tape.str(url));
            if found == Some(url) {
                items.push(Item::Node(at, Type::Complex));
            }
        });
    }

    /// Pushes the id that a reference names, if it is one of a resource of this type.
    fn reference_key(&mut self, item: Item<'v>, of: Option<&str>) {
        let Item::Node(at, _) = item else { return };
        let Some(text) = self.tape.member(at, "reference").and_then(|at| self.tape.str(at)) else {
            return;
        };
        let Some(key) = reference_key(text, of) else { return };
        let from = self.memory.made.len();
        self.memory.made.push_str(key);
        self.push(Item::Made(from, self.memory.made.len(), Type::Text));
    }

    fn boundary(&mut self, item: Item<'v>, high: bool) -> Result<(), Wrong> {
        let made = match self.worth(item)? {
            Worth::Number(number) => {
                let number = number.boundary(high).ok_or(Wrong::Overflow)?;
                self.push(Item::Number(number));
                return Ok(());
            }
            Worth::Text(text, is) => {
                let made = moment::boundary(text, is, high).ok_or(Wrong::Boundary)?;
                let is = if is == Type::Unknown { Type::Text } else { is };
                (made, is)
            }
            Worth::Boolean(_) | Worth::Object => return Err(Wrong::Boundary),
        };
        let from = self.memory.made.len();
        self.memory.made.push_str(&made.0);
        self.push(Item::Made(from, self.memory.made.len(), made.1));
        Ok(())
    }

    fn join(&mut self, start: usize, separator: &str) -> Result<(), Wrong> {
        let end = self.memory.items.len();
        if start == end {
            return Ok(());
        }
        let from = self.memory.made.len();
        for at in start..end {
            let Some(item) = self.memory.items.get(at).copied() else { break };
            if at > start {
                self.memory.made.push_str(separator);
            }
            // What was made before is copied from within the same text.
            if let Item::Made(from, to, _) = item {
                let copy = self.memory.made.get(from..to).unwrap_or_default().to_owned();
                self.memory.made.push_str(&copy);
                continue;
            }
            let mut made = std::mem::take(&mut self.memory.made);
            let done = match self.worth(item) {
                Ok(Worth::Text(text, _)) => {
                    made.push_str(text);
                    Ok(())
                }
                Ok(other) => Err(Wrong::Type { wanted: "a text", found: other.word() }),
                Err(wrong) => Err(wrong),
            };
            self.memory.made = made;
            done?;
        }
        self.memory.items.truncate(start);
        self.push(Item::Made(from, self.memory.made.len(), Type::Text));
        Ok(())
    }
}

/// Returns the id in `Patient/1`, `https://…/Patient/1/_history/2` or `urn:uuid:…`.
fn reference_key<'r>(reference: &'r str, of: Option<&str>) -> Option<&'r str> {
    if let Some(id) = reference.strip_prefix("urn:uuid:") {
        return Some(id);
    }
    let (before, id) = reference.rsplit_once('/')?;
    let (before, id) = match before.strip_suffix("/_history") {
        Some(versionless) => versionless.rsplit_once('/')?,
        None => (before, id),
    };
    let kind = before.rsplit_once('/').map_or(before, |(_, kind)| kind);
    (of.is_none_or(|of| of == kind) && !id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_gives_the_key_of_its_type_alone() {
        let key = reference_key;
        assert_eq!(key("Patient/1", Some("Patient")), Some("1"));
        assert_eq!(key("Patient/1", Some("Group")), None, "another type's key would join");
        assert_eq!(key("https://a.org/fhir/Patient/1/_history/2", Some("Patient")), Some("1"));
        assert_eq!(key("urn:uuid:6d70", Some("Patient")), Some("6d70"));
        assert_eq!(key("#contained", None), None);
        assert_eq!(key("Patient/", None), None);
    }
}

//! FHIRPath's operators: logic of three values, comparison, arithmetic.
//!
//! Comes in: two expressions. Goes out: an item, or nothing. Never: an order between things that
//! have none.

use std::cmp::Ordering;

use super::{
    error::Wrong,
    eval::{Evaluator, Focus, Item, Worth},
    kind::Type,
    moment,
    plan::{Arithmetic, Expr, Operator, Order},
};

impl<'v> Evaluator<'_, 'v, '_> {
    /// Applies an operator.
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: &'v Expr,
        right: &'v Expr,
        focus: Focus<'v>,
    ) -> Result<Option<Item<'v>>, Wrong> {
        let boolean = |value: Option<bool>| Ok(value.map(Item::Boolean));
        match operator {
            Operator::And => {
                let left = self.truth(left, focus)?;
                if left == Some(false) {
                    return boolean(left);
                }
                boolean(match (left, self.truth(right, focus)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    (_, None) | (None | Some(false), Some(true)) => None,
                })
            }
            Operator::Or => {
                let left = self.truth(left, focus)?;
                if left == Some(true) {
                    return boolean(left);
                }
                boolean(match (left, self.truth(right, focus)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    (_, None) | (None | Some(true), Some(false)) => None,
                })
            }
            Operator::Equal => boolean(self.equal(left, right, focus)?),
            Operator::NotEqual => boolean(self.equal(left, right, focus)?.map(|equal| !equal)),
            Operator::Order(wanted) => {
                let Some((a, b)) = self.pair(left, right, focus)? else { return Ok(None) };
                let found = self.order(a, b)?;
                boolean(found.map(|found| match wanted {
                    Order::Less => found.is_lt(),
                    Order::LessEqual => found.is_le(),
                    Order::Greater => found.is_gt(),
                    Order::GreaterEqual => found.is_ge(),
                }))
            }
            Operator::Arithmetic(arithmetic) => {
                let Some((a, b)) = self.pair(left, right, focus)? else { return Ok(None) };
                self.arithmetic(arithmetic, a, b)
            }
        }
    }

    /// Evaluates both sides to one item each; nothing where one is missing.
    fn pair(
        &mut self,
        left: &'v Expr,
        right: &'v Expr,
        focus: Focus<'v>,
    ) -> Result<Option<(Item<'v>, Item<'v>)>, Wrong> {
        let start = self.eval(left, focus)?;
        let Some(a) = self.single(start)? else { return Ok(None) };
        let start = self.eval(right, focus)?;
        Ok(self.single(start)?.map(|b| (a, b)))
    }

    fn equal(
        &mut self,
        left: &'v Expr,
        right: &'v Expr,
        focus: Focus<'v>,
    ) -> Result<Option<bool>, Wrong> {
        let from = self.eval(left, focus)?;
        let middle = self.eval(right, focus)?;
        let end = self.memory.items.len();
        let equal = if from == middle || middle == end {
            None
        } else if middle - from != end - middle {
            Some(false)
        } else {
            let mut equal = Some(true);
            for at in from..middle {
                let items = &self.memory.items;
                let (Some(a), Some(b)) = (items.get(at), items.get(at + middle - from)) else {
                    break;
                };
                match self.same(*a, *b)? {
                    Some(true) => {}
                    Some(false) => {
                        equal = Some(false);
                        break;
                    }
                    None => equal = None,
                }
            }
            equal
        };
        self.memory.items.truncate(from);
        Ok(equal)
    }

    fn same(&self, a: Item<'v>, b: Item<'v>) -> Result<Option<bool>, Wrong> {
        Ok(match (self.worth(a)?, self.worth(b)?) {
            (Worth::Text(a, _), Worth::Text(b, _)) if a == b => Some(true),
            (Worth::Text(a, x), Worth::Text(b, y)) if x.is_temporal() || y.is_temporal() => {
                moment::compare(a, b).map(Ordering::is_eq)
            }
            (Worth::Number(a), Worth::Number(b)) => {
                Some(a.compare(b).ok_or(Wrong::Overflow)?.is_eq())
            }
            (Worth::Boolean(a), Worth::Boolean(b)) => Some(a == b),
            (Worth::Object, _) | (_, Worth::Object) => return Err(Wrong::Object),
            (Worth::Text(..) | Worth::Number(_) | Worth::Boolean(_), _) => Some(false),
        })
    }

    fn order(&self, a: Item<'v>, b: Item<'v>) -> Result<Option<Ordering>, Wrong> {
        match (self.worth(a)?, self.worth(b)?) {
            (Worth::Text(a, x), Worth::Text(b, y)) if x.is_temporal() || y.is_temporal() => {
                Ok(moment::compare(a, b))
            }
            (Worth::Text(a, _), Worth::Text(b, _)) => Ok(Some(a.cmp(b))),
            (Worth::Number(a), Worth::Number(b)) => Ok(Some(a.compare(b).ok_or(Wrong::Overflow)?)),
            (Worth::Object, _) | (_, Worth::Object) => Err(Wrong::Object),
            (a, b) => Err(Wrong::Type { wanted: a.word(), found: b.word() }),
        }
    }

    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        a: Item<'v>,
        b: Item<'v>,
    ) -> Result<Option<Item<'v>>, Wrong> {
        let made = match (self.worth(a)?, self.worth(b)?) {
            (Worth::Number(a), Worth::Number(b)) => {
                let number = match operator {
                    Arithmetic::Add => a.add(b),
                    Arithmetic::Subtract => a.add(b.negate()),
                    Arithmetic::Multiply => a.multiply(b),
                    Arithmetic::Divide if b.is_zero() => return Ok(None),
                    Arithmetic::Divide => a.divide(b),
                };
                return Ok(Some(Item::Number(number.ok_or(Wrong::Overflow)?)));
            }
            (Worth::Text(a, _), Worth::Text(b, _)) if operator == Arithmetic::Add => {
                format!("{a}{b}")
            }
            (Worth::Number(_), other) | (other, _) => {
                return Err(Wrong::Type { wanted: "a number", found: other.word() });
            }
        };
        let from = self.memory.made.len();
        self.memory.made.push_str(&made);
        Ok(Some(Item::Made(from, self.memory.made.len(), Type::Text)))
    }
}

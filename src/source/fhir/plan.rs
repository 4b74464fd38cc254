//! A ViewDefinition after its check: columns, and what to do for each resource.
//!
//! Comes in: what `compile` found. Goes out: a plan that needs no further check. Never: a name to
//! look up while rows are made, but those of the resource's own members.

use super::kind::{Kind, Type};

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it holds lists of that.
    pub collection: bool,
    /// What its author says it means.
    pub description: Option<String>,
    /// Whether the view declares its type; text of an undeclared one takes numbers too.
    pub(super) declared: bool,
    /// Whether it holds the resource's own id.
    pub(super) key: bool,
}

impl Column {
    /// Returns whether it holds the id of each row's resource.
    pub fn is_key(&self) -> bool {
        self.key
    }
}

/// One of a view's selects.
#[derive(Debug)]
pub(super) struct Select {
    pub(super) each: Each,
    pub(super) columns: Vec<(usize, Expr)>,
    pub(super) parts: Vec<Part>,
}

/// What is crossed with a select's columns.
#[derive(Debug)]
pub(super) enum Part {
    Select(Select),
    /// The rows of each, one after the other.
    Union(Vec<Select>),
}

/// What a select's rows are made from.
#[derive(Debug)]
pub(super) enum Each {
    /// What its parent's are made from.
    Once,
    /// Each item of a path; with `or_null`, nothing where there is none.
    Item { path: Expr, or_null: bool },
    /// Each item of the paths, of the paths from there, and so on down.
    Repeat(Vec<Expr>),
}

/// A FHIRPath expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    /// Steps from an expression's items.
    Path(Base, Vec<Step>),
    Literal(Literal),
    /// The place of the current item among its siblings.
    RowIndex,
    Negate(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// The current item.
    This,
    /// The resource.
    Resource,
    /// A member of the resource, by its slot.
    Known(usize),
    Of(Box<Expr>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String, Type),
    Number(super::decimal::Decimal),
    Boolean(bool),
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Equal,
    NotEqual,
    Order(Order),
    Arithmetic(Arithmetic),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member, or the choice that it stands for.
    Member(String),
    /// `name.ofType(T)`: the member `nameT`, or `name` where that is of the type.
    Choice {
        name: String,
        member: String,
        of: TypeName,
    },
    OfType(TypeName),
    Index(usize),
    First,
    Where(Expr),
    Exists(Option<Expr>),
    Empty,
    Not,
    Extension(String),
    Join(String),
    Boundary {
        high: bool,
    },
    ResourceKey,
    ReferenceKey(Option<String>),
}

/// A type's name and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) name: String,
    pub(super) is: Type,
}

impl Expr {
    /// Returns what the expression gives, as far as it says so itself.
    pub(super) fn is(&self) -> Type {
        match self {
            Self::Literal(Literal::Text(_, is)) => *is,
            Self::Literal(Literal::Number(_)) | Self::Negate(_) => Type::Decimal,
            Self::Literal(Literal::Boolean(_)) => Type::Boolean,
            Self::Literal(Literal::Empty) => Type::Unknown,
            Self::RowIndex => Type::Integer,
            Self::Binary(operator, left, _) => match operator {
                Operator::And
                | Operator::Or
                | Operator::Equal
                | Operator::NotEqual
                | Operator::Order(_) => Type::Boolean,
                Operator::Arithmetic(Arithmetic::Add) => left.is(),
                Operator::Arithmetic(_) => Type::Decimal,
            },
            Self::Path(base, steps) => {
                let mut is = match base {
                    Base::This | Base::Resource | Base::Known(_) => Type::Unknown,
                    Base::Of(expr) => expr.is(),
                };
                for step in steps {
                    is = match step {
                        Step::Member(_) | Step::Extension(_) => Type::Unknown,
                        Step::Choice { of, .. } | Step::OfType(of) => of.is,
                        Step::Exists(_) | Step::Empty | Step::Not => Type::Boolean,
                        Step::Join(_) | Step::ResourceKey | Step::ReferenceKey(_) => Type::Text,
                        Step::Index(_) | Step::First | Step::Where(_) | Step::Boundary { .. } => is,
                    };
                }
                is
            }
        }
    }
}

//! FHIRPath expressions of the subset that SQL on FHIR asks for.
//!
//! Comes in: an expression's text, the view's constants. Goes out: an [`Expr`]. Never: a function
//! or operator that is taken for another; what is not in the subset is named and refused.

use std::collections::BTreeMap;

use super::{
    decimal::Decimal,
    kind::Type,
    lex::{Token, tokens},
    plan::{Arithmetic, Base, Expr, Literal, Operator, Order, Step, TypeName},
};
use crate::fault::nearest;

/// Parentheses within parentheses, at most.
const DEPTH_MAX: usize = 64;

const FUNCTIONS: &[&str] = &[
    "where",
    "exists",
    "empty",
    "not",
    "first",
    "ofType",
    "extension",
    "join",
    "lowBoundary",
    "highBoundary",
    "getResourceKey",
    "getReferenceKey",
];

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathFault {
    /// The character, from 1.
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl PathFault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What an expression may name.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    pub(super) resource: &'s str,
    pub(super) constants: &'s BTreeMap<String, Literal>,
}

/// Reads an expression.
pub(super) fn parse(text: &str, scope: &Scope<'_>) -> Result<Expr, PathFault> {
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: &tokens, next: 0, end, depth: 0, scope };
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.fault("this does not go on from what stands before it")),
    }
}

struct Parser<'p> {
    tokens: &'p [(Token, usize)],
    next: usize,
    end: usize,
    depth: usize,
    scope: &'p Scope<'p>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    fn fault(&self, message: impl Into<String>) -> PathFault {
        PathFault::new(self.at(), message)
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Mark(found)) if *found == mark);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(found)) if found == word);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), PathFault> {
        if self.take(mark) { Ok(()) } else { Err(self.fault(format!("`{mark}` is missing"))) }
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, PathFault>,
    ) -> Result<T, PathFault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault(format!("more than {DEPTH_MAX} levels of parentheses")));
        }
        let done = inner(self);
        self.depth -= 1;
        done
    }

    fn binary(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Self) -> Result<Expr, PathFault>,
    ) -> Result<Expr, PathFault> {
        let mut left = operand(self)?;
        'more: loop {
            for (sign, operator) in operators {
                if self.take(sign) || self.take_word(sign) {
                    let right = operand(self)?;
                    left = Expr::Binary(*operator, Box::new(left), Box::new(right));
                    continue 'more;
                }
            }
            return Ok(left);
        }
    }

    fn or(&mut self) -> Result<Expr, PathFault> {
        let found = self.binary(&[("or", Operator::Or)], Self::and)?;
        if let Some(Token::Name(word)) = self.peek()
            && ["xor", "implies", "in", "contains", "is", "as", "div", "mod"]
                .contains(&word.as_str())
        {
            let message = format!("`{word}` is not in the subset of SQL on FHIR");
            return Err(self
                .fault(message)
                .hint("and, or, =, !=, <, <=, >, >=, +, -, * and / are"));
        }
        Ok(found)
    }

    fn and(&mut self) -> Result<Expr, PathFault> {
        self.binary(&[("and", Operator::And)], Self::equality)
    }

    fn equality(&mut self) -> Result<Expr, PathFault> {
        self.binary(&[("=", Operator::Equal), ("!=", Operator::NotEqual)], Self::order)
    }

    fn order(&mut self) -> Result<Expr, PathFault> {
        let operators = [
            ("<=", Operator::Order(Order::LessEqual)),
            (">=", Operator::Order(Order::GreaterEqual)),
            ("<", Operator::Order(Order::Less)),
            (">", Operator::Order(Order::Greater)),
        ];
        self.binary(&operators, Self::sum)
    }

    fn sum(&mut self) -> Result<Expr, PathFault> {
        self.binary(
            &[
                ("+", Operator::Arithmetic(Arithmetic::Add)),
                ("-", Operator::Arithmetic(Arithmetic::Subtract)),
            ],
            Self::product,
        )
    }

    fn product(&mut self) -> Result<Expr, PathFault> {
        self.binary(
            &[
                ("*", Operator::Arithmetic(Arithmetic::Multiply)),
                ("/", Operator::Arithmetic(Arithmetic::Divide)),
            ],
            Self::sign,
        )
    }

    fn sign(&mut self) -> Result<Expr, PathFault> {
        if self.take("-") {
            let negated = self.deeper(Self::sign)?;
            return Ok(Expr::Negate(Box::new(negated)));
        }
        if self.take("+") {
            return self.deeper(Self::sign);
        }
        self.path()
    }

    fn path(&mut self) -> Result<Expr, PathFault> {
        let at = self.at();
        let missing = || PathFault::new(at, "an expression is missing here");
        let token = self.peek().cloned();
        let (mut base, mut steps) = (Base::This, Vec::new());
        let of = |expr: Expr| Base::Of(Box::new(expr));
        match token.ok_or_else(missing)? {
            Token::Name(name) => {
                self.next += 1;
                if matches!(self.peek(), Some(Token::Mark("("))) {
                    self.function(&name, at, &mut steps)?;
                } else if name == "true" || name == "false" {
                    base = of(Expr::Literal(Literal::Boolean(name == "true")));
                } else if name == self.scope.resource {
                    base = Base::Resource;
                } else if name.starts_with(|c: char| c.is_ascii_uppercase()) {
                    let message = format!("`{name}` is not the view's resource");
                    let hint = format!("the view is of `{}`", self.scope.resource);
                    return Err(PathFault::new(at, message).hint(hint));
                } else {
                    steps.push(Step::Member(name));
                }
            }
            Token::Quoted(name) => {
                self.next += 1;
                steps.push(Step::Member(name));
            }
            Token::This => self.next += 1,
            Token::Text(text) => {
                self.next += 1;
                base = of(Expr::Literal(Literal::Text(text, Type::Text)));
            }
            Token::Number(text) => {
                self.next += 1;
                let number = Decimal::parse(&text)
                    .ok_or_else(|| PathFault::new(at, "a number of too many digits"))?;
                base = of(Expr::Literal(Literal::Number(number)));
            }
            Token::Moment(text) => {
                self.next += 1;
                let is = match (text.contains('-'), text.contains(':')) {
                    (_, false) => Type::Date,
                    (true, true) => Type::DateTime,
                    (false, true) => Type::Time,
                };
                base = of(Expr::Literal(Literal::Text(text, is)));
            }
            Token::Constant(name) => {
                self.next += 1;
                base = self.constant(&name, at)?;
            }
            Token::Mark("(") => {
                self.next += 1;
                base = of(self.deeper(Self::or)?);
                self.expect(")")?;
            }
            Token::Mark("{") => {
                self.next += 1;
                self.expect("}")?;
                base = of(Expr::Literal(Literal::Empty));
            }
            Token::Mark(_) => return Err(missing()),
        }
        self.steps(&mut steps)?;
        Ok(match base {
            Base::Of(expr) if steps.is_empty() => *expr,
            base @ (Base::This | Base::Resource | Base::Known(_) | Base::Of(_)) => {
                Expr::Path(base, steps)
            }
        })
    }

    fn constant(&self, name: &str, at: usize) -> Result<Base, PathFault> {
        if let Some(literal) = self.scope.constants.get(name) {
            return Ok(Base::Of(Box::new(Expr::Literal(literal.clone()))));
        }
        match name {
            "rowIndex" => Ok(Base::Of(Box::new(Expr::RowIndex))),
            "resource" | "rootResource" | "context" => Ok(Base::Resource),
            _ => {
                let known = self.scope.constants.keys().map(String::as_str).chain(["rowIndex"]);
                let hint = nearest(name, known).map_or_else(
                    || "declare it among the view's constants".to_owned(),
                    |known| format!("did you mean `%{known}`?"),
                );
                Err(PathFault::new(at, format!("no constant is named `{name}`")).hint(hint))
            }
        }
    }

    fn steps(&mut self, steps: &mut Vec<Step>) -> Result<(), PathFault> {
        loop {
            let at = self.at();
            if self.take(".") {
                let Some(Token::Name(name) | Token::Quoted(name)) = self.peek().cloned() else {
                    return Err(self.fault("a member or function is missing"));
                };
                let at = self.at();
                self.next += 1;
                if matches!(self.peek(), Some(Token::Mark("("))) {
                    self.function(&name, at, steps)?;
                } else {
                    steps.push(Step::Member(name));
                }
            } else if self.take("[") {
                let index = self.deeper(Self::or)?;
                self.expect("]")?;
                let index = if let Expr::Literal(Literal::Number(number)) = index {
                    number.to_integer()
                } else {
                    None
                };
                let index = index.and_then(|index| usize::try_from(index).ok());
                let index = index.ok_or_else(|| {
                    PathFault::new(at, "an index is a whole number or a constant of one")
                })?;
                steps.push(Step::Index(index));
            } else {
                return Ok(());
            }
        }
    }

    /// Reads a function's arguments and adds its step.
    fn function(&mut self, name: &str, at: usize, steps: &mut Vec<Step>) -> Result<(), PathFault> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                // A type's name is no path: it is read as one alone where a type belongs.
                arguments.push(if matches!(name, "ofType" | "getReferenceKey") {
                    self.type_name()?
                } else {
                    Argument::Expr(self.deeper(Self::or)?)
                });
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let count = arguments.len();
        let argument = arguments.into_iter().next();
        let wrong = |wanted: &str| PathFault::new(at, format!("`{name}` takes {wanted}"));
        let step = match (name, argument, count) {
            ("where", Some(Argument::Expr(criterion)), 1) => Step::Where(criterion),
            ("where", ..) => return Err(wrong("one criterion")),
            ("exists", None, 0) => Step::Exists(None),
            ("exists", Some(Argument::Expr(criterion)), 1) => Step::Exists(Some(criterion)),
            ("exists", ..) => return Err(wrong("no argument, or one criterion")),
            ("empty", None, 0) => Step::Empty,
            ("not", None, 0) => Step::Not,
            ("first", None, 0) => Step::First,
            ("lowBoundary", None, 0) => Step::Boundary { high: false },
            ("highBoundary", None, 0) => Step::Boundary { high: true },
            ("getResourceKey", None, 0) => Step::ResourceKey,
            ("empty" | "not" | "first" | "lowBoundary" | "highBoundary" | "getResourceKey", ..) => {
                return Err(wrong("no argument"));
            }
            ("getReferenceKey", None, 0) => Step::ReferenceKey(None),
            ("getReferenceKey", Some(Argument::Type(of)), 1) => Step::ReferenceKey(Some(of.name)),
            ("getReferenceKey", ..) => return Err(wrong("at most a resource type")),
            ("ofType", Some(Argument::Type(of)), 1) => match steps.pop() {
                Some(Step::Member(name)) => {
                    let mut member = name.clone();
                    let mut chars = of.name.chars();
                    member.extend(chars.next().map(|first| first.to_ascii_uppercase()));
                    member.push_str(chars.as_str());
                    Step::Choice { name, member, of }
                }
                before => {
                    steps.extend(before);
                    Step::OfType(of)
                }
            },
            ("ofType", ..) => return Err(wrong("one type")),
            ("extension", Some(Argument::Expr(Expr::Literal(Literal::Text(url, _)))), 1) => {
                Step::Extension(url)
            }
            ("extension", ..) => return Err(wrong("the URL of an extension as a text")),
            ("join", None, 0) => Step::Join(String::new()),
            ("join", Some(Argument::Expr(Expr::Literal(Literal::Text(by, _)))), 1) => {
                Step::Join(by)
            }
            ("join", ..) => return Err(wrong("a separator as a text")),
            _ => {
                let fault = PathFault::new(at, format!("no function is named `{name}` here"));
                return Err(match nearest(name, FUNCTIONS.iter().copied()) {
                    Some(known) => fault.hint(format!("did you mean `{known}()`?")),
                    None => fault.hint(format!("there are {}", FUNCTIONS.join(", "))),
                });
            }
        };
        steps.push(step);
        Ok(())
    }

    fn type_name(&mut self) -> Result<Argument, PathFault> {
        let at = self.at();
        let missing = || PathFault::new(at, "a type's name is missing here");
        loop {
            let Some(Token::Name(name) | Token::Quoted(name)) = self.peek().cloned() else {
                return Err(missing());
            };
            self.next += 1;
            // `FHIR.Patient` and `System.String` lie in namespaces.
            if matches!(name.as_str(), "FHIR" | "System") && self.take(".") {
                continue;
            }
            let is = Type::named(&name).or_else(|| Type::named(&format!("System.{name}")));
            let is = is.ok_or_else(|| PathFault::new(at, format!("`{name}` is no FHIR type")))?;
            return Ok(Argument::Type(TypeName { name, is }));
        }
    }
}

enum Argument {
    Expr(Expr),
    Type(TypeName),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Expr, PathFault> {
        let constants = BTreeMap::from([("n".to_owned(), Literal::Number(Decimal::whole(1)))]);
        parse(text, &Scope { resource: "Patient", constants: &constants })
    }

    #[test]
    fn operators_bind_as_fhirpath_says() {
        let written = "a or b and c = 1 + 2 * 3";
        let meant = "a or (b and (c = (1 + (2 * 3))))";
        assert_eq!(read(written).unwrap(), read(meant).unwrap());
    }

    #[test]
    fn a_choice_is_one_step() {
        let Expr::Path(Base::This, steps) = read("value.ofType(dateTime).first()").unwrap() else {
            panic!("a path was read as something else");
        };
        let of = TypeName { name: "dateTime".to_owned(), is: Type::DateTime };
        let (name, member) = ("value".to_owned(), "valueDateTime".to_owned());
        assert_eq!(steps, [Step::Choice { name, member, of }, Step::First]);
    }

    #[test]
    fn what_is_not_in_the_subset_is_refused_where_it_stands() {
        for (text, at) in [
            ("@@", 1),
            ("", 1),
            ("a.", 3),
            ("a..b", 3),
            ("a b", 3),
            ("name.frist()", 6),
            ("a in b", 3),
            ("'open", 1),
            ("%nn", 1),
            ("Observation.id", 1),
            ("a[b]", 2),
            ("where()", 1),
            ("a.ofType(1)", 10),
            ("(a", 3),
            ("é", 1),
            ("$index", 1),
            ("a = ", 5),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
        let hint = read("name.frist()").unwrap_err().hint.unwrap();
        assert!(hint.contains("`first()`"), "{hint}");
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(read(&deep).unwrap_err().message.contains("levels"), "the stack would overflow");
        assert!(read(&"-".repeat(100_000)).unwrap_err().message.contains("levels"));
    }
}

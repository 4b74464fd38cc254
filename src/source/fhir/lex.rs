//! The words of a FHIRPath expression.
//!
//! Comes in: its text. Goes out: tokens with the character they begin at. Never: a character that
//! is passed over unread.

use super::parse::PathFault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    /// A name between backticks: a member, whatever it spells.
    Quoted(String),
    Text(String),
    Number(String),
    /// A date or time after its `@`.
    Moment(String),
    /// `%name`.
    Constant(String),
    This,
    Mark(&'static str),
}

const MARKS: &[&str] = &[
    "<=", ">=", "!=", "!~", ".", "(", ")", "[", "]", "{", "}", ",", "+", "-", "*", "/", "=", "~",
    "<", ">", "|", "&",
];

/// Returns the tokens, each with the character it begins at, from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, PathFault> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let at = text.get(..at).unwrap_or_default().chars().count() + 1;
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let (token, after) = match first {
            '\'' => {
                let (value, after) = quoted(rest, '\'', at)?;
                (Token::Text(value), after)
            }
            '`' => {
                let (value, after) = quoted(rest, '`', at)?;
                (Token::Quoted(value), after)
            }
            '%' => constant(rest, at)?,
            '$' => match rest.strip_prefix("$this") {
                Some(after) if !after.starts_with(is_word) => (Token::This, after),
                Some(_) | None => {
                    return Err(PathFault::new(at, "`$` begins nothing but `$this` here")
                        .hint("the place of a row is `%rowIndex`"));
                }
            },
            '@' => {
                let (value, after) = run(rest.get(1..).unwrap_or_default(), |c| {
                    c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z' | '.' | '+')
                });
                if value.is_empty() {
                    return Err(PathFault::new(at, "no date or time follows the `@`")
                        .hint("such as @1970-01-31, @2020-01-01T12:00:00Z or @T14:30"));
                }
                (Token::Moment(value.trim_start_matches('T').to_owned()), after)
            }
            '0'..='9' => {
                let (whole, after) = run(rest, |c| c.is_ascii_digit());
                let fraction =
                    after.strip_prefix('.').map(|after| run(after, |c| c.is_ascii_digit()));
                match fraction {
                    Some((fraction, after)) if !fraction.is_empty() => {
                        (Token::Number(format!("{whole}.{fraction}")), after)
                    }
                    Some(_) | None => (Token::Number(whole.to_owned()), after),
                }
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let (name, after) = run(rest, is_word);
                (Token::Name(name.to_owned()), after)
            }
            _ => {
                let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
                let Some(mark) = mark else {
                    return Err(PathFault::new(at, "this begins nothing that FHIRPath knows"));
                };
                (Token::Mark(mark), rest.get(mark.len()..).unwrap_or_default())
            }
        };
        found.push((token, at));
        rest = after;
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn run(text: &str, of: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

/// Reads a constant's name: bare, or quoted as FHIRPath has it.
fn constant(rest: &str, at: usize) -> Result<(Token, &str), PathFault> {
    let after = rest.get(1..).unwrap_or_default();
    let (name, after) = if let Some(mark @ ('`' | '\'')) = after.chars().next() {
        quoted(after, mark, at)?
    } else {
        let (name, after) = run(after, is_word);
        (name.to_owned(), after)
    };
    if name.is_empty() {
        return Err(PathFault::new(at, "no name follows the `%`"));
    }
    Ok((Token::Constant(name), after))
}

/// Reads a text between quotes, with FHIRPath's escapes.
fn quoted(rest: &str, mark: char, at: usize) -> Result<(String, &str), PathFault> {
    let open = || PathFault::new(at, "what opens here does not close");
    let mut value = String::new();
    let mut chars = rest.get(1..).unwrap_or_default().chars();
    loop {
        match chars.next().ok_or_else(open)? {
            c if c == mark => return Ok((value, chars.as_str())),
            '\\' => value.push(match chars.next().ok_or_else(open)? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\u{c}',
                'u' => {
                    let digits = chars.as_str().get(..4).ok_or_else(open)?;
                    let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                    chars = chars.as_str().get(4..).unwrap_or_default().chars();
                    code.ok_or_else(|| PathFault::new(at, "an escape that is no character"))?
                }
                other @ ('\'' | '"' | '`' | '\\' | '/') => other,
                _ => return Err(PathFault::new(at, "an escape that FHIRPath does not know")),
            }),
            c => value.push(c),
        }
    }
}

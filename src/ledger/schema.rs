//! What the body of an entry holds: members, their forms, subjects, signatures.
//!
//! Comes in: a kind, or an entry's parts. Goes out: its [`Schema`], or what does not fit it, by name.
//! Never: a value of an entry in an error, or a member that the schema does not name let through.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

mod kinds;

use std::{fmt, ops::RangeInclusive};

use serde_json::{Map, Value, json};

use super::{entry::Subject, kind::Kind};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::{Date, Instant},
    signed_note::Verifier,
};

/// The greatest integer that every JSON reader keeps exactly: 2^53-1.
const INTEGER_MAX: u64 = 9_007_199_254_740_991;

/// The longest text of a member.
const TEXT_CHARS_MAX: usize = 20_000;

/// The most digits to the right of an amount's point.
const SCALE_MAX: u64 = 18;

/// What a member's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An integer from 0 to 2^53-1.
    Number,
    /// A number of people or decisions; few of them are told as `<10` alone.
    Count,
    /// 64 hex digits: a digest, a root, a keyed commitment, an entry's id.
    Hash,
    /// A text without control characters but line ends and tabs.
    Text,
    /// A day, `2026-11-22`.
    Day,
    /// An instant, `2026-11-22T09:30:00Z`.
    Instant,
    /// An amount of money: digits, their scale and the currency.
    Money,
    /// A public key under a name: `name+hash+base64`.
    Vkey,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A list of values of one form.
    Each(&'static Self),
    /// An object of these members.
    Object(&'static [Member]),
    /// An object whose own rules stand with who writes it.
    Free,
    /// A value of the first form or of the second.
    Either(&'static Self, &'static Self),
    /// A value of the form, or `null`.
    OrNull(&'static Self),
}

/// A member of a body or of an object in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
}

/// What an entry of one kind, version 1, holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The members of its body, beside those that every entry has.
    pub members: &'static [Member],
    /// How many subjects it speaks of.
    pub subjects: RangeInclusive<usize>,
    /// How many keys sign it.
    pub signatures: RangeInclusive<usize>,
}

/// How an entry does not fit the schema of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A member is missing.
    #[error("an entry of kind `{kind}` has the member `{member}`, and this one has not")]
    Missing {
        /// The kind.
        kind: Kind,
        /// The member's path.
        member: String,
    },
    /// A member is there that the schema does not name. Its name may be anything: it is not shown.
    #[error("an entry of kind `{kind}` has other members than its schema in {place}")]
    Unknown {
        /// The kind.
        kind: Kind,
        /// Where.
        place: String,
    },
    /// A member's value is of another form.
    #[error("in an entry of kind `{kind}` the member `{member}` is {form}, and here it is not")]
    Form {
        /// The kind.
        kind: Kind,
        /// The member's path.
        member: String,
        /// What it should be.
        form: Form,
    },
    /// It speaks of more or fewer subjects.
    #[error("an entry of kind `{kind}` does not have {found} subjects")]
    Subjects {
        /// The kind.
        kind: Kind,
        /// How many it has.
        found: usize,
    },
    /// It bears more or fewer signatures.
    #[error("an entry of kind `{kind}` does not bear {found} signatures")]
    Signatures {
        /// The kind.
        kind: Kind,
        /// How many it bears.
        found: usize,
    },
}

impl Schema {
    /// Returns the schema of a kind, version 1.
    pub fn of(kind: Kind) -> Self {
        kinds::schema(kind)
    }

    /// Says whether the parts of an entry of `kind` fit; `body` is without the common members.
    pub fn check<'a>(
        kind: Kind,
        body: &(impl Iterator<Item = (&'a String, &'a Value)> + Clone),
        subjects: usize,
        signatures: usize,
    ) -> Result<(), Error> {
        let schema = Self::of(kind);
        members(kind, "", schema.members, body)?;
        if !schema.subjects.contains(&subjects) {
            return Err(Error::Subjects { kind, found: subjects });
        }
        if !schema.signatures.contains(&signatures) {
            return Err(Error::Signatures { kind, found: signatures });
        }
        Ok(())
    }

    /// Returns the least body that fits: every required member, each with a plain value.
    pub fn sample(&self) -> Map<String, Value> {
        sample(self.members)
    }

    /// Returns the fewest subjects that fit.
    pub fn sample_subjects(&self) -> Vec<Subject> {
        let subject = Subject { name: "text".to_owned(), sha3: Sha3Digest::of(b""), sha256: None };
        vec![subject; *self.subjects.start()]
    }
}

fn members<'a>(
    kind: Kind,
    place: &str,
    known: &[Member],
    found: &(impl Iterator<Item = (&'a String, &'a Value)> + Clone),
) -> Result<(), Error> {
    let path = |name: &str| {
        if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
    };
    if found.clone().any(|(name, _)| known.iter().all(|member| member.name != name)) {
        let place = if place.is_empty() { "its body".into() } else { format!("`{place}`") };
        return Err(Error::Unknown { kind, place });
    }
    for member in known {
        match found.clone().find(|(name, _)| *name == member.name) {
            None if member.required => {
                return Err(Error::Missing { kind, member: path(member.name) });
            }
            None => {}
            Some((_, value)) => member.form.check(kind, &path(member.name), value)?,
        }
    }
    Ok(())
}

fn sample(members: &[Member]) -> Map<String, Value> {
    let required = members.iter().filter(|member| member.required);
    required.map(|member| (member.name.to_owned(), member.form.sample())).collect()
}

impl Form {
    fn check(self, kind: Kind, path: &str, value: &Value) -> Result<(), Error> {
        let wrong = || Error::Form { kind, member: path.to_owned(), form: self };
        let text = value.as_str();
        let number = || value.as_u64().is_some_and(|number| number <= INTEGER_MAX);
        let good = match self {
            Self::Number => number(),
            Self::Count => text.map_or_else(number, is_few),
            Self::Hash => text.is_some_and(is_hash),
            Self::Text => text.is_some_and(is_plain),
            Self::Day => {
                text.is_some_and(|t| t.parse::<Date>().is_ok_and(|day| day.to_string() == t))
            }
            Self::Instant => {
                text.is_some_and(|t| Instant::parse(t).is_ok_and(|i| i.to_string() == t))
            }
            Self::Vkey => text.is_some_and(|t| Verifier::parse(t).is_ok_and(|k| k.vkey() == t)),
            Self::OneOf(words) => text.is_some_and(|t| words.contains(&t)),
            Self::Money => is_money(value),
            Self::Free => value.is_object(),
            Self::Flag => value.is_boolean(),
            Self::Either(one, other) => {
                return one.check(kind, path, value).or_else(|_| other.check(kind, path, value));
            }
            Self::OrNull(form) => {
                return if value.is_null() { Ok(()) } else { form.check(kind, path, value) };
            }
            Self::Each(form) => {
                let each = value.as_array().ok_or_else(wrong)?;
                return each.iter().try_for_each(|one| form.check(kind, path, one));
            }
            Self::Object(known) => {
                return members(kind, path, known, &value.as_object().ok_or_else(wrong)?.iter());
            }
        };
        if good { Ok(()) } else { Err(wrong()) }
    }

    fn sample(self) -> Value {
        match self {
            Self::Number | Self::Count => 10.into(),
            Self::Hash => Sha256::of(b"").to_string().into(),
            Self::Text => "text".into(),
            Self::Day => "2026-11-22".into(),
            Self::Instant => "2026-11-22T09:30:00Z".into(),
            Self::Money => json!({"amount": "1000", "currency": "EUR", "scale": 2}),
            Self::Vkey => {
                "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".into()
            }
            Self::OneOf(words) => words.first().copied().unwrap_or_default().into(),
            Self::Each(form) => vec![form.sample()].into(),
            Self::Object(members) => sample(members).into(),
            Self::Free => Map::new().into(),
            Self::Flag => false.into(),
            Self::Either(form, _) => form.sample(),
            Self::OrNull(_) => Value::Null,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("an integer from 0 to 2^53-1"),
            Self::Count => f.write_str("a number, or `<` and a number"),
            Self::Hash => f.write_str("64 hex digits"),
            Self::Text => f.write_str("a plain text"),
            Self::Day => f.write_str("a day"),
            Self::Instant => f.write_str("an instant"),
            Self::Money => f.write_str("an amount of money"),
            Self::Vkey => f.write_str("a public key under a name"),
            Self::Flag => f.write_str("true or false"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Each(form) => write!(f, "a list, each {form}"),
            Self::Object(_) | Self::Free => f.write_str("an object"),
            Self::Either(one, other) => write!(f, "{one} or {other}"),
            Self::OrNull(form) => write!(f, "{form} or null"),
        }
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_few(text: &str) -> bool {
    text.strip_prefix('<').is_some_and(|bound| is_digits(bound) && bound.len() <= 3)
}

fn is_digits(text: &str) -> bool {
    let plain = text == "0" || !text.starts_with('0');
    plain && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_plain(text: &str) -> bool {
    let clean = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    clean && text.chars().count() <= TEXT_CHARS_MAX
}

fn is_money(value: &Value) -> bool {
    let Some(object) = value.as_object().filter(|object| object.len() == 3) else { return false };
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let amount = text("amount").map(|amount| amount.strip_prefix('-').unwrap_or(amount));
    let currency = text("currency")
        .is_some_and(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()));
    let scale = object.get("scale").and_then(Value::as_u64).is_some_and(|s| s <= SCALE_MAX);
    amount.is_some_and(|digits| is_digits(digits) && digits.len() <= 39) && currency && scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, body: &Map<String, Value>) -> Result<(), Error> {
        let schema = Schema::of(kind);
        Schema::check(kind, &body.iter(), *schema.subjects.start(), *schema.signatures.start())
    }

    /// Every place of a value: itself, and all that lie in it.
    fn places(value: &Value, at: &str) -> Vec<String> {
        let mut all = vec![at.to_owned()];
        match value {
            Value::Object(members) => {
                all.extend(members.iter().flat_map(|(n, v)| places(v, &format!("{at}/{n}"))));
            }
            Value::Array(each) => {
                all.extend(
                    each.iter().enumerate().flat_map(|(n, v)| places(v, &format!("{at}/{n}"))),
                );
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        all
    }

    #[test]
    fn the_sample_of_every_kind_fits_and_loses_its_fit_with_any_member() {
        for kind in Kind::ALL {
            let sample = Schema::of(kind).sample();
            assert_eq!(check(kind, &sample), Ok(()), "{kind}: its own sample is refused");
            for name in sample.keys() {
                let mut less = sample.clone();
                less.remove(name);
                let missing = Error::Missing { kind, member: name.clone() };
                assert_eq!(check(kind, &less), Err(missing), "{kind} passed without `{name}`");
            }
            let mut more = sample.clone();
            more.insert("another".to_owned(), 1.into());
            assert!(check(kind, &more).is_err(), "{kind} passed with a member nobody defined");
        }
    }

    #[test]
    fn a_value_of_another_form_is_refused_wherever_it_stands() {
        for kind in Kind::ALL {
            let sample = Value::Object(Schema::of(kind).sample());
            for place in places(&sample, "").into_iter().filter(|place| !place.is_empty()) {
                for wrong in [json!([true]), json!(-1), json!("\u{1}")] {
                    let mut changed = sample.clone();
                    *changed.pointer_mut(&place).unwrap() = wrong.clone();
                    let body = changed.as_object().unwrap();
                    assert!(check(kind, body).is_err(), "{kind}{place} passed as {wrong}");
                }
            }
        }
    }

    #[test]
    fn no_error_shows_what_an_entry_holds() {
        let secret = "Mustermann-1963";
        for kind in Kind::ALL {
            for (name, _) in Schema::of(kind).sample() {
                let mut body = Schema::of(kind).sample();
                body.insert(name, json!([{secret: [secret, {}]}]));
                let Err(error) = check(kind, &body) else { continue };
                assert!(!error.to_string().contains(secret), "{error}");
            }
            let mut body = Schema::of(kind).sample();
            body.insert(secret.to_owned(), 1.into());
            assert!(!check(kind, &body).unwrap_err().to_string().contains(secret));
        }
    }

    #[test]
    fn numbers_counts_days_and_sums_have_one_way_to_be_written() {
        let good = |form: Form, value: Value| form.check(Kind::LogGenesis, "x", &value).is_ok();
        for (form, value, fits) in [
            (Form::Number, json!(9_007_199_254_740_991_u64), true),
            (Form::Number, json!(9_007_199_254_740_992_u64), false),
            (Form::Count, json!("<10"), true),
            (Form::Count, json!("<010"), false),
            (Form::Count, json!("<"), false),
            (Form::Count, json!("10"), false),
            (Form::Day, json!("2026-02-29"), false),
            (Form::Day, json!("2026-11-22T00:00:00Z"), false),
            (Form::Instant, json!("2026-11-22T09:30:00+00:00"), false),
            (Form::Hash, json!("A".repeat(64)), false),
            (Form::Money, json!({"amount": "-5", "currency": "EUR", "scale": 2}), true),
            (Form::Money, json!({"amount": 5, "currency": "EUR", "scale": 2}), false),
            (Form::Money, json!({"amount": "05", "currency": "EUR", "scale": 2}), false),
            (Form::Money, json!({"amount": "5", "currency": "eur", "scale": 2}), false),
            (Form::Money, json!({"amount": "5", "currency": "EUR", "scale": 2, "x": 1}), false),
        ] {
            assert_eq!(good(form, value.clone()), fits, "{form:?} of {value}");
        }
    }
}

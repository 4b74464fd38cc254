//! Words for people in their language: every sentence that a contributor reads, and how numbers, money
//! and dates are written.
//!
//! Comes in: a message's name and its figures. Goes out: text. Never: a sentence in the code, or a
//! figure that one language tells and the other does not.

use std::{fmt, str::FromStr, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use serde::{Deserialize, Serialize};
use unic_langid::LanguageIdentifier;

use super::number::grouped;
use crate::{
    instant::{Date, Instant},
    money::{Accrual, Amount},
    purpose::Purpose,
};

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

/// A language is not among those that pages are written in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no pages are written in that language: it is en or de")]
pub struct LangError;

impl Lang {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// Returns its code as HTML, PDF and file names spell it.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Lang {
    type Err = LangError;

    fn from_str(text: &str) -> Result<Self, LangError> {
        Self::ALL.into_iter().find(|lang| lang.code() == text).ok_or(LangError)
    }
}

/// The messages of one language.
pub struct Messages {
    lang: Lang,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("lang", &self.lang).finish_non_exhaustive()
    }
}

/// What a message says of one of its variables: text as it stands, or a count that also picks the
/// plural.
#[derive(Debug, Clone, Copy)]
pub(super) enum Say<'a> {
    /// Text, such as a formatted amount.
    Text(&'a str),
    /// A count; the message's `{$name}` picks the plural, `{$name-text}` is the number as text.
    Count(u64),
}

impl Messages {
    /// Returns the messages of a language.
    pub fn of(lang: Lang) -> &'static Self {
        static EN: LazyLock<Messages> =
            LazyLock::new(|| Messages::read(Lang::En, include_str!("messages/en.ftl")));
        static DE: LazyLock<Messages> =
            LazyLock::new(|| Messages::read(Lang::De, include_str!("messages/de.ftl")));
        match lang {
            Lang::En => &EN,
            Lang::De => &DE,
        }
    }

    fn read(lang: Lang, text: &str) -> Self {
        let name: LanguageIdentifier = lang.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![name]);
        // The marks that keep two directions of writing apart would stand as boxes in a PDF.
        bundle.set_use_isolating(false);
        let resource = match FluentResource::try_new(text.to_owned()) {
            Ok(whole) => whole,
            // What could be read is kept; a test reads both files whole.
            Err((part, _)) => part,
        };
        drop(bundle.add_resource(resource));
        Self { lang, bundle }
    }

    /// Returns the language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Returns a message without variables.
    pub(super) fn say(&self, name: &str) -> String {
        self.tell(name, &[])
    }

    /// Returns a message of a family such as `reject-…`, or the member's own name where there is none.
    pub(super) fn one_of(&self, family: &str, member: &str) -> String {
        let name = format!("{family}-{member}");
        if self.bundle.has_message(&name) { self.say(&name) } else { member.to_owned() }
    }

    /// Returns a message with its variables.
    pub(super) fn tell(&self, name: &str, variables: &[(&str, Say<'_>)]) -> String {
        let Some(pattern) = self.bundle.get_message(name).and_then(|message| message.value())
        else {
            return name.to_owned();
        };
        let mut args = FluentArgs::with_capacity(variables.len());
        for (name, say) in variables {
            match say {
                Say::Text(text) => args.set(*name, FluentValue::from(*text)),
                Say::Count(count) => {
                    args.set(*name, FluentValue::from(*count));
                    args.set(format!("{name}-text"), FluentValue::from(self.count(*count)));
                }
            }
        }
        let mut faults = Vec::new();
        self.bundle.format_pattern(pattern, Some(&args), &mut faults).into_owned()
    }

    /// Writes a count, `31,204` or `31.204`.
    pub(super) fn count(&self, count: u64) -> String {
        self.decimal(&count.to_string())
    }

    /// Writes decimal text such as `94871.16` in the language's way; other text stays as it is.
    pub(super) fn decimal(&self, text: &str) -> String {
        let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return text.to_owned();
        }
        let (thousand, point) = match self.lang {
            Lang::En => (',', "."),
            Lang::De => ('.', ","),
        };
        let point = if fraction.is_empty() { "" } else { point };
        format!("{sign}{}{point}{fraction}", grouped(whole, thousand))
    }

    /// Writes decimal text as money: `EUR 1,234.56` or `1.234,56 EUR`.
    pub(super) fn money(&self, text: &str, currency: &str) -> String {
        let amount = self.decimal(text);
        match self.lang {
            Lang::En => format!("{currency}\u{a0}{amount}"),
            Lang::De => format!("{amount}\u{a0}{currency}"),
        }
    }

    /// Writes an accrual as money, with as many decimals as it has and at least the currency's.
    pub(super) fn accrual(&self, accrual: Accrual) -> String {
        self.money(&trimmed(accrual), accrual.currency().code())
    }

    /// Writes an accrual without its currency.
    pub(super) fn accrual_number(&self, accrual: Accrual) -> String {
        self.decimal(&trimmed(accrual))
    }

    /// Writes an amount as money.
    pub(super) fn amount(&self, amount: Amount) -> String {
        self.money(&amount.decimal(), amount.currency().code())
    }

    /// Writes a part in millionths as per cent, exactly: `30 %`, `9.0909 %`.
    pub(super) fn percent(&self, ppm: u128) -> String {
        let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{}\u{a0}%", self.decimal(text))
    }

    /// Writes hundredths of a percent as per cent.
    pub(super) fn basis(&self, bps: u32) -> String {
        self.percent(u128::from(bps) * 100)
    }

    /// Writes a share in billionths as per cent, rounded down to the fourth decimal.
    pub(super) fn share(&self, ppb: u64) -> String {
        if (1..1_000).contains(&ppb) {
            return self.tell("under-percent", &[("least", Say::Text(&self.decimal("0.0001")))]);
        }
        self.percent(u128::from(ppb / 1_000))
    }

    /// Writes a date in words: `2 January 2027`, `2. Januar 2027`.
    pub(super) fn date(&self, date: Date) -> String {
        use chrono::Datelike as _;
        let month = self.say(MONTHS.get(date.month0() as usize).copied().unwrap_or_default());
        match self.lang {
            Lang::En => format!("{}\u{a0}{month} {}", date.day(), date.year()),
            Lang::De => format!("{}.\u{a0}{month} {}", date.day(), date.year()),
        }
    }

    /// Writes an instant in words: `22 November 2026, 09:30 UTC`.
    pub(super) fn instant(&self, time: Instant) -> String {
        let second = time.unix().rem_euclid(86_400);
        format!("{}, {:02}:{:02} UTC", self.date(time.date()), second / 3_600, second / 60 % 60)
    }

    /// Says a purpose in words, with its code.
    pub(super) fn purpose(&self, purpose: &Purpose) -> String {
        let code = purpose.as_str();
        let name = match code.split('=').next().unwrap_or(code) {
            "DUO:0000004" => "purpose-any",
            "DUO:0000006" => "purpose-health",
            "DUO:0000007" => "purpose-disease",
            "DUO:0000011" => "purpose-ancestry",
            "DUO:0000042" => "purpose-general",
            "HL7:HPAYMT" => "purpose-payment",
            _ => return purpose.label(),
        };
        format!("{} ({code})", self.say(name))
    }
}

/// Cuts the zeros off that say nothing, down to the currency's own decimals.
fn trimmed(accrual: Accrual) -> String {
    let text = accrual.decimal();
    let places = usize::from(accrual.currency().exponent());
    let least = text.find('.').map_or(text.len(), |point| {
        if places == 0 { point } else { point.saturating_add(places).saturating_add(1) }
    });
    let used = text.trim_end_matches('0').trim_end_matches('.').len().max(least);
    text.get(..used).unwrap_or(&text).to_owned()
}

const MONTHS: [&str; 12] = [
    "month-1", "month-2", "month-3", "month-4", "month-5", "month-6", "month-7", "month-8",
    "month-9", "month-10", "month-11", "month-12",
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The messages of a file: each name, and the variables that it takes.
    fn parsed(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut name = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((left, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
                left.clone_into(&mut name);
                assert!(messages.insert(name.clone(), BTreeSet::new()).is_none(), "{left} twice");
            }
            for piece in line.split('$').skip(1) {
                let end = piece.find([' ', '}']).unwrap_or(piece.len());
                messages.get_mut(&name).unwrap().insert(piece[..end].to_owned());
            }
        }
        messages
    }

    impl Messages {
        pub(in crate::report) fn names(lang: Lang) -> Vec<String> {
            parsed(text(lang)).into_keys().collect()
        }
    }

    fn text(lang: Lang) -> &'static str {
        match lang {
            Lang::En => include_str!("messages/en.ftl"),
            Lang::De => include_str!("messages/de.ftl"),
        }
    }

    #[test]
    fn every_language_has_the_same_messages_with_the_same_variables_and_all_can_be_read() {
        let (en, de) = (parsed(text(Lang::En)), parsed(text(Lang::De)));
        let missing: Vec<_> = en.keys().filter(|name| !de.contains_key(*name)).collect();
        let extra: Vec<_> = de.keys().filter(|name| !en.contains_key(*name)).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "only English: {missing:?}; not: {extra:?}"
        );
        for (name, variables) in &en {
            // `{$count-text}` is `{$count}` written out: one language may need it where another does not.
            let of = |all: &BTreeSet<String>| -> BTreeSet<String> {
                all.iter().map(|name| name.trim_end_matches("-text").to_owned()).collect()
            };
            assert_eq!(of(variables), of(&de[name]), "{name} says other figures in German");
        }
        for lang in Lang::ALL {
            assert!(FluentResource::try_new(text(lang).to_owned()).is_ok(), "{lang} has a fault");
            for name in parsed(text(lang)).keys() {
                assert!(Messages::of(lang).bundle.has_message(name), "{lang} does not read {name}");
            }
        }
    }

    /// The text of every file of this room, and of the tests of none.
    fn sources() -> String {
        fn walk(folder: &std::path::Path, all: &mut String) {
            for file in std::fs::read_dir(folder).unwrap() {
                let file = file.unwrap().path();
                if file.is_dir() {
                    walk(&file, all);
                } else if file.extension().is_some_and(|kind| kind == "rs")
                    && file.file_name().is_some_and(|name| name != "tests.rs")
                {
                    let text = std::fs::read_to_string(&file).unwrap();
                    all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
                }
            }
        }
        let mut all = String::new();
        walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report"), &mut all);
        all
    }

    #[test]
    fn no_message_is_unused_and_none_that_is_said_is_missing() {
        let known = parsed(text(Lang::En));
        let sources = sources();
        let families = [
            "layer-",
            "decision-",
            "consent-",
            "reject-",
            "explain-layer-",
            "cover-outcome-",
            "cover-state-",
        ];
        for name in known.keys() {
            let of_family = families.iter().any(|family| name.starts_with(family));
            let said = sources.contains(&format!("\"{name}\""));
            assert!(said || of_family, "message `{name}` is said nowhere");
        }
        for call in ["say(", "tell("] {
            for rest in sources.split(call).skip(1) {
                let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
                let name = rest.split('"').next().unwrap();
                assert!(known.contains_key(name), "`{name}` is said and no message");
            }
        }
        for layer in crate::reward::Layer::ALL {
            for family in ["layer", "explain-layer"] {
                let name = format!("{family}-{}", layer.name());
                assert!(known.contains_key(&name), "{name} is missing");
            }
        }
        for outcome in crate::cover::Outcome::ALL {
            let name = format!("cover-outcome-{}", outcome.as_str());
            assert!(known.contains_key(&name), "{name} is missing");
        }
        for action in ["grant", "withdraw", "opt-out", "opt-in"] {
            assert!(crate::consent::Action::parse(action).is_some(), "{action} is no action");
            assert!(known.contains_key(&format!("consent-{action}")), "{action} is missing");
        }
        for decision in ["correct", "exclude-contributor"] {
            assert!(known.contains_key(&format!("decision-{decision}")), "{decision} is missing");
        }
    }

    #[test]
    fn numbers_money_and_dates_are_written_as_the_language_writes_them() {
        let (en, de) = (Messages::of(Lang::En), Messages::of(Lang::De));
        let day = "2027-03-03".parse().unwrap();
        assert_eq!(en.decimal("-1234567.89"), "−1,234,567.89");
        assert_eq!(de.decimal("-1234567.89"), "−1.234.567,89");
        assert_eq!(en.money("1234.56", "EUR"), "EUR\u{a0}1,234.56");
        assert_eq!(de.money("1234.56", "EUR"), "1.234,56\u{a0}EUR");
        assert_eq!(
            (en.date(day), de.date(day)),
            ("3\u{a0}March 2027".into(), "3.\u{a0}März 2027".into())
        );
        assert_eq!(de.percent(90_909), "9,0909\u{a0}%");
        assert_eq!(en.basis(750), "7.5\u{a0}%");
        assert_eq!((en.share(999), en.share(0)), ("under 0.0001 %".into(), "0\u{a0}%".into()));
        assert_eq!(en.decimal("<script>"), "<script>", "other text stays as it is");
        let yen = Accrual::new(12_500_000, crate::money::Currency::parse("JPY").unwrap());
        assert_eq!(en.accrual(yen), "JPY\u{a0}12.5");
        let yen = Accrual::new(12_000_000, crate::money::Currency::parse("JPY").unwrap());
        assert_eq!(de.accrual(yen), "12\u{a0}JPY", "a currency without exponent has no decimals");
        assert_eq!("fr".parse::<Lang>(), Err(LangError));
    }

    #[test]
    fn one_is_not_many() {
        for (lang, one, two) in [
            (Lang::En, "with the next settlement", "in 2 settlements"),
            (Lang::De, "mit der nächsten Abrechnung", "in 2 Abrechnungen"),
        ] {
            let due = |count| Messages::of(lang).tell("later-due", &[("count", Say::Count(count))]);
            assert_eq!((due(1), due(2)), (one.to_owned(), two.to_owned()));
        }
    }
}

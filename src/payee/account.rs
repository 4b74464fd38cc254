//! Accounts and countries: IBAN (ISO 13616), BIC (ISO 9362), country codes (ISO 3166-1 alpha-2).
//!
//! Comes in: text. Goes out: values that a bank takes. Never: the text in an error or in `Debug`.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// What is wrong with a part of an account. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Not of the form of an IBAN.
    #[error("an IBAN is two letters, two digits and up to 30 capitals or digits")]
    IbanForm,
    /// Of another length than its country's.
    #[error("an IBAN of its country has {0} characters")]
    IbanLength(usize),
    /// The check digits are wrong.
    #[error("the check digits of the IBAN are wrong")]
    IbanCheck,
    /// Not a BIC.
    #[error("a BIC is eight or eleven capitals and digits, the first six of them capitals")]
    Bic,
    /// Not a country.
    #[error("a country is two capitals of ISO 3166-1, such as DE")]
    Country,
    /// No name that a bank takes.
    #[error("the name of an account's holder is 1 to 140 characters without controls")]
    Name,
}

/// Where money goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The holder's name.
    pub name: String,
    /// The account.
    pub iban: Iban,
    /// The bank, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bic: Option<Bic>,
}

impl Account {
    /// Makes an account of its parts.
    pub fn parse(name: &str, iban: &str, bic: Option<&str>) -> Result<Self, AccountError> {
        let named =
            (1..=140).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !named || name.trim() != name {
            return Err(AccountError::Name);
        }
        let bic = bic.map(Bic::parse).transpose()?;
        Ok(Self { name: name.to_owned(), iban: Iban::parse(iban)?, bic })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

/// An international bank account number whose check digits are right.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iban(Arc<str>);

impl Iban {
    /// Parses an IBAN; spaces, with which people write it, are left out.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let text: String = text.chars().filter(|c| *c != ' ').collect();
        let bytes = text.as_bytes();
        let (Some((country, rest)), 15..=34) = (bytes.split_at_checked(2), bytes.len()) else {
            return Err(AccountError::IbanForm);
        };
        let check = rest.iter().take(2).all(u8::is_ascii_digit);
        let account = rest.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        if !country.iter().all(u8::is_ascii_uppercase) || !check || !account {
            return Err(AccountError::IbanForm);
        }
        let long = LENGTHS
            .iter()
            .find(|(_, list)| list.as_bytes().chunks(3).any(|c| c.starts_with(country)));
        if let Some((length, _)) = long.filter(|(length, _)| *length != bytes.len()) {
            return Err(AccountError::IbanLength(*length));
        }
        if remainder(bytes) == 1 { Ok(Self(Arc::from(text))) } else { Err(AccountError::IbanCheck) }
    }

    /// Returns the IBAN, without spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns an IBAN's remainder by 97, its first four characters moved to its end and each letter read
/// as 10 to 35 (ISO 7064, MOD 97-10).
fn remainder(iban: &[u8]) -> u32 {
    let (head, tail) = iban.split_at(iban.len().min(4));
    tail.iter().chain(head).fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        letter => (sum * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
    })
}

/// Lengths by the IBAN registry; of countries that are not listed the check digits alone count.
const LENGTHS: [(usize, &str); 20] = [
    (15, "NO"),
    (16, "BE BI"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BR FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "EG PS QA UA"),
    (30, "JO KW MU"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
    (27, "DJ"),
    (30, "YE"),
];

/// The code of a bank.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bic(Arc<str>);

impl Bic {
    /// Parses a BIC, by the narrower of the patterns that versions of pain.001 have.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let place = |(at, byte): (usize, u8)| match at {
            0..=5 => byte.is_ascii_uppercase(),
            6 => byte.is_ascii_uppercase() || (b'2'..=b'9').contains(&byte),
            7 => (byte.is_ascii_uppercase() && byte != b'O') || byte.is_ascii_digit(),
            _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        };
        let good = matches!(text.len(), 8 | 11) && text.bytes().enumerate().all(place);
        if good { Ok(Self(Arc::from(text))) } else { Err(AccountError::Bic) }
    }

    /// Returns the BIC.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// Parses a code of two capitals that stands in ISO 3166-1 (or is Kosovo's XK).
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let known = text.len() == 2 && COUNTRIES.split_ascii_whitespace().any(|code| code == text);
        match text.as_bytes() {
            &[a, b] if known => Ok(Self([a, b])),
            _ => Err(AccountError::Country),
        }
    }

    /// Returns the code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = AccountError;

            fn try_from(text: String) -> Result<Self, AccountError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}

text!(Iban);
text!(Bic);
text!(Country);

macro_rules! hidden {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

hidden!(Iban);
hidden!(Bic);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_that_banks_print_as_examples_are_taken() {
        for text in [
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NL91 ABNA 0417 1643 00",
            "BE68 5390 0754 7034",
            "CH93 0076 2011 6238 5295 7",
            "NO93 8601 1117 947",
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
            "AT61 1904 3002 3457 3201",
            "ES91 2100 0418 4502 0005 1332",
        ] {
            assert!(Iban::parse(text).is_ok(), "an example of a bank was refused: {text}");
        }
    }

    #[test]
    fn an_iban_with_one_digit_changed_or_swapped_is_refused() {
        let good = "DE89370400440532013000";
        for at in 2..good.len() {
            let mut text = good.as_bytes().to_vec();
            text[at] = if text[at] == b'9' { b'0' } else { text[at] + 1 };
            let text = String::from_utf8(text).unwrap();
            assert_eq!(Iban::parse(&text), Err(AccountError::IbanCheck), "money would be lost");
        }
        assert_eq!(Iban::parse("DE98370400440532013000"), Err(AccountError::IbanCheck));
        assert_eq!(Iban::parse("DE8937040044053201300"), Err(AccountError::IbanLength(22)));
        assert_eq!(Iban::parse("de89370400440532013000"), Err(AccountError::IbanForm));
        assert_eq!(Iban::parse(""), Err(AccountError::IbanForm));
        assert_eq!(Iban::parse("DE8937040044053201300é"), Err(AccountError::IbanForm));
        assert!(!format!("{:?}", Iban::parse(good)).contains("8937"));
    }

    #[test]
    fn bics_and_countries_are_checked() {
        for text in ["COBADEFF", "DEUTDEFF500", "NWBKGB2L"] {
            assert!(Bic::parse(text).is_ok(), "{text}");
        }
        for text in ["COBADEF", "C0BADEFF", "COBADEFF50", "cobadeff", "COBADE1F", ""] {
            assert_eq!(Bic::parse(text), Err(AccountError::Bic), "{text}");
        }
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 250, "249 and Kosovo");
        assert_eq!(Country::parse("DE").unwrap().as_str(), "DE");
        for text in ["UK", "de", "D", "DEU", ""] {
            assert_eq!(Country::parse(text), Err(AccountError::Country), "{text}");
        }
    }
}

//! What identifiers look like: by form, and by check digit where they have one.
//!
//! Comes in: one cell's text. Goes out: the [`Pattern`]s it fits. Never: the text kept.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::party::{is_npi, luhn};

/// A kind of identifier that a value can look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// `NNN-NN-NNNN` with an area, group and serial that are given out, or test areas 9NN.
    SocialSecurity,
    /// The same as nine digits in a row.
    SocialSecurityDigits,
    /// Ten digits whose check digit (Luhn over 80840 and the digits) is right.
    Npi,
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// An IBAN whose check digits (ISO 7064, 97-10) are right.
    Iban,
    /// 13 to 19 digits whose check digit (Luhn) is right.
    PaymentCard,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A web address.
    Url,
    /// `NNNNN-NNNN`.
    ZipPlusFour,
    /// A civil date, such as a date of birth.
    Date,
}

impl Pattern {
    /// Says it in words, after "looks like".
    pub fn words(self) -> &'static str {
        match self {
            Self::SocialSecurity | Self::SocialSecurityDigits => "a US social security number",
            Self::Npi => "a US national provider identifier",
            Self::Phone => "a telephone number",
            Self::Email => "an e-mail address",
            Self::Iban => "an IBAN",
            Self::PaymentCard => "a payment card number",
            Self::IpAddress => "an IP address",
            Self::Url => "a web address",
            Self::ZipPlusFour => "a ZIP+4 code",
            Self::Date => "a date",
        }
    }

    /// Whether only digits make it up, so that some numbers and codes fit by chance.
    pub(super) fn is_bare_digits(self) -> bool {
        matches!(self, Self::SocialSecurityDigits | Self::Npi | Self::PaymentCard | Self::Date)
    }

    /// Whether so many hits are no chance. A form of its own is one at any time; digits must fit in
    /// most rows: a tenth of all numbers pass a check digit.
    pub(super) fn is_alarm(self, hits: u64, of: u64) -> bool {
        match self {
            Self::SocialSecurityDigits | Self::Npi | Self::PaymentCard | Self::Date => {
                hits >= 3 && hits * 2 > of
            }
            Self::Phone => hits * 20 > of,
            Self::SocialSecurity
            | Self::Email
            | Self::Iban
            | Self::IpAddress
            | Self::Url
            | Self::ZipPlusFour => hits > 0 && hits * 200 >= of,
        }
    }
}

/// Returns the patterns that a cell fits.
pub(super) fn of(text: &str) -> impl Iterator<Item = Pattern> + '_ {
    let text = text.trim();
    CHECKS.into_iter().filter(move |(_, fits)| fits(text)).map(|(pattern, _)| pattern)
}

/// Tells whether a text fits a pattern.
type Check = fn(&str) -> bool;

const CHECKS: [(Pattern, Check); 11] = [
    (Pattern::SocialSecurity, is_social_security),
    (Pattern::SocialSecurityDigits, is_social_security_digits),
    (Pattern::Npi, is_npi),
    (Pattern::Phone, is_phone),
    (Pattern::Email, has_email),
    (Pattern::Iban, is_iban),
    (Pattern::PaymentCard, is_payment_card),
    (Pattern::IpAddress, is_ip_address),
    (Pattern::Url, has_url),
    (Pattern::ZipPlusFour, is_zip_plus_four),
    (Pattern::Date, is_date),
];

/// Whether a text has this form: `9` stands for a digit, every other sign for itself.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(sign, wanted)| match wanted {
            b'9' => sign.is_ascii_digit(),
            wanted => sign == wanted,
        })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_social_security(text: &str) -> bool {
    has_form(text, "999-99-9999") && is_social_security_digits(&text.replace('-', ""))
}

fn is_social_security_digits(text: &str) -> bool {
    let (Some(area), Some(group), Some(serial)) = (text.get(..3), text.get(3..5), text.get(5..))
    else {
        return false;
    };
    has_form(text, "999999999")
        && !matches!(area, "000" | "666")
        && group != "00"
        && serial != "0000"
}

fn is_payment_card(text: &str) -> bool {
    let digits = text.replace([' ', '-'], "");
    (13..=19).contains(&digits.len())
        && is_digits(&digits)
        && digits.starts_with(['2', '3', '4', '5', '6'])
        && luhn(&digits)
}

fn is_phone(text: &str) -> bool {
    let body = text.strip_prefix("+1").or_else(|| text.strip_prefix("1-")).unwrap_or(text);
    let body = body.trim_start_matches([' ', '-']);
    let forms = ["(999) 999-9999", "(999)999-9999", "999-999-9999", "999.999.9999", "999 999 9999"];
    let is_international = text.strip_prefix('+').is_some_and(|rest| {
        let digits = rest.bytes().filter(u8::is_ascii_digit).count();
        (8..=15).contains(&digits)
            && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'(' | b')'))
    });
    is_international || forms.iter().any(|form| has_form(body, form))
}

fn has_email(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let Some((local, domain)) = word.split_once('@') else { return false };
        let is_local = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
        let domain = domain.trim_end_matches(['.', ',', ';', ')', '>']);
        local.chars().next_back().is_some_and(is_local)
            && domain.split('.').count() >= 2
            && domain.split('.').all(|part| {
                !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-')
            })
    })
}

fn is_iban(text: &str) -> bool {
    let text = text.replace(' ', "");
    let (Some(country), Some(check), Some(rest)) = (text.get(..2), text.get(2..4), text.get(4..))
    else {
        return false;
    };
    let fits = (15..=34).contains(&text.len())
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && is_digits(check)
        && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    let moved = rest.chars().chain(country.chars()).chain(check.chars());
    fits && moved.fold(0_u32, |sum, c| {
        let value = c.to_digit(36).unwrap_or(0);
        (if value > 9 { sum * 100 } else { sum * 10 } + value) % 97
    }) == 1
}

fn is_ip_address(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        // `::` and the like are IPv6 as well; a real one has several groups.
        Ok(IpAddr::V6(_)) => text.matches(':').count() >= 3,
        Ok(IpAddr::V4(_)) => true,
        Err(_) => false,
    }
}

fn has_url(text: &str) -> bool {
    ["http://", "https://", "www."].iter().any(|start| {
        text.split_whitespace().any(|word| word.to_ascii_lowercase().starts_with(start))
    })
}

fn is_zip_plus_four(text: &str) -> bool {
    has_form(text, "99999-9999")
}

fn is_date(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|p| p.parse::<u32>().ok());
    let (year, month, day) = if has_form(text, "9999-99-99") || has_form(text, "9999/99/99") {
        (part(0..4), part(5..7), part(8..10))
    } else if has_form(text, "99999999") {
        (part(0..4), part(4..6), part(6..8))
    } else if has_form(text, "99/99/9999") {
        (part(6..10), part(0..2), part(3..5))
    } else if has_form(text, "99.99.9999") {
        (part(6..10), part(3..5), part(0..2))
    } else {
        return false;
    };
    let within = |part: Option<u32>, low, high| part.is_some_and(|n| (low..=high).contains(&n));
    within(year, 1880, 2100) && within(month, 1, 12) && within(day, 1, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, pattern: Pattern) -> bool {
        of(text).any(|found| found == pattern)
    }

    #[test]
    fn each_identifier_is_recognised_by_its_form_and_check_digit() {
        for (text, pattern) in [
            ("999-17-5017", Pattern::SocialSecurity),
            ("123456789", Pattern::SocialSecurityDigits),
            // The worked example of the NPI standard.
            ("1234567893", Pattern::Npi),
            ("(617) 555-0100", Pattern::Phone),
            ("+49 30 901820", Pattern::Phone),
            ("+1 617-555-0100", Pattern::Phone),
            ("ask jane.doe@example.org.", Pattern::Email),
            // The examples of the IBAN registry.
            ("DE89 3704 0044 0532 0130 00", Pattern::Iban),
            ("GB29NWBK60161331926819", Pattern::Iban),
            ("4111 1111 1111 1111", Pattern::PaymentCard),
            ("192.0.2.17", Pattern::IpAddress),
            ("2001:db8::8a2e:370:7334", Pattern::IpAddress),
            ("see https://example.org/p/17", Pattern::Url),
            ("02155-1234", Pattern::ZipPlusFour),
            ("1954-03-07", Pattern::Date),
            ("03/07/1954", Pattern::Date),
            ("07.03.1954", Pattern::Date),
        ] {
            assert!(fits(text, pattern), "{pattern:?} is not recognised");
        }
    }

    #[test]
    fn one_wrong_digit_is_no_identifier_where_a_check_digit_tells() {
        assert!(!fits("1234567890", Pattern::Npi));
        assert!(!fits("DE88370400440532013000", Pattern::Iban));
        assert!(!fits("4111111111111112", Pattern::PaymentCard));
        assert!(!fits("000-12-3456", Pattern::SocialSecurity));
        assert!(!fits("1954-13-07", Pattern::Date));
        assert!(!fits("300.1.1.1", Pattern::IpAddress));
    }

    #[test]
    fn ordinary_values_fit_nothing() {
        for text in
            ["E11.9", "4548-4", "Essential hypertension", "120/80", "a@b", "", "é", "12", "::"]
        {
            assert_eq!(of(text).count(), 0, "a false alarm");
        }
    }

    #[test]
    fn a_tenth_of_numbers_passing_a_check_digit_is_no_alarm() {
        assert!(!Pattern::Npi.is_alarm(100, 1000));
        assert!(Pattern::Npi.is_alarm(990, 1000));
        assert!(Pattern::SocialSecurity.is_alarm(5, 1000));
    }
}

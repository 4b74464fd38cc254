//! What identifiers look like: by form, and by check digit where they have one.
//!
//! Comes in: one cell's text. Goes out: the [`Pattern`]s it fits. Never: the text kept.

mod forms;

use serde::{Deserialize, Serialize};

use crate::party::is_npi;

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
    /// Two letters and seven digits whose check digit, that of the US drug administration, is right.
    Dea,
    /// A letter and eight digits, as passports and driving licences are numbered.
    Passport,
    /// `MRN` or the like and a number.
    MedicalRecord,
    /// The eleven signs of a Medicare beneficiary's number.
    Medicare,
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// An IBAN whose check digits (ISO 7064, 97-10) are right.
    Iban,
    /// 13 to 19 digits whose check digit (Luhn) is right.
    PaymentCard,
    /// 17 signs whose check digit (49 CFR 565.15) is right.
    Vehicle,
    /// 15 digits of a mobile device whose check digit (Luhn) is right.
    Imei,
    /// The address of a network card: six pairs of hex digits.
    NetworkCard,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A web address.
    Url,
    /// Five digits whose first three are a prefix of ZIP codes.
    Zip,
    /// `NNNNN-NNNN`.
    ZipPlusFour,
    /// A number, a street.
    Street,
    /// A latitude and a longitude, or either alone with more decimals than a measure has.
    Point,
    /// A civil date, such as a date of birth.
    Date,
    /// A universally unique identifier, RFC 9562.
    Uuid,
    /// A code that is another in every row.
    Unique,
}

impl Pattern {
    /// Says it in words, after "looks like".
    pub fn words(self) -> &'static str {
        match self {
            Self::SocialSecurity | Self::SocialSecurityDigits => "a US social security number",
            Self::Npi => "a US national provider identifier",
            Self::Dea => "a US registration to prescribe",
            Self::Passport => "the number of a passport or licence",
            Self::MedicalRecord => "the number of a medical record",
            Self::Medicare => "the number of a Medicare beneficiary",
            Self::Phone => "a telephone number",
            Self::Email => "an e-mail address",
            Self::Iban => "an IBAN",
            Self::PaymentCard => "a payment card number",
            Self::Vehicle => "a vehicle identification number",
            Self::Imei => "the number of a mobile device",
            Self::NetworkCard => "the address of a network card",
            Self::IpAddress => "an IP address",
            Self::Url => "a web address",
            Self::Zip => "a ZIP code",
            Self::ZipPlusFour => "a ZIP+4 code",
            Self::Street => "a street address",
            Self::Point => "a point on the map",
            Self::Date => "a date",
            Self::Uuid => "a universally unique identifier",
            Self::Unique => "a code that only one row has",
        }
    }

    /// Returns the paragraph of 45 CFR 164.514(b)(2)(i) that names it, `A` to `R`.
    pub fn letter(self) -> char {
        match self {
            Self::Zip | Self::ZipPlusFour | Self::Street | Self::Point => 'B',
            Self::Date => 'C',
            Self::Phone => 'D',
            Self::Email => 'F',
            Self::SocialSecurity | Self::SocialSecurityDigits => 'G',
            Self::MedicalRecord => 'H',
            Self::Medicare => 'I',
            Self::Iban | Self::PaymentCard => 'J',
            Self::Npi | Self::Dea | Self::Passport => 'K',
            Self::Vehicle => 'L',
            Self::Imei | Self::NetworkCard => 'M',
            Self::Url => 'N',
            Self::IpAddress => 'O',
            Self::Uuid | Self::Unique => 'R',
        }
    }

    /// Whether only digits or a short code make it up, so that some numbers and codes fit by chance.
    pub(super) fn is_bare_digits(self) -> bool {
        match self {
            Self::SocialSecurityDigits
            | Self::Npi
            | Self::Dea
            | Self::Passport
            | Self::PaymentCard
            | Self::Imei
            | Self::Zip
            | Self::Date
            | Self::Unique => true,
            Self::SocialSecurity
            | Self::MedicalRecord
            | Self::Medicare
            | Self::Phone
            | Self::Email
            | Self::Iban
            | Self::Vehicle
            | Self::NetworkCard
            | Self::IpAddress
            | Self::Url
            | Self::ZipPlusFour
            | Self::Street
            | Self::Point
            | Self::Uuid => false,
        }
    }

    /// Whether so many hits are no chance. A form of its own is one at any time; digits must fit in
    /// most rows: a tenth of all numbers pass a check digit.
    pub(super) fn is_alarm(self, hits: u64, of: u64) -> bool {
        match self {
            Self::SocialSecurityDigits
            | Self::Npi
            | Self::Passport
            | Self::PaymentCard
            | Self::Imei
            | Self::Zip
            | Self::Date => hits >= 3 && hits * 2 > of,
            Self::Dea | Self::Vehicle | Self::Medicare | Self::Street | Self::Uuid => {
                hits >= 2 && hits * 20 > of
            }
            Self::Point => hits >= 3 && hits * 10 > of * 9,
            Self::Phone => hits * 20 > of,
            Self::Unique => hits >= UNIQUE_ROWS && hits == of,
            Self::SocialSecurity
            | Self::MedicalRecord
            | Self::Email
            | Self::Iban
            | Self::NetworkCard
            | Self::IpAddress
            | Self::Url
            | Self::ZipPlusFour => hits > 0 && hits * 200 >= of,
        }
    }
}

/// So many rows must each have a code of their own before the codes are taken for keys.
const UNIQUE_ROWS: u64 = 20;

/// Returns the patterns that a cell fits.
pub(super) fn of(text: &str) -> impl Iterator<Item = Pattern> + '_ {
    let text = text.trim();
    CHECKS.into_iter().filter(move |(_, fits)| fits(text)).map(|(pattern, _)| pattern)
}

/// Whether a text could be a code given to one row: no spaces, and five digits or more.
pub(super) fn is_code(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= 5 && !text.contains(char::is_whitespace)
}

/// Whether a number has more decimals than a measure, within what degrees of a place can be.
pub(super) fn is_degrees(value: f64) -> bool {
    let scaled = value * 1e4;
    (5.0..=180.0).contains(&value.abs()) && (scaled - scaled.round()).abs() > 1e-6
}

/// Tells whether a text fits a pattern.
type Check = fn(&str) -> bool;

const CHECKS: [(Pattern, Check); 22] = [
    (Pattern::SocialSecurity, forms::is_social_security),
    (Pattern::SocialSecurityDigits, forms::is_social_security_digits),
    (Pattern::Npi, is_npi),
    (Pattern::Dea, forms::is_dea),
    (Pattern::Passport, forms::is_passport),
    (Pattern::MedicalRecord, forms::is_medical_record),
    (Pattern::Medicare, forms::is_medicare),
    (Pattern::Phone, forms::is_phone),
    (Pattern::Email, forms::has_email),
    (Pattern::Iban, forms::is_iban),
    (Pattern::PaymentCard, forms::is_payment_card),
    (Pattern::Vehicle, forms::is_vehicle),
    (Pattern::Imei, forms::is_imei),
    (Pattern::NetworkCard, forms::is_network_card),
    (Pattern::IpAddress, forms::is_ip_address),
    (Pattern::Url, forms::has_url),
    (Pattern::Zip, forms::is_zip),
    (Pattern::ZipPlusFour, forms::is_zip_plus_four),
    (Pattern::Street, forms::is_street),
    (Pattern::Point, forms::is_point),
    (Pattern::Date, forms::is_date),
    (Pattern::Uuid, forms::is_uuid),
];

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
            ("1954-03-07T08:15:00Z", Pattern::Date),
            ("02155", Pattern::Zip),
            ("12 Elm Street", Pattern::Street),
            ("784 Stamm Lock Unit 46", Pattern::Street),
            ("42.36877, -71.15169", Pattern::Point),
            ("MRN: 0048213", Pattern::MedicalRecord),
            // The example of the agency that gives these numbers out.
            ("1EG4-TE5-MK73", Pattern::Medicare),
            ("1EG4TE5MK73", Pattern::Medicare),
            // Worked through by hand: (1+3+5) + 2*(2+4+6) = 33.
            ("AB1234563", Pattern::Dea),
            ("X53318188X", Pattern::Passport),
            ("S99998083", Pattern::Passport),
            // The worked example of 49 CFR 565.
            ("1M8GDM9AXKP042788", Pattern::Vehicle),
            ("490154203237518", Pattern::Imei),
            ("00:1B:44:11:3A:B7", Pattern::NetworkCard),
            ("3edac2e3-d223-6fae-d515-daf96ef6bc76", Pattern::Uuid),
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
        assert!(!fits("1M8GDM9A1KP042788", Pattern::Vehicle));
        assert!(!fits("AB1234564", Pattern::Dea));
        assert!(!fits("490154203237519", Pattern::Imei));
        assert!(!fits("00455", Pattern::Zip), "no ZIP code begins with 004");
        assert!(!fits("95.36877, -171.15169", Pattern::Point), "no place lies at 95 degrees north");
    }

    #[test]
    fn ordinary_values_fit_nothing() {
        for text in [
            "E11.9",
            "4548-4",
            "Essential hypertension",
            "120/80",
            "a@b",
            "",
            "é",
            "12",
            "::",
            "J1885",
            "3 tablets a day",
            "mg/dL",
            "10*3/uL",
            "42.3",
            "Patient",
            "1 x 2 mL",
        ] {
            assert_eq!(of(text).count(), 0, "a false alarm");
        }
    }

    #[test]
    fn a_tenth_of_numbers_passing_a_check_digit_is_no_alarm() {
        assert!(!Pattern::Npi.is_alarm(100, 1000));
        assert!(Pattern::Npi.is_alarm(990, 1000));
        assert!(Pattern::SocialSecurity.is_alarm(5, 1000));
    }

    #[test]
    fn a_measure_is_no_point_on_the_map() {
        assert!(is_degrees(42.368_774_427_690_06) && is_degrees(-71.151_685_850_385_69));
        for value in [127.9, 5.25, 36.6, 0.123_456_78, 1_234.567_89, f64::NAN, f64::INFINITY] {
            assert!(!is_degrees(value), "a measure is taken for a place");
        }
    }
}

//! The forms of identifiers and the arithmetic of their check digits.
//!
//! Comes in: a text without spaces around it. Goes out: whether it has the form. Never: the text kept.

use std::net::IpAddr;

use crate::{deid::kernel::zip3, party::luhn};

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

pub(super) fn is_social_security(text: &str) -> bool {
    has_form(text, "999-99-9999") && is_social_security_digits(&text.replace('-', ""))
}

pub(super) fn is_social_security_digits(text: &str) -> bool {
    let (Some(area), Some(group), Some(serial)) = (text.get(..3), text.get(3..5), text.get(5..))
    else {
        return false;
    };
    has_form(text, "999999999")
        && !matches!(area, "000" | "666")
        && group != "00"
        && serial != "0000"
}

pub(super) fn is_payment_card(text: &str) -> bool {
    let digits = text.replace([' ', '-'], "");
    (13..=19).contains(&digits.len())
        && is_digits(&digits)
        && digits.starts_with(['2', '3', '4', '5', '6'])
        && luhn(&digits)
}

pub(super) fn is_phone(text: &str) -> bool {
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

pub(super) fn has_email(text: &str) -> bool {
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

pub(super) fn is_iban(text: &str) -> bool {
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

pub(super) fn is_ip_address(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        // `::` and the like are IPv6 as well; a real one has several groups.
        Ok(IpAddr::V6(_)) => text.matches(':').count() >= 3,
        Ok(IpAddr::V4(_)) => true,
        Err(_) => false,
    }
}

pub(super) fn has_url(text: &str) -> bool {
    ["http://", "https://", "www."].iter().any(|start| {
        text.split_whitespace().any(|word| word.to_ascii_lowercase().starts_with(start))
    })
}

pub(super) fn is_zip_plus_four(text: &str) -> bool {
    has_form(text, "99999-9999")
}

pub(super) fn is_date(text: &str) -> bool {
    let text = match text.split_once(['T', ' ']) {
        Some((date, time)) if time.len() >= 5 && has_form(time.get(..5).unwrap_or(""), "99:99") => {
            date
        }
        Some(_) | None => text,
    };
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

pub(super) fn is_dea(text: &str) -> bool {
    let (Some(letters), Some(digits)) = (text.get(..2), text.get(2..)) else { return false };
    if !has_form(digits, "9999999") || !letters.bytes().all(|b| b.is_ascii_uppercase()) {
        return false;
    }
    let mut odd_even = [0_u32; 2];
    for (at, digit) in digits.chars().take(6).filter_map(|c| c.to_digit(10)).enumerate() {
        if let Some(sum) = odd_even.get_mut(at % 2) {
            *sum += digit;
        }
    }
    let [odd, even] = odd_even;
    digits.chars().last().and_then(|c| c.to_digit(10)) == Some((odd + 2 * even) % 10)
}

pub(super) fn is_passport(text: &str) -> bool {
    let rest = text.strip_prefix(|c: char| c.is_ascii_uppercase());
    let digits =
        rest.map(|rest| rest.strip_suffix(|c: char| c.is_ascii_uppercase()).unwrap_or(rest));
    digits.is_some_and(|digits| has_form(digits, "99999999"))
}

pub(super) fn is_medical_record(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let number = ["mrn", "mr#", "pid", "patient", "pat"].iter().find_map(|word| {
        let rest = text.strip_prefix(word)?;
        Some(rest.trim_start_matches([' ', ':', '#', '-', '_', '.']))
    });
    number.is_some_and(|number| number.len() >= 4 && is_digits(number))
}

/// `C A AN N A AN N A A N N`, where no letter is one of S, L, O, I, B, Z.
pub(super) fn is_medicare(text: &str) -> bool {
    let plain = text.replace('-', "");
    let fits = |(sign, wanted): (u8, u8)| {
        let is_letter = sign.is_ascii_uppercase() && !b"SLOIBZ".contains(&sign);
        match wanted {
            b'1' => matches!(sign, b'1'..=b'9'),
            b'9' => sign.is_ascii_digit(),
            b'A' => is_letter,
            _ => is_letter || sign.is_ascii_digit(),
        }
    };
    plain.len() == 11 && plain.bytes().zip(*b"1A*9A*9AA99").all(fits)
}

/// The signs that count in a vehicle's number, by the value that stands for each, 49 CFR 565.15(c).
pub(super) fn is_vehicle(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |sign: char| match sign {
        '0'..='9' => sign.to_digit(10),
        'A' | 'J' => Some(1),
        'B' | 'K' | 'S' => Some(2),
        'C' | 'L' | 'T' => Some(3),
        'D' | 'M' | 'U' => Some(4),
        'E' | 'N' | 'V' => Some(5),
        'F' | 'W' => Some(6),
        'G' | 'P' | 'X' => Some(7),
        'H' | 'Y' => Some(8),
        'R' | 'Z' => Some(9),
        _ => None,
    };
    if text.len() != 17 || is_digits(text) {
        return false;
    }
    let values: Option<Vec<u32>> = text.chars().map(value).collect();
    let sum = values.map(|values| values.iter().zip(WEIGHTS).map(|(v, w)| v * w).sum::<u32>() % 11);
    match (sum, text.chars().nth(8)) {
        (Some(10), Some(check)) => check == 'X',
        (Some(sum), Some(check)) => check.to_digit(10) == Some(sum),
        (None, _) | (_, None) => false,
    }
}

pub(super) fn is_imei(text: &str) -> bool {
    has_form(text, "999999999999999") && luhn(text)
}

pub(super) fn is_network_card(text: &str) -> bool {
    [':', '-'].iter().any(|sign| {
        let pairs: Vec<&str> = text.split(*sign).collect();
        pairs.len() == 6
            && pairs
                .iter()
                .all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

/// Five digits of a prefix where people live; thinly peopled ones tell of themselves by the others.
pub(super) fn is_zip(text: &str) -> bool {
    has_form(text, "99999") && text.get(..3).is_some_and(zip3::is_allowed)
}

pub(super) fn is_street(text: &str) -> bool {
    const ENDS: [&str; 28] = [
        "street",
        "st",
        "avenue",
        "ave",
        "road",
        "rd",
        "boulevard",
        "blvd",
        "lane",
        "ln",
        "drive",
        "dr",
        "court",
        "ct",
        "place",
        "pl",
        "terrace",
        "square",
        "highway",
        "hwy",
        "parkway",
        "pkwy",
        "circle",
        "apt",
        "unit",
        "suite",
        "straße",
        "strasse",
    ];
    let mut words = text.split_whitespace();
    let number = words.next().unwrap_or("");
    let is_number = number.len() <= 6 && number.starts_with(|c: char| c.is_ascii_digit());
    let rest: Vec<&str> = words.collect();
    let is_named = rest.first().is_some_and(|word| word.starts_with(char::is_uppercase));
    let ends = |word: &str| {
        let word = word.trim_end_matches(['.', ',']).to_lowercase();
        ENDS.contains(&word.as_str())
    };
    is_number && is_named && rest.iter().skip(1).any(|word| ends(word))
}

pub(super) fn is_point(text: &str) -> bool {
    let inner = text.trim_start_matches("POINT").trim_matches(['(', ')', ' ']);
    let parts: Vec<&str> = inner.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
    let degrees = |part: &str, most: f64| {
        part.split_once('.').is_some_and(|(_, places)| places.len() >= 3)
            && part.parse::<f64>().is_ok_and(|value| value.abs() <= most)
    };
    match parts.as_slice() {
        [one, two] => {
            degrees(one, 90.0) && degrees(two, 180.0) || degrees(one, 180.0) && degrees(two, 90.0)
        }
        _ => false,
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

//! The US national provider identifier: ten digits, of which the last checks the others.
//!
//! Comes in: a text. Goes out: whether its check digit is right. Never: a verdict on who bears it.

/// Luhn (ISO/IEC 7812-1): every second digit from the right doubled, its digits summed. The text must
/// hold digits alone.
pub fn luhn(digits: &str) -> bool {
    let sum = digits.bytes().rev().enumerate().fold(0_u32, |sum, (at, byte)| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        let doubled = digit * 2;
        sum + match at % 2 {
            0 => digit,
            _ if doubled > 9 => doubled - 9,
            _ => doubled,
        }
    });
    sum % 10 == 0
}

/// Says whether a text is a national provider identifier: ten digits that begin with 1 or 2, and Luhn
/// over `80840` and the ten is right (45 CFR 162.406, ISO/IEC 7812).
pub fn is_npi(text: &str) -> bool {
    text.len() == 10
        && text.starts_with(['1', '2'])
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && luhn(&format!("80840{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_passes_and_its_neighbours_do_not() {
        // The example of the NPI final rule is 1234567893.
        assert!(is_npi("1234567893"));
        for bad in ["1234567898", "1234567891", "123456789", "3234567893", "12345678９3", ""] {
            assert!(!is_npi(bad), "a bad identifier passes");
        }
    }

    #[test]
    fn one_wrong_digit_is_always_met() {
        for at in 0..10 {
            for digit in '0'..='9' {
                let mut text = String::from("1234567893");
                text.replace_range(at..=at, &digit.to_string());
                assert_eq!(is_npi(&text), text == "1234567893", "digit {at} is not covered");
            }
        }
    }
}

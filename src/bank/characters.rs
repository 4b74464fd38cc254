//! The characters that a bank carries: SEPA's Latin letters, digits and a few marks.
//!
//! Comes in: a name or a remittance. Goes out: the same in those characters. Never: an empty text, or a
//! slash where banks read a code.

/// Writes a text in the characters that SEPA carries (Latin letters, digits, `/-?:().,'+` and space), at
/// most `max` of them; a letter of Latin with a mark loses the mark, any other becomes a full stop.
pub(super) fn carried(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            'a'..='z'
            | 'A'..='Z'
            | '0'..='9'
            | '-'
            | '?'
            | ':'
            | '('
            | ')'
            | '.'
            | ','
            | '\''
            | '+'
            | ' ' => out.push(c),
            // A slash begins or ends no text, and two of them are a code to some banks.
            '/' if !out.is_empty() && !out.ends_with('/') => out.push(c),
            '&' => out.push('+'),
            '\u{2019}' | '`' | '\u{b4}' => out.push('\''),
            c => {
                let plain = LETTERS.iter().find(|(letters, _)| letters.contains(c));
                out.push_str(plain.map_or(".", |(_, plain)| plain));
            }
        }
    }
    let out: String = out.chars().take(max).collect();
    let out = out.trim_end_matches('/').trim().to_owned();
    if out.is_empty() { ".".to_owned() } else { out }
}

/// Letters of Latin with a mark, and what stands for them.
const LETTERS: [(&str, &str); 54] = [
    ("ÀÁÂÃÅĀĂĄ", "A"),
    ("àáâãåāăą", "a"),
    ("ÄÆ", "AE"),
    ("äæ", "ae"),
    ("ÇĆĈĊČ", "C"),
    ("çćĉċč", "c"),
    ("ÐĎĐ", "D"),
    ("ðďđ", "d"),
    ("ÈÉÊËĒĔĖĘĚ", "E"),
    ("èéêëēĕėęě", "e"),
    ("ĜĞĠĢ", "G"),
    ("ĝğġģ", "g"),
    ("ĤĦ", "H"),
    ("ĥħ", "h"),
    ("ÌÍÎÏĨĪĬĮİ", "I"),
    ("ìíîïĩīĭįı", "i"),
    ("Ĵ", "J"),
    ("ĵ", "j"),
    ("Ķ", "K"),
    ("ķĸ", "k"),
    ("ĹĻĽĿŁ", "L"),
    ("ĺļľŀł", "l"),
    ("ÑŃŅŇŊ", "N"),
    ("ñńņňŋ", "n"),
    ("ÒÓÔÕŌŎŐ", "O"),
    ("òóôõōŏő", "o"),
    ("ÖØŒ", "OE"),
    ("öøœ", "oe"),
    ("ŔŖŘ", "R"),
    ("ŕŗř", "r"),
    ("ŚŜŞŠȘ", "S"),
    ("śŝşšș", "s"),
    ("ß", "ss"),
    ("ẞ", "SS"),
    ("ŢŤŦȚ", "T"),
    ("ţťŧț", "t"),
    ("ÙÚÛŨŪŬŮŰŲ", "U"),
    ("ùúûũūŭůűų", "u"),
    ("Ü", "UE"),
    ("ü", "ue"),
    ("Ŵ", "W"),
    ("ŵ", "w"),
    ("ÝŶŸ", "Y"),
    ("ýŷÿ", "y"),
    ("ŹŻŽ", "Z"),
    ("źżž", "z"),
    ("Þ", "TH"),
    ("þ", "th"),
    ("Ĳ", "IJ"),
    ("ĳ", "ij"),
    ("ª", "a"),
    ("º", "o"),
    ("–—_", "-"),
    ("\t\u{a0}", " "),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_the_characters_that_a_bank_carries() {
        for (text, plain) in [
            ("Łukasz Żółć", "Lukasz Zolc"),
            ("Ağaoğlu İpek", "Agaoglu Ipek"),
            ("李 Lei", ". Lei"),
            ("//a//b/", "./a/.b"),
            ("\u{202e}", "."),
            ("O\u{2019}Hara & Co_", "O'Hara + Co-"),
        ] {
            assert_eq!(carried(text, 70), plain.to_owned(), "{text}");
        }
        assert_eq!(carried(&"ß".repeat(70), 70).len(), 70);
    }
}

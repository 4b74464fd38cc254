//! One flat JSON object (RFC 8259), read member by member without a tree.
//!
//! Comes in: a line of UTF-8. Goes out: names and values as text. Never: a nested value, or a
//! number changed on its way through a float.

use super::RowFaultKind;

/// Why a line is no flat object: what kind of fault, where in the line, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) kind: RowFaultKind,
    /// The byte of the line, from 1.
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// A reader of one line.
#[derive(Debug)]
pub(super) struct Object<'l> {
    line: &'l str,
    at: usize,
}

impl<'l> Object<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { line, at: 0 }
    }

    /// Reads the object. `member` gets each name; then its value's text arrives in pieces through
    /// `piece`, none for null. `member` may refuse a name.
    pub(super) fn read<S>(
        mut self,
        state: &mut S,
        mut member: impl FnMut(&mut S, &str) -> Result<(), &'static str>,
        mut piece: impl FnMut(&mut S, &[u8]),
        mut end: impl FnMut(&mut S),
    ) -> Result<(), Wrong> {
        self.space();
        self.expect(b'{', "an object does not begin here")?;
        self.space();
        let mut name = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.space();
                name.clear();
                self.expect(b'"', "a member's name does not begin here")?;
                self.string(|run| name.extend_from_slice(run))?;
                // INVARIANT: `string` hands over UTF-8 runs of a UTF-8 line.
                let text = std::str::from_utf8(&name).map_err(|_| self.wrong("bad name"))?;
                member(state, text).map_err(|reason| self.wrong(reason))?;
                self.space();
                self.expect(b':', "a colon is missing")?;
                self.space();
                self.value(|run| piece(state, run))?;
                end(state);
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    Some(_) | None => return Err(self.wrong("a comma or brace is missing")),
                }
            }
        }
        self.space();
        if self.at == self.line.len() {
            Ok(())
        } else {
            Err(self.wrong("more follows after the object"))
        }
    }

    fn wrong(&self, reason: &'static str) -> Wrong {
        Wrong { kind: RowFaultKind::Syntax, at: self.at + 1, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), Wrong> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(reason));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, mut out: impl FnMut(&[u8])) -> Result<(), Wrong> {
        let rest = self.line.get(self.at..).unwrap_or_default();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string(out)
            }
            Some(b'{') => Err(self.wrong("an object within an object")),
            Some(b'[') => Err(self.wrong("an array within an object")),
            Some(b'-' | b'0'..=b'9') => {
                let length = number(rest.as_bytes()).ok_or_else(|| self.wrong("not a number"))?;
                out(rest.get(..length).unwrap_or_default().as_bytes());
                self.at += length;
                Ok(())
            }
            Some(_) | None => {
                let word = ["true", "false", "null"].into_iter().find(|w| rest.starts_with(w));
                let word = word.ok_or_else(|| self.wrong("a value does not begin here"))?;
                if word != "null" {
                    out(word.as_bytes());
                }
                self.at += word.len();
                Ok(())
            }
        }
    }

    /// Reads a string after its opening quote.
    fn string(&mut self, mut out: impl FnMut(&[u8])) -> Result<(), Wrong> {
        loop {
            let rest = self.line.as_bytes().get(self.at..).unwrap_or_default();
            let stop = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20);
            let Some(stop) = stop else { return Err(self.wrong("a string does not end")) };
            let (run, tail) = rest.split_at(stop);
            out(run);
            self.at += stop;
            match tail.first() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    out(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(_) | None => return Err(self.wrong("a control character in a string")),
            }
        }
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<char, Wrong> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            Some(_) | None => return Err(self.wrong("an unknown escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Wrong> {
        let high = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if self.peek() != Some(b'\\') {
                return Err(self.wrong("half a surrogate pair"));
            }
            self.at += 1;
            let low = self.hex()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.wrong("half a surrogate pair"));
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half a surrogate pair"))
    }

    /// Reads `u` and four hex digits.
    fn hex(&mut self) -> Result<u32, Wrong> {
        let digits = self.line.get(self.at + 1..self.at + 5);
        let code = (self.peek() == Some(b'u'))
            .then_some(digits)
            .flatten()
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u32::from_str_radix(text, 16).ok());
        let code = code.ok_or_else(|| self.wrong("an unknown escape"))?;
        self.at += 5;
        Ok(code)
    }
}

/// Returns the length of the number at the beginning, by the grammar of JSON.
fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(line: &str) -> Result<Vec<(String, String)>, Wrong> {
        let mut found: Vec<(String, String)> = Vec::new();
        Object::new(line).read(
            &mut found,
            |found, name| {
                found.push((name.to_owned(), String::new()));
                Ok(())
            },
            |found, run| found.last_mut().unwrap().1.push_str(std::str::from_utf8(run).unwrap()),
            |_| (),
        )?;
        Ok(found)
    }

    #[test]
    fn numbers_keep_their_text() {
        let found = members(r#"{"a": 12345678901234567890123, "b": 1.0, "c": -2e-3}"#).unwrap();
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["12345678901234567890123", "1.0", "-2e-3"], "an id would be rounded");
    }

    #[test]
    fn what_is_not_a_flat_object_is_told_with_its_place() {
        for (line, at) in [
            ("{\"a\": {}}", 7),
            ("{\"a\": [1]}", 7),
            ("[1]", 1),
            ("{\"a\": 01}", 7),
            ("{\"a\": 1} x", 10),
            ("{\"a\": \"x", 8),
            ("{\"a\": \"\\ud800\"}", 14),
            ("{\"a\" 1}", 6),
        ] {
            assert_eq!(members(line).unwrap_err().at, at, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn strings_come_through_as_serde_json_wrote_them(name in ".*", text in ".*") {
            let line = serde_json::to_string(&serde_json::json!({ &name: &text })).unwrap();
            prop_assert_eq!(members(&line).unwrap(), vec![(name, text)]);
        }
    }
}

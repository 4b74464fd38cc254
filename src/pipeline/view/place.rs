//! Where in a JSON text a member stands that a path names.
//!
//! Comes in: a text, a path such as `select[0].column[1].path`. Goes out: its bytes. Never: a place
//! beyond the text; what is not found gives the nearest that is.

use std::ops::Range;

/// Returns the bytes of the value that a path names; of the last of its members that is there.
pub(super) fn find(text: &str, path: &str) -> Range<usize> {
    let mut cursor = Cursor { text: text.as_bytes(), at: 0 };
    cursor.space();
    let mut found = cursor.value();
    for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        match cursor.step(found.start, step) {
            Some(inner) => found = inner,
            // An object is told by its opening alone: the rest of it may be well.
            None => return found.start..(found.start + 1).min(text.len()),
        }
    }
    if found.len() > 200 || text.get(found.clone()).is_some_and(|text| text.contains('\n')) {
        found.end = (found.start + 1).min(text.len());
    }
    found
}

struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Returns the value of a member, or of an item, of what begins at `start`.
    fn step(&mut self, start: usize, step: &str) -> Option<Range<usize>> {
        self.at = start;
        let open = self.peek()?;
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.space();
            match (open, self.peek()?) {
                (_, b']' | b'}') => return None,
                (_, b',') => {
                    self.at += 1;
                    index += 1;
                }
                (b'{', _) => {
                    let name = self.value();
                    self.space();
                    self.at += 1;
                    self.space();
                    let name = self.text.get(name.start + 1..name.end - 1);
                    let value = self.value();
                    if name == Some(step.as_bytes()) {
                        return Some(value);
                    }
                }
                (b'[', _) => {
                    let value = self.value();
                    if step.parse() == Ok(index) {
                        return Some(value);
                    }
                }
                (_, _) => return None,
            }
        }
    }

    /// Steps over a value and returns its bytes.
    fn value(&mut self) -> Range<usize> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => {
                    while let Some(byte) = self.peek() {
                        self.at += if byte == b'\\' { 2 } else { 1 };
                        if byte == b'"' {
                            break;
                        }
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {
                    let goes_on = |byte: u8| {
                        !byte.is_ascii_whitespace() && !matches!(byte, b',' | b']' | b'}' | b':')
                    };
                    while depth == 0 && self.peek().is_some_and(goes_on) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                break;
            }
        }
        start..self.at.min(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_value() {
        let text = r#" {"a": [1, {"b": "x\"y"}], "c": {"d": true}} "#;
        let of = |path: &str| &text[find(text, path)];
        assert_eq!(of("a[1].b"), r#""x\"y""#, "an editor would jump to another member");
        assert_eq!(of("a[0]"), "1");
        assert_eq!(of("c.d"), "true");
        assert_eq!(of("a[1].nothing"), "{", "what is missing is told where it is missing");
        assert_eq!(of("zzz"), "{");
        for broken in ["", "{", "[", "{\"a\"", "{\"a\":", "nul", "{\"a\":[1,"] {
            let found = find(broken, "a[0].b");
            assert!(found.end <= broken.len(), "a broken text has no place for it: {broken}");
        }
    }
}

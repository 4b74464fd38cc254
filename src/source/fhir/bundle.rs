//! The resources of a Bundle: its entries, found without a tree.
//!
//! Comes in: one JSON file. Goes out: the bytes of each `entry[].resource`, with the line they
//! begin on. Never: more in memory than one Bundle.

use std::{ops::ControlFlow, path::Path};

use crate::source::{
    Error, Format, Options, Part,
    lines::{Line, TakeLine, content},
};

/// Bytes that a Bundle may have.
const BUNDLE_BYTES_MAX: usize = 2 << 30;
const READ_BYTES: usize = 1 << 20;

/// Hands on each entry's resource.
pub(super) fn resources(
    file: &Path,
    part: &Part,
    options: &Options,
    take: &mut TakeLine<'_>,
) -> Result<ControlFlow<()>, Error> {
    let bytes = whole(file, part)?;
    if bytes.trim_ascii().is_empty() {
        return Err(Error::Empty { file: file.to_owned() });
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let wrong = |reason, text: &[u8], at: usize| {
        let line = line_of(text, at);
        Error::Bundle { file: file.to_owned(), line, reason }
    };
    let mut scan = Scan { text, at: 0 };
    let mut found = Found::default();
    scan.bundle(&mut found).map_err(|reason| wrong(reason, text, scan.at))?;
    if !found.is_bundle {
        return Err(wrong("its resourceType is not Bundle", text, 0));
    }
    let (mut line, mut passed) = (1_u64, 0);
    for (start, end) in found.resources {
        let resource = text.get(start..end).unwrap_or_default();
        line += text.get(passed..start).map_or(0, lines_in);
        passed = start;
        let one = if resource.len() > options.record_bytes_max {
            Line::Long { bytes: resource.len() as u64 }
        } else {
            Line::Record(resource)
        };
        if take(line, one)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn lines_in(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

fn line_of(text: &[u8], at: usize) -> u64 {
    1 + text.get(..at).map_or(0, lines_in)
}

/// Reads the content of a file.
fn whole(file: &Path, part: &Part) -> Result<Vec<u8>, Error> {
    let (mut content, _) = content(file, Format::FhirBundle, part)?;
    let mut bytes = Vec::new();
    loop {
        let held = bytes.len();
        if held > BUNDLE_BYTES_MAX {
            let reason = "it has more than 2 GiB; export NDJSON instead";
            return Err(Error::Bundle { file: file.to_owned(), line: 1, reason });
        }
        bytes.resize(held + READ_BYTES, 0);
        let count = content.read(bytes.get_mut(held..).unwrap_or_default())?;
        bytes.truncate(held + count);
        if count == 0 {
            return Ok(bytes);
        }
    }
}

#[derive(Default)]
struct Found {
    is_bundle: bool,
    resources: Vec<(usize, usize)>,
}

/// A walk over JSON that looks at three levels alone; what lies below is stepped over.
struct Scan<'b> {
    text: &'b [u8],
    at: usize,
}

const CUT: &str = "it ends before it is complete";

impl<'b> Scan<'b> {
    fn bundle(&mut self, found: &mut Found) -> Result<(), &'static str> {
        self.members(|scan, name| {
            match name {
                b"resourceType" => {
                    let start = scan.at;
                    scan.value()?;
                    found.is_bundle = scan.text.get(start..scan.at) == Some(b"\"Bundle\"");
                }
                b"entry" => scan.items(|scan| {
                    scan.members(|scan, name| {
                        let start = scan.at;
                        scan.value()?;
                        if name == b"resource" {
                            found.resources.push((start, scan.at));
                        }
                        Ok(())
                    })
                })?,
                _ => scan.value()?,
            }
            Ok(())
        })?;
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("more follows after the object"),
        }
    }

    /// Returns the next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let blank = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.at += blank;
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), &'static str> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(reason),
            None => Err(CUT),
        }
    }

    fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, &'b [u8]) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        self.expect(b'{', "an object does not begin where one should")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek();
            let start = self.at;
            self.string()?;
            let name = self.text.get(start + 1..self.at - 1).unwrap_or_default();
            self.expect(b':', "a colon is missing")?;
            self.peek();
            each(self, name)?;
            if self.comma(b'}')? {
                return Ok(());
            }
        }
    }

    fn items(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        self.expect(b'[', "an array does not begin where one should")?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek();
            each(self)?;
            if self.comma(b']')? {
                return Ok(());
            }
        }
    }

    /// Steps over a comma; returns whether the closing mark came instead.
    fn comma(&mut self, close: u8) -> Result<bool, &'static str> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(found) if found == close => {
                self.at += 1;
                return Ok(true);
            }
            Some(_) => return Err("a comma or a closing mark is missing"),
            None => return Err(CUT),
        }
        Ok(false)
    }

    fn string(&mut self) -> Result<(), &'static str> {
        self.expect(b'"', "a text does not begin where one should")?;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let stop = memchr::memchr2(b'"', b'\\', rest).ok_or(CUT)?;
            self.at += stop + 1;
            if rest.get(stop) == Some(&b'"') {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// Steps over a value: what opens must close; more is checked when a resource is read.
    fn value(&mut self) -> Result<(), &'static str> {
        let mut depth = 0_usize;
        loop {
            match self.peek().ok_or(CUT)? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    self.at += 1;
                    depth += 1;
                    continue;
                }
                b'}' | b']' => {
                    self.at += 1;
                    depth = depth.checked_sub(1).ok_or("a value is missing")?;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return Err("a value is missing"),
                _ => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let is_end = |b: &u8| {
                        matches!(b, b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"')
                            || b.is_ascii_whitespace()
                    };
                    self.at += rest.iter().position(is_end).ok_or(CUT)?;
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

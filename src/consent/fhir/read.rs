//! Files of Consents: NDJSON, a Bundle, or one resource.
//!
//! Comes in: bytes. Goes out: each Consent, with the line or entry where it stands.
//! Never: a resource of another type, or a value in a reason.

use std::io::{self, BufRead, Read as _};

use serde_json::Value;

use super::{document::Document, parse::Reason};

/// The longest line, and the longest resource over several lines, that is read.
const BYTES_MAX: u64 = 16 << 20;

/// A Consent, or why it is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its line, from 1; in a Bundle its entry.
    pub line: u64,
    /// The document, or the reason.
    pub document: Result<Document, Reason>,
}

/// Reads all Consents of a file. An error is one of reading, not of content.
///
/// # Errors
/// Only where the input cannot be read.
pub fn read_documents(input: impl BufRead) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    each_consent(input, |line, consent| {
        found.push(Found { line, document: consent.and_then(Document::parse) });
    })?;
    Ok(found)
}

/// Shows each Consent of a file as it stands there, or why it is none that can be read.
///
/// # Errors
/// Only where the input cannot be read.
pub fn each_consent(
    mut input: impl BufRead,
    mut show: impl FnMut(u64, Result<&Value, Reason>),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = (&mut input).take(BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        if read as u64 == BYTES_MAX && !bytes.ends_with(b"\n") {
            show(line, Err("the line is too long"));
            skip_line(&mut input)?;
            continue;
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => take(line, &value, &mut show),
            // A resource over several lines is the whole file.
            Err(error) if line == 1 && error.is_eof() => {
                (&mut input).take(BYTES_MAX * 16).read_to_end(&mut bytes)?;
                match serde_json::from_slice(&bytes) {
                    Ok(value) => take(1, &value, &mut show),
                    Err(_) => show(line, Err("it is no JSON")),
                }
                break;
            }
            Err(_) => show(line, Err("it is no JSON")),
        }
    }
    Ok(())
}

fn take(line: u64, value: &Value, show: &mut impl FnMut(u64, Result<&Value, Reason>)) {
    match value.get("resourceType").and_then(Value::as_str) {
        Some("Bundle") => {
            let entries = value.get("entry").and_then(Value::as_array).into_iter().flatten();
            for (line, entry) in (1..).zip(entries) {
                let Some(resource) = entry.get("resource") else { continue };
                if resource.get("resourceType").and_then(Value::as_str) == Some("Consent") {
                    show(line, Ok(resource));
                }
            }
        }
        Some("Consent") => show(line, Ok(value)),
        Some(_) => {}
        None => show(line, Err("it is no resource")),
    }
}

/// Skips the rest of a line without keeping it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n") {
        bytes.clear();
        if input.take(BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"research"}]},"patient":{"reference":"Patient/1"},"dateTime":"2025-01-01","provision":{"type":"permit"}}"#;

    fn lines(text: &str) -> Vec<(u64, bool)> {
        let found = read_documents(text.as_bytes()).unwrap();
        found.iter().map(|found| (found.line, found.document.is_ok())).collect()
    }

    #[test]
    fn lines_a_bundle_and_one_resource_are_read_and_other_types_left_alone() {
        let other = r#"{"resourceType":"Patient"}"#;
        let text = format!("{ONE}\n\n{other}\n{{broken canary\n{ONE}");
        assert_eq!(lines(&text), [(1, true), (4, false), (5, true)]);
        let bundle = format!(
            "{{\"resourceType\":\"Bundle\",\n\"entry\":[{{\"resource\":{other}}},{{\"resource\":{ONE}}}]}}"
        );
        assert_eq!(lines(&bundle), [(2, true)]);
        assert_eq!(lines(&ONE.replace(',', ",\n")), [(1, true)]);
        assert_eq!(lines(""), []);
        assert_eq!(lines("[1]"), [(1, false)]);
    }

    #[test]
    fn a_document_that_contradicts_itself_is_put_aside_without_its_values() {
        let reason = |from: &str, to: &str| {
            let text = ONE.replace(from, to);
            assert_ne!(text, ONE);
            read_documents(text.as_bytes()).unwrap().remove(0).document.unwrap_err()
        };
        let opt_out = "\"policyRule\":{\"coding\":[{\"code\":\"OPTOUT\"}]},\"provision\"";
        assert!(reason("\"provision\"", opt_out).contains("contradict"));
        assert!(reason("\"type\":\"permit\"", "").contains("neither permit nor deny"));
        assert!(reason("permit", "canary").contains("neither permit nor deny"));
        assert!(reason("2025-01-01", "canary").contains("which day"));
        assert!(reason("2025-01-01", "2025").contains("which day"));
        assert!(reason("\"status\":\"active\"", "\"status\":\"canary\"").contains("status"));
        let mixed = "\"decision\":\"permit\",\"provision\"";
        assert!(reason("\"provision\"", mixed).contains("mixes"));
        let untyped = "\"type\":\"permit\",\"provision\":[{}]";
        assert!(reason("\"type\":\"permit\"", untyped).contains("nested provision has no type"));
    }
}

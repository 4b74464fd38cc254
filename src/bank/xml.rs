//! A small XML file as a tree of elements: enough to read what a bank sends.
//!
//! Comes in: bytes. Goes out: elements by local name, whatever their prefix. Never: a DTD, an entity
//! that the file defines, or a depth that a file could choose to exhaust us with.

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

/// Elements within elements, at most.
const DEPTH_MAX: usize = 32;

/// Why a file is no XML that we read. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed.
    #[error("it is not well-formed XML, at byte {0}")]
    Form(u64),
    /// It brings a DTD or an entity of its own.
    #[error("it brings a document type or entities of its own, at byte {0}")]
    Entity(u64),
    /// Elements lie too deep.
    #[error("its elements lie more than {DEPTH_MAX} deep, at byte {0}")]
    Depth(u64),
    /// There is no element.
    #[error("it holds no element")]
    Empty,
}

/// One element.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    /// The name without its prefix.
    pub(super) name: String,
    /// The namespace that a default `xmlns` of this element names.
    pub(super) namespace: Option<String>,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// Reads a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, XmlError> {
        let mut reader = Reader::from_reader(bytes);
        reader.config_mut().enable_all_checks(true);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            let at = reader.buffer_position();
            let form = XmlError::Form(at);
            let event = reader.read_event().map_err(|_| form)?;
            let mut closed = None;
            match event {
                Event::Start(start) => {
                    if open.len() >= DEPTH_MAX {
                        return Err(XmlError::Depth(at));
                    }
                    open.push(Self::start(&start).ok_or(form)?);
                }
                Event::Empty(start) => closed = Some(Self::start(&start).ok_or(form)?),
                Event::End(_) => closed = Some(open.pop().ok_or(form)?),
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|_| form)?;
                    match open.last_mut() {
                        Some(element) => element.text.push_str(&text),
                        None if text.trim().is_empty() => {}
                        None => return Err(form),
                    }
                }
                Event::CData(text) => {
                    let text = text.xml10_content().map_err(|_| form)?;
                    open.last_mut().ok_or(form)?.text.push_str(&text);
                }
                Event::GeneralRef(reference) => {
                    let text = resolved(&reference).ok_or(XmlError::Entity(at))?;
                    open.last_mut().ok_or(form)?.text.push(text);
                }
                Event::DocType(_) => return Err(XmlError::Entity(at)),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
            let Some(closed) = closed else { continue };
            match open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None if root.is_none() => root = Some(closed),
                None => return Err(form),
            }
        }
        if !open.is_empty() {
            return Err(XmlError::Form(reader.buffer_position()));
        }
        root.ok_or(XmlError::Empty)
    }

    fn start(start: &BytesStart<'_>) -> Option<Self> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let mut element = Self { name: text(start.local_name().as_ref())?, ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            // Names of namespaces and codes of currencies: nothing in them needs an escape.
            let (name, value) = (text(attribute.key.as_ref())?, text(&attribute.value)?);
            let is_namespace = name == "xmlns" || name.starts_with("xmlns:");
            if is_namespace && (name == "xmlns" || element.namespace.is_none()) {
                element.namespace = Some(value);
            } else {
                element.attributes.push((name, value));
            }
        }
        Some(element)
    }

    /// Returns the elements of a name within this one.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the first element at a path of names, separated by `/`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| element.all(name).next())
    }

    /// Returns the trimmed text of the first element at a path; none where it is empty.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }

    /// Returns the trimmed text.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Returns an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the character that a reference stands for, of those that XML itself defines.
fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character);
    }
    match reference.decode().ok()?.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_path_whatever_their_prefix() {
        let text = "<?xml version=\"1.0\"?>\n<c:a xmlns:c=\"urn:x\"><c:b>one &amp; &#x41;</c:b>\
                    <c:b Ccy='EUR'><d/></c:b></c:a>";
        let root = Element::read(text.as_bytes()).unwrap();
        assert_eq!((root.name.as_str(), root.namespace.as_deref()), ("a", Some("urn:x")));
        assert_eq!(root.text_at("b"), Some("one & A"));
        assert_eq!(root.all("b").count(), 2);
        assert_eq!(root.all("b").nth(1).unwrap().attribute("Ccy"), Some("EUR"));
        assert!(root.at("b/d").is_none(), "the first `b` has no `d`");
    }

    #[test]
    fn what_could_grow_or_reach_out_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>";
        assert!(matches!(Element::read(bomb.as_bytes()), Err(XmlError::Entity(_))));
        assert!(matches!(Element::read(b"<a>&b;</a>"), Err(XmlError::Entity(_))));
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        assert!(matches!(Element::read(deep.as_bytes()), Err(XmlError::Depth(_))));
        for text in ["<a>", "<a></b>", "a", "<a/><b/>", "<a b=c/>", "</a>"] {
            assert!(matches!(Element::read(text.as_bytes()), Err(XmlError::Form(_))), "{text}");
        }
        assert!(matches!(Element::read(b""), Err(XmlError::Empty)));
    }
}

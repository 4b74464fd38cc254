//! Reads the members of a TOML file one by one, so that every fault in it is found at once.
//!
//! Comes in: a TOML text. Goes out: typed members with their spans, faults for the rest.
//! Never: a member that nobody asked for passes unseen; [`Members::finish`] calls it a fault.

use std::{cell::RefCell, collections::BTreeSet, ops::Range, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Fault, nearest};

/// One configuration file under reading, and the faults found in it so far.
#[derive(Debug)]
pub struct Sheet<'f> {
    file: &'f Path,
    text: Arc<str>,
    faults: RefCell<Vec<Fault>>,
}

/// A text member: its value and its bytes in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The value.
    pub value: String,
    /// Where it stands.
    pub span: Range<usize>,
}

/// The words that one member may have, with what each stands for.
pub type Choice<T> = [(&'static str, T)];

impl<'f> Sheet<'f> {
    /// Opens a file's text.
    pub fn new(file: &'f Path, text: &str) -> Self {
        Self { file, text: Arc::from(text), faults: RefCell::default() }
    }

    /// Returns the file.
    pub fn file(&self) -> &'f Path {
        self.file
    }

    /// Returns the text, for [`Sheet::parse`].
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Parses the text (take it from [`Sheet::text`]); faults of syntax are noted, and what could
    /// be read is returned.
    pub fn parse<'t>(&self, text: &'t str) -> Spanned<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            self.fault(error.span().unwrap_or(0..0), error.message().to_owned());
        }
        table
    }

    /// Notes a fault.
    pub fn fault(&self, span: Range<usize>, message: impl Into<String>) {
        self.note(Fault::new(self.file, &self.text, span, message.into()));
    }

    /// Notes a fault with a hint.
    pub fn fault_hint(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(Fault::new(self.file, &self.text, span, message.into()).hint(hint));
    }

    /// Notes an unknown word, with the known one that was meant, or all of them.
    pub fn unknown<'k>(
        &self,
        span: Range<usize>,
        what: &str,
        word: &str,
        known: impl IntoIterator<Item = &'k str> + Clone,
    ) {
        let hint = if let Some(meant) = nearest(word, known.clone()) {
            format!("did you mean `{meant}`?")
        } else {
            let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
            format!("known are {}", all.join(", "))
        };
        self.fault_hint(span, format!("unknown {what} `{word}`"), hint);
    }

    fn note(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Returns whether no fault was noted yet.
    pub fn is_clean(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// Returns the faults in the order of the file.
    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.span().start, fault.span().end));
        faults
    }
}

/// An item of a list that holds both.
#[derive(Debug)]
pub enum TextOrTable<'s, 't> {
    /// A text.
    Text(Text),
    /// A table.
    Table(Members<'s, 't>),
}

/// The members of one table, taken by name.
#[derive(Debug)]
pub struct Members<'s, 't> {
    sheet: &'s Sheet<'s>,
    table: &'s DeTable<'t>,
    what: &'static str,
    span: Range<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'s, 't> Members<'s, 't> {
    /// Opens a table; `what` names it in messages, such as `column`.
    pub fn new(sheet: &'s Sheet<'s>, what: &'static str, table: &'s Spanned<DeTable<'t>>) -> Self {
        let asked = RefCell::default();
        Self { sheet, table: table.get_ref(), what, span: table.span(), asked }
    }

    /// Returns the sheet, to note faults on.
    pub fn sheet(&self) -> &'s Sheet<'s> {
        self.sheet
    }

    /// Returns where the table stands (its header, for `[table]` and `[[table]]`).
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the bytes of a key that is there, to point a fault at.
    pub fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(name, _)| name.span())
    }

    /// Returns the bytes of a member's value, to point a fault at; the table's where it is absent.
    pub fn value_span(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span(), Spanned::span)
    }

    fn ask(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.sheet.fault(value.span(), format!("`{key}` must be {wanted}, not {found}"));
    }

    fn missing(&self, key: &str) {
        self.sheet.fault(self.span(), format!("this {} lacks `{key}`", self.what));
    }

    /// Returns whether the member is there.
    pub fn has(&self, key: &'static str) -> bool {
        self.ask(key).is_some()
    }

    /// Takes a text.
    pub fn text(&self, key: &'static str) -> Option<Text> {
        let value = self.ask(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(key, value, "a string");
        }
        text.map(|text| Text { value: text.to_owned(), span: value.span() })
    }

    /// Takes a text that must be there.
    pub fn text_needed(&self, key: &'static str) -> Option<Text> {
        if !self.has(key) {
            self.missing(key);
        }
        self.text(key)
    }

    /// Takes true or false.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.ask(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(key, value, "true or false");
        }
        flag
    }

    /// Takes an integer from `least` up.
    pub fn integer(&self, key: &'static str, least: i64) -> Option<i64> {
        let value = self.ask(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok())
            .filter(|&n| n >= least);
        if number.is_none() {
            self.wrong(key, value, &format!("an integer of {least} or more"));
        }
        number
    }

    /// Takes a finite number, integer or float.
    pub fn number(&self, key: &'static str) -> Option<f64> {
        let value = self.ask(key)?;
        let number = scalar(value.get_ref())
            .filter(|_| !value.get_ref().is_str())
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|n| n.is_finite());
        if number.is_none() {
            self.wrong(key, value, "a number");
        }
        number
    }

    /// Takes a string, number, boolean or date as its text.
    pub fn scalar(&self, key: &'static str) -> Option<Text> {
        let value = self.ask(key)?;
        let text = scalar(value.get_ref());
        if text.is_none() {
            self.wrong(key, value, "a string, number or date");
        }
        text.map(|text| Text { value: text, span: value.span() })
    }

    /// Takes an array of strings (numbers are taken as their text); `None` when it is absent.
    pub fn texts(&self, key: &'static str) -> Option<Vec<Text>> {
        let value = self.ask(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong(key, value, "an array of strings");
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match scalar(item.get_ref()) {
                Some(text) => texts.push(Text { value: text, span: item.span() }),
                None => self.wrong(key, item, "an array of strings"),
            }
        }
        Some(texts)
    }

    /// Takes one of the words of a choice.
    pub fn choice<T: Clone>(&self, key: &'static str, words: &Choice<T>) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            self.sheet.unknown(text.span, key, &text.value, words.iter().map(|(word, _)| *word));
        }
        found.map(|(_, meaning)| meaning.clone())
    }

    /// Takes one of the words of a choice; the member must be there.
    pub fn choice_needed<T: Clone>(&self, key: &'static str, words: &Choice<T>) -> Option<T> {
        if !self.has(key) {
            self.missing(key);
        }
        self.choice(key, words)
    }

    /// Opens a table within, `[key]` or `key = { … }`.
    pub fn table(&self, key: &'static str) -> Option<Self> {
        let value = self.ask(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(key, value, "a table");
        }
        table.map(|table| self.within(key, table, value.span()))
    }

    /// Takes an array of strings and tables, such as `["a", { name = "b" }]`; `None` when it is
    /// absent.
    pub fn texts_or_tables(&self, key: &'static str) -> Option<Vec<TextOrTable<'s, 't>>> {
        let value = self.ask(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong(key, value, "an array of strings and tables");
            return None;
        };
        let mut all = Vec::new();
        for item in items {
            match (item.get_ref().as_str(), item.get_ref().as_table()) {
                (Some(text), _) => {
                    let text = Text { value: text.to_owned(), span: item.span() };
                    all.push(TextOrTable::Text(text));
                }
                (None, Some(table)) => {
                    all.push(TextOrTable::Table(self.within(key, table, item.span())));
                }
                (None, None) => self.wrong(key, item, "an array of strings and tables"),
            }
        }
        Some(all)
    }

    /// Opens an array of tables, `[[key]]`; empty when it is absent.
    pub fn tables(&self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong(key, value, "an array of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref().as_table() {
                Some(table) => tables.push(self.within(key, table, item.span())),
                None => self.wrong(key, item, "an array of tables"),
            }
        }
        tables
    }

    fn within(&self, what: &'static str, table: &'s DeTable<'t>, span: Range<usize>) -> Self {
        Self { sheet: self.sheet, table, what, span, asked: RefCell::default() }
    }

    /// Notes each member that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter().filter(|(key, _)| !asked.contains(key.get_ref().as_ref()))
        {
            let what = format!("member of a {}", self.what);
            self.sheet.unknown(key.span(), &what, key.get_ref(), asked.iter().copied());
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(n) if n.radix() == 10 => Some(n.as_str().to_owned()),
        DeValue::Integer(n) => {
            i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Float(n) => Some(n.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(at) => Some(at.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_sheet_is_found_at_once_and_in_order() {
        let sheet = Sheet::new(Path::new("a.toml"), "name = 3\nkk = 5\n[deid]\nprofle = \"x\"\n");
        let text = sheet.text();
        let table = sheet.parse(&text);
        let top = Members::new(&sheet, "file", &table);
        assert_eq!(top.text("name"), None);
        assert_eq!(top.integer("k", 2), None);
        let deid = top.table("deid").unwrap();
        assert_eq!(deid.text_needed("profile"), None);
        deid.finish();
        top.finish();
        let places: Vec<_> =
            sheet.into_faults().iter().map(|f| (f.place(), f.to_string())).collect();
        assert_eq!(places.len(), 4, "{places:?}");
        assert_eq!(places[0].0, (1, 8));
        assert_eq!(places[1].0, (2, 1));
        assert!(places[3].1.contains("profle"));
    }
}

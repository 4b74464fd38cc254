//! A fault in a configuration file: where it stands, what is wrong, what to write instead.
//!
//! Comes in: a TOML text and byte spans. Goes out: [`Fault`]s that miette shows with file, line and
//! column. Never: only the first fault of a file; whoever reads one reports all it has.

mod sheet;

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::{LabeledSpan, NamedSource, SourceCode};

pub use sheet::{Choice, Members, Sheet, Text, TextOrTable};

/// One fault of one file.
#[derive(Clone)]
pub struct Fault {
    source: NamedSource<Arc<str>>,
    span: Range<usize>,
    message: String,
    hint: Option<String>,
}

impl Fault {
    /// Makes a fault of the bytes `span` of a file's text.
    pub fn new(file: &Path, text: &Arc<str>, span: Range<usize>, message: String) -> Self {
        let source = NamedSource::new(file.display().to_string(), Arc::clone(text));
        let end = span.end.min(text.len());
        Self { source, span: span.start.min(end)..end, message, hint: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the file's name.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Returns the bytes of the file that are at fault.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns line and column, both from 1; a column counts characters.
    pub fn place(&self) -> (usize, usize) {
        let before = self.source.inner().get(..self.span.start).unwrap_or_default();
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// Returns what is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what to write instead.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.place();
        write!(f, "{}:{line}:{column}: {}", self.file(), self.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

impl std::error::Error for Fault {}

impl miette::Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::at(self.span.clone(), "here");
        Some(Box::new(std::iter::once(label)))
    }
}

/// Finds a file that another names: below that one's folder or the nearest one above it.
pub fn found_from(file: &Path, named: &str) -> Option<PathBuf> {
    let absolute = std::path::absolute(file).ok()?;
    let mut places = absolute.ancestors().skip(1).take(4).map(|folder| folder.join(named));
    places.find(|place| place.is_file())
}

/// Returns the known word nearest to a mistyped one, if it is near enough to be meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (edits(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the least number of inserted, deleted, replaced or swapped characters between two words
/// (optimal string alignment).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, a) in from.chars().enumerate() {
        let mut next = vec![row + 1];
        for (column, &b) in to.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&next, column) + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|&left| previous == Some(b) && to.get(left) == Some(&a));
            if let Some(left) = swapped {
                best = best.min(at(&before_last, left) + 1);
            }
            next.push(best);
        }
        before_last = std::mem::replace(&mut last, next);
        previous = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_the_one_that_was_meant() {
        assert_eq!(nearest("quais", ["direct", "quasi", "measure"]), Some("quasi"));
        assert_eq!(nearest("Tpye", ["type", "table"]), Some("type"));
        assert_eq!(nearest("zebra", ["type", "table"]), None, "a far guess would mislead");
    }

    #[test]
    fn a_fault_tells_its_line_and_column_in_characters() {
        let text: Arc<str> = Arc::from("é = 1\nä = tpye\n");
        let at = text.find("tpye").unwrap();
        let fault = Fault::new(Path::new("a.toml"), &text, at..at + 4, "no".to_owned());
        assert_eq!(fault.place(), (2, 5), "an editor would jump to the wrong place");
        assert_eq!(fault.to_string(), "a.toml:2:5: no");
    }
}

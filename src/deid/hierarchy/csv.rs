//! A hierarchy's file: `value;level1;level2;…`, a line a value, no header, as ARX writes it.
//!
//! Comes in: text. Goes out: a [`Hierarchy`], or every fault with file, line and column.
//! Never: a cell with its spaces taken off, unless that was asked; a value matches exactly.

use std::{ops::Range, path::Path, sync::Arc};

use super::{Builder, Defect, Hierarchy};
use crate::fault::Fault;

/// What may stand between cells, the likeliest first.
const SEPARATORS: [u8; 4] = [b';', b'\t', b',', b'|'];

/// As many faults of one file are told.
const FAULTS_MAX: usize = 8;

impl Hierarchy {
    /// Reads the file of a column's hierarchy. The separator (`;`, tab, `,` or `|`) is the one that
    /// gives every line as many cells; cells may stand in quotes.
    pub fn read(
        column: &str,
        file: &Path,
        text: &Arc<str>,
        trim: bool,
    ) -> Result<Self, Vec<Fault>> {
        let mut builder = Builder::default();
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut faults = Vec::new();
        let lines = Lines::of(text, trim);
        for (place, cells) in lines.all() {
            match builder.push(&cells) {
                Ok(()) => places.push(place),
                Err(defect) => {
                    let line = |leaf: usize| {
                        let start = places.get(leaf).map_or(0, |place| place.start);
                        text.get(..start).unwrap_or_default().matches('\n').count() + 1
                    };
                    faults.push(fault(file, text, place, &defect, line));
                }
            }
            if faults.len() == FAULTS_MAX {
                break;
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        builder.finish(column).ok_or_else(|| {
            let fault = Fault::new(file, text, 0..0, "a hierarchy without a line".to_owned());
            vec![fault.hint("write a line for each value: `value;level1;level2;*`")]
        })
    }
}

fn fault(
    file: &Path,
    text: &Arc<str>,
    place: Range<usize>,
    defect: &Defect,
    line: impl Fn(usize) -> usize,
) -> Fault {
    let (message, hint) = match *defect {
        Defect::Height { found, expected } => (
            format!("{found} cells where the first line has {expected}"),
            "give every value a label at every level; `*` is the label of all values".to_owned(),
        ),
        Defect::Twice { first } => (
            format!("the value stands in line {} under other labels", line(first)),
            "leave one of the two lines".to_owned(),
        ),
        Defect::Finer { level, first } => (
            format!("level {level} tells apart what level {} does not", level - 1),
            format!(
                "it shares its label of level {} with line {}: give both the same label of level {level}",
                level - 1,
                line(first)
            ),
        ),
        Defect::NoLeaf | Defect::Many => (defect.to_string(), "is this the right file?".to_owned()),
    };
    Fault::new(file, text, place, message).hint(hint)
}

/// The lines of a file, cut into cells.
struct Lines<'t> {
    text: &'t str,
    start: usize,
    separator: u8,
    trim: bool,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str, trim: bool) -> Self {
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let with = |separator| Self { text, start, separator, trim };
        let widths = |separator| {
            let widths: Vec<usize> = with(separator).all().map(|(_, cells)| cells.len()).collect();
            let first = widths.first().copied().unwrap_or(0);
            (first, widths.iter().all(|width| *width == first))
        };
        let even = SEPARATORS.into_iter().find(|one| matches!(widths(*one), (2.., true)));
        let some = || SEPARATORS.into_iter().find(|one| widths(*one).0 > 1);
        with(even.or_else(some).unwrap_or(b';'))
    }

    /// Returns each line's place in the text and its cells; blank lines are none.
    fn all(&self) -> impl Iterator<Item = (Range<usize>, Vec<String>)> {
        let bytes = self.text.get(self.start..).unwrap_or_default().as_bytes();
        let mut builder = csv::ReaderBuilder::new();
        let builder = builder.has_headers(false).flexible(true).delimiter(self.separator);
        let trim = if self.trim { csv::Trim::All } else { csv::Trim::None };
        let mut reader = builder.trim(trim).from_reader(bytes);
        let mut record = csv::StringRecord::new();
        std::iter::from_fn(move || {
            let offset = |position: &csv::Position| {
                usize::try_from(position.byte()).map_or(usize::MAX, |byte| byte + self.start)
            };
            let from = offset(reader.position());
            // The bytes come from a text: nothing can be unreadable.
            if !reader.read_record(&mut record).unwrap_or(false) {
                return None;
            }
            let to = offset(reader.position()).min(self.text.len());
            let line = self.text.get(from..to).unwrap_or_default();
            let start = from + (line.len() - line.trim_start_matches(['\r', '\n']).len());
            let end = start.max(from + line.trim_end_matches(['\r', '\n']).len());
            Some((start..end, record.iter().map(str::to_owned).collect()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hierarchy, Vec<Fault>> {
        Hierarchy::read("age", Path::new("a_hierarchy_age.csv"), &Arc::from(text), false)
    }

    #[test]
    fn a_file_is_read_whatever_separates_quotes_or_ends_its_lines() {
        let plain = read("1;0-4;*\n7;5-9;*\n").unwrap();
        assert_eq!((plain.height(), plain.leaves(), plain.label(1, 1)), (3, 2, Some("5-9")));
        for text in [
            "\u{feff}1;0-4;*\r\n7;5-9;*",
            "1,0-4,*\n7,5-9,*\n",
            "1\t0-4\t*\n\n7\t5-9\t*\n\n",
            "\"1\";\"0-4\";\"*\"\n\"7\";\"5-9\";\"*\"\n",
            "1|0-4|*\n7|5-9|*\n",
        ] {
            assert_eq!(read(text).unwrap(), plain, "another reading of {text:?}");
        }
        let bounds = read("1;[0, 5[;\"all; even none\"\n7;[5, 10[;\"all; even none\"\n").unwrap();
        assert_eq!(bounds.label(1, 0), Some("[0, 5["), "a comma in a label split it");
        assert_eq!(
            bounds.label(2, 1),
            Some("all; even none"),
            "quotes do not hold a cell together"
        );
    }

    #[test]
    fn a_cell_is_taken_as_it_stands_unless_its_spaces_are_to_go() {
        assert_eq!(read(" 1;a \n").unwrap().label(0, 0), Some(" 1"));
        let text = Arc::from(" 1;a \n");
        let trimmed = Hierarchy::read("age", Path::new("f"), &text, true).unwrap();
        assert_eq!((trimmed.label(0, 0), trimmed.label(1, 0)), (Some("1"), Some("a")));
    }

    #[test]
    fn a_column_that_only_has_values_has_one_level() {
        let one = read("Male\nFemale\n").unwrap();
        assert_eq!((one.height(), one.leaves()), (1, 2));
    }

    #[test]
    fn every_fault_of_a_file_names_its_line() {
        let faults = read("1;0-4;*\n7;5-9\n\n1;5-9;*\n2;0-4;young\n").unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a_hierarchy_age.csv:2:1: 2 cells where the first line has 3",
                "a_hierarchy_age.csv:4:1: the value stands in line 1 under other labels",
                "a_hierarchy_age.csv:5:1: level 2 tells apart what level 1 does not",
            ]
        );
        let hint = faults[2].hint_text().unwrap();
        assert!(hint.contains("with line 1"), "nobody knows which line it is at odds with: {hint}");
        let empty = read("\n\n").unwrap_err();
        assert_eq!(empty[0].message(), "a hierarchy without a line");
    }
}

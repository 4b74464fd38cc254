//! Where records end: the one state machine that survey, reader and skipper agree on.
//!
//! Comes in: bytes. Goes out: the place after a record's last byte, and how many lines went by.
//! Never: a cut within a quoted cell. A quote opens a cell only at the cell's first byte.

#![expect(clippy::indexing_slicing, reason = "scans bytes at places it has just bounded")]

use memchr::{memchr, memchr_iter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    Cell,
    /// In a cell without quotes, or after the closing quote.
    Bare,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: the end, or the first half of `""`.
    Closing,
}

/// Follows a stream of bytes from record to record.
#[derive(Debug, Clone)]
pub(super) struct Splitter {
    quotes: bool,
    state: State,
    lines: u64,
}

impl Splitter {
    /// Starts at the beginning of a record; `quotes` says whether quoted cells may hold line ends.
    pub(super) fn new(quotes: bool) -> Self {
        Self { quotes, state: State::Cell, lines: 0 }
    }

    /// Returns how many line ends went by.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Goes on to the end of the record, and returns the place after it; `None` when the record
    /// goes on after these bytes.
    pub(super) fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.quotes {
            let end = memchr(b'\n', bytes)? + 1;
            self.lines += 1;
            return Some(end);
        }
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Quoted {
                let Some(quote) = memchr(b'"', &bytes[at..]) else {
                    self.lines += memchr_iter(b'\n', &bytes[at..]).count() as u64;
                    return None;
                };
                self.lines += memchr_iter(b'\n', &bytes[at..at + quote]).count() as u64;
                self.state = State::Closing;
                at += quote + 1;
                continue;
            }
            let byte = bytes[at];
            at += 1;
            self.state = match (self.state, byte) {
                (_, b'\n') => {
                    self.lines += 1;
                    self.state = State::Cell;
                    return Some(at);
                }
                (_, b',') => State::Cell,
                (State::Cell | State::Closing, b'"') => State::Quoted,
                (_, _) => State::Bare,
            };
        }
        None
    }

    /// Goes over all bytes and returns the first record end at or after `from`.
    pub(super) fn pass(&mut self, bytes: &[u8], from: Option<usize>) -> Option<(usize, u64)> {
        let bare = !self.quotes
            || (matches!(self.state, State::Cell | State::Bare) && memchr(b'"', bytes).is_none());
        if bare {
            let found = from
                .filter(|&from| from < bytes.len())
                .and_then(|from| memchr(b'\n', &bytes[from..]).map(|at| from + at + 1));
            let lines_before = self.lines;
            let found = found
                .map(|end| (end, lines_before + memchr_iter(b'\n', &bytes[..end]).count() as u64));
            let (counted, lines) = found.unwrap_or((0, lines_before));
            self.lines = lines + memchr_iter(b'\n', &bytes[counted..]).count() as u64;
            self.state = match bytes.last() {
                Some(b'\n' | b',') => State::Cell,
                Some(_) => State::Bare,
                None => self.state,
            };
            return found;
        }
        let mut at = 0;
        let mut found = None;
        while let Some(step) = self.next_end(&bytes[at..]) {
            at += step;
            if found.is_none() && from.is_some_and(|from| at > from) {
                found = Some((at, self.lines));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_end_between_quotes_ends_no_record() {
        let mut splitter = Splitter::new(true);
        let bytes = b"a,\"x\ny\"\"\nz\",b\nnext";
        assert_eq!(splitter.next_end(bytes), Some(14));
        assert_eq!(splitter.lines(), 3, "every later line number would be wrong");
    }

    #[test]
    fn a_quote_within_a_bare_cell_opens_nothing() {
        let mut splitter = Splitter::new(true);
        assert_eq!(splitter.next_end(b"5\" pipe,x\ny\n"), Some(10));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn passing_in_pieces_finds_the_ends_that_stepping_finds(
            text in "[a\",\n]{0,60}", cut in 0_usize..60, from in 0_usize..60,
        ) {
            let bytes = text.as_bytes();
            let mut stepping = Splitter::new(true);
            let mut ends = Vec::new();
            let mut at = 0;
            while let Some(step) = stepping.next_end(&bytes[at..]) {
                at += step;
                ends.push((at, stepping.lines()));
            }
            let wanted = ends.iter().copied().find(|&(end, _)| end > from);

            let cut = cut.min(bytes.len());
            let mut passing = Splitter::new(true);
            let first = passing.pass(&bytes[..cut], (from < cut).then_some(from));
            let rest = passing
                .pass(&bytes[cut..], first.is_none().then_some(from.saturating_sub(cut)))
                .map(|(end, lines)| (end + cut, lines));
            prop_assert_eq!(first.or(rest), wanted);
            prop_assert_eq!(passing.lines(), stepping.lines());
        }
    }
}

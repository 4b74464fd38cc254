//! A moving window over a file's content that never grows past the longest record allowed.
//!
//! Comes in: content. Goes out: the bytes read and not yet used. Never: more of them in memory
//! than one record may have, and one read.

#![expect(clippy::indexing_slicing, reason = "start <= end <= buffer.len() holds throughout")]

use super::{Error, bytes::Content, split::Splitter};

const READ_BYTES: usize = 1 << 18;

pub(super) struct Window {
    content: Content,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    done: bool,
}

impl Window {
    pub(super) fn new(content: Content) -> Self {
        Self { content, buffer: vec![0; 2 * READ_BYTES], start: 0, end: 0, done: false }
    }

    /// Returns the bytes at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns whether the bytes at hand are the last.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Lets the first bytes go.
    pub(super) fn use_up(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Reads more; afterwards there are more bytes at hand, or the window is done.
    pub(super) fn fill(&mut self) -> Result<(), Error> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < READ_BYTES {
            // Doubling keeps the work of searching a long record again in proportion.
            self.buffer.resize((2 * self.buffer.len()).max(self.end + READ_BYTES), 0);
        }
        let count = self.content.read(&mut self.buffer[self.end..])?;
        self.end += count;
        self.done = count == 0;
        Ok(())
    }

    /// Skips the record that begins here without keeping it; returns its bytes and line ends.
    pub(super) fn skip_record(&mut self, quotes: bool) -> Result<(u64, u64), Error> {
        let mut splitter = Splitter::new(quotes);
        let mut bytes = 0_u64;
        loop {
            let at_hand = self.end - self.start;
            if let Some(end) = splitter.next_end(&self.buffer[self.start..self.end]) {
                self.use_up(end);
                return Ok((bytes + end as u64, splitter.lines()));
            }
            bytes += at_hand as u64;
            self.use_up(at_hand);
            if self.done {
                return Ok((bytes, splitter.lines()));
            }
            self.fill()?;
        }
    }
}

//! A batch under construction: the bytes that one write will put behind the log's end.

use crate::store::entry::{self, Head, What};
use crate::store::error::{Error, Result};

/// Entries that go to disk together or not at all.
pub struct Batch {
    bytes: Vec<u8>,
    start: u64,
    salt: u64,
    last: Option<usize>,
    received: u64,
}

impl Batch {
    /// An empty batch that will stand at `start`.
    pub fn new(start: u64, salt: u64, capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            start,
            salt,
            last: None,
            received: 0,
        }
    }

    /// The position that the next entry gets.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The greatest received time of its entries (ns).
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds an entry; its position.
    pub fn push(&mut self, what: What, mode: u8, received: u64, body: &[u8]) -> Result<u64> {
        let position = self.end();
        let head = Head {
            what,
            mode,
            last: false,
            length: body.len(),
            position,
            batch: self.start,
            received,
        };
        let start = self.bytes.len();
        if !entry::push(&mut self.bytes, self.salt, &head, body) {
            return Err(Error::Usage(format!(
                "an entry of {} bytes does not fit in the log",
                body.len()
            )));
        }
        self.last = Some(start);
        self.received = self.received.max(received);
        Ok(position)
    }

    /// The record at a position of this batch.
    pub fn record(&self, position: u64) -> Option<&[u8]> {
        let start = usize::try_from(position.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(start..)?;
        let head = Head::decode(bytes)?;
        bytes.get(entry::HEAD..entry::HEAD + head.length)
    }

    /// The bytes to write, with the mark that the batch ends with them.
    pub fn finish(&mut self) -> &[u8] {
        if let Some(last) = self.last {
            entry::mark_last(&mut self.bytes, last, self.salt);
        }
        &self.bytes
    }
}

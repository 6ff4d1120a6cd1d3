//! A batch under construction: the bytes that one write will put behind the log's end.

use crate::store::entry::{self, Head, Marks, What};
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

    /// Adds a record; its position.
    pub fn push_record(&mut self, marks: Marks, received: u64, record: &[u8]) -> Result<u64> {
        self.push_entry(What::Record, marks, received, record)
    }

    /// Adds an entry that is no record.
    pub fn push(&mut self, what: What, body: &[u8]) -> Result<()> {
        self.push_entry(what, Marks::default(), 0, body).map(drop)
    }

    fn push_entry(&mut self, what: What, marks: Marks, received: u64, body: &[u8]) -> Result<u64> {
        let position = self.end();
        let head = Head {
            what,
            marks,
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

    /// The entry at a position of this batch.
    pub fn entry(&self, position: u64) -> Option<(Head, &[u8])> {
        let start = usize::try_from(position.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(start..)?;
        let head = Head::decode(bytes)?;
        let body = bytes.get(entry::HEAD..entry::HEAD + head.length)?;
        Some((head, body))
    }

    /// The bytes to write, with the mark that the batch ends with them.
    pub fn finish(&mut self) -> &[u8] {
        if let Some(last) = self.last {
            entry::mark_last(&mut self.bytes, last, self.salt);
        }
        &self.bytes
    }
}

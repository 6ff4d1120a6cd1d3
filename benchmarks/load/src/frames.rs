//! The messages that a load needs.

/// Message types.
pub mod kind {
    /// Asks for stored records.
    pub const QUERY: u8 = 0x02;
    /// Asks for stored and coming records.
    pub const SUBSCRIBE: u8 = 0x03;
    /// Brings a record.
    pub const SUBMISSION: u8 = 0x05;
    /// Begins the session.
    pub const HELLO: u8 = 0x10;
    /// Answers HELLO.
    pub const HELLO_ACK: u8 = 0x90;
    /// Carries a record.
    pub const RECORD: u8 = 0x80;
    /// All stored records have been sent.
    pub const LOCALLY_COMPLETE: u8 = 0x81;
    /// Ends a query or subscription.
    pub const QUERY_CLOSED: u8 = 0x82;
    /// Answers a submission.
    pub const SUBMISSION_RESULT: u8 = 0x83;
}

/// The results that count as taken: SUCCESS, ACCEPTED and DUPLICATE are below this.
pub const REFUSED: u8 = 0x20;

/// A frame from its parts.
pub fn frame(kind: u8, query: u16, parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let [low, high] = query.to_le_bytes();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&[kind, 0, low, high]);
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A QUERY or SUBSCRIBE.
pub fn ask(kind: u8, query: u16, limit: u16, filter: &[u8]) -> Vec<u8> {
    frame(kind, query, &[&limit.to_le_bytes(), &[0; 6], filter])
}

/// HELLO without applications.
pub fn hello() -> Vec<u8> {
    frame(kind::HELLO, 0, &[&[0; 4]])
}

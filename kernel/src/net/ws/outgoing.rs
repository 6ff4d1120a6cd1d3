//! Puts Mosaic frames into WebSocket frames as they go.
//!
//! What is handed to the wire ends at any byte, even inside of a Mosaic
//! frame. Every stretch becomes whole WebSocket frames (the rest of a long one
//! is a fragment that continues it), so that a ping can be answered between any two.

use std::io::{self, IoSlice};

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Side, mask};
use crate::net::frame::HEADER;

/// The longest reason that fits a Close beside its code.
const LONGEST_REASON: usize = 123;

/// Where the stream of Mosaic frames stands.
pub struct Outgoing {
    masks: bool,
    /// The beginning of a Mosaic frame's header.
    head: [u8; HEADER],
    head_length: usize,
    /// What is to come of the Mosaic frame that has begun.
    left: usize,
}

impl Outgoing {
    /// At the beginning of a stream that `side` writes.
    pub const fn new(side: Side) -> Self {
        Self {
            masks: matches!(side, Side::Client),
            head: [0; HEADER],
            head_length: 0,
            left: 0,
        }
    }

    /// Appends the next bytes of the stream to `into`, wrapped.
    pub fn wrap(&mut self, pieces: &[IoSlice<'_>], into: &mut Vec<u8>) -> io::Result<()> {
        let mut pieces = Pieces::new(pieces);
        while pieces.left > 0 {
            if self.left > 0 {
                self.continue_frame(&mut pieces, into)?;
            } else {
                self.begin_frame(&mut pieces, into)?;
            }
        }
        Ok(())
    }

    fn begin_frame(&mut self, pieces: &mut Pieces<'_>, into: &mut Vec<u8>) -> io::Result<()> {
        while self.head_length < HEADER
            && let Some(byte) = pieces.next_byte()
        {
            self.head[self.head_length] = byte;
            self.head_length += 1;
        }
        if self.head_length < HEADER {
            return Ok(());
        }
        self.head_length = 0;
        let [.., a, b, c, d] = self.head;
        let total = u32::from_le_bytes([a, b, c, d]);
        // Whoever queued an impossible length learns from the peer what that is.
        self.left = usize::try_from(total).map_or(usize::MAX, |total| total.max(HEADER));
        let here = self.left.min(HEADER + pieces.left);
        let begun = self.head;
        self.write(Data::Binary, here, into, |into| {
            into.extend_from_slice(&begun);
            pieces.copy(here - HEADER, into);
        })
    }

    fn continue_frame(&mut self, pieces: &mut Pieces<'_>, into: &mut Vec<u8>) -> io::Result<()> {
        let here = self.left.min(pieces.left);
        self.write(Data::Continue, here, into, |into| pieces.copy(here, into))
    }

    fn write(
        &mut self,
        data: Data,
        length: usize,
        into: &mut Vec<u8>,
        copy: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        self.left -= length;
        self.frame(OpCode::Data(data), self.left == 0, length, into, copy)
    }

    fn frame(
        &self,
        opcode: OpCode,
        is_final: bool,
        length: usize,
        into: &mut Vec<u8>,
        copy: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let mask = if self.masks {
            Some(mask::fresh()?)
        } else {
            None
        };
        let header = FrameHeader {
            is_final,
            opcode,
            mask,
            ..FrameHeader::default()
        };
        header
            .format(length as u64, into)
            .map_err(io::Error::other)?;
        let start = into.len();
        copy(into);
        if let Some(mask) = mask {
            mask::apply(mask, &mut into[start..]);
        }
        Ok(())
    }

    /// Appends the answer to a ping.
    pub fn pong(&self, payload: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
        let opcode = OpCode::Control(Control::Pong);
        self.frame(opcode, true, payload.len(), into, |into| {
            into.extend_from_slice(payload);
        })
    }

    /// Appends a Close.
    pub fn close(&self, code: u16, reason: &str, into: &mut Vec<u8>) -> io::Result<()> {
        let reason = &reason.as_bytes()[..reason.len().min(LONGEST_REASON)];
        let opcode = OpCode::Control(Control::Close);
        self.frame(opcode, true, 2 + reason.len(), into, |into| {
            into.extend(code.to_be_bytes());
            into.extend_from_slice(reason);
        })
    }
}

/// Pieces read as one.
struct Pieces<'a> {
    rest: &'a [IoSlice<'a>],
    current: &'a [u8],
    left: usize,
}

impl<'a> Pieces<'a> {
    fn new(pieces: &'a [IoSlice<'a>]) -> Self {
        Self {
            rest: pieces,
            current: &[],
            left: pieces.iter().map(|piece| piece.len()).sum(),
        }
    }

    /// What comes next of one piece, nothing at the end of all.
    fn chunk(&mut self, most: usize) -> &'a [u8] {
        while self.current.is_empty() {
            let Some((first, rest)) = self.rest.split_first() else {
                return &[];
            };
            self.current = first;
            self.rest = rest;
        }
        let (chunk, rest) = self.current.split_at(most.min(self.current.len()));
        self.current = rest;
        self.left -= chunk.len();
        chunk
    }

    fn next_byte(&mut self) -> Option<u8> {
        self.chunk(1).first().copied()
    }

    fn copy(&mut self, mut count: usize, into: &mut Vec<u8>) {
        while count > 0 {
            let chunk = self.chunk(count);
            if chunk.is_empty() {
                return;
            }
            into.extend_from_slice(chunk);
            count -= chunk.len();
        }
    }
}

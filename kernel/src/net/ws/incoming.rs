//! Takes messages out of their WebSocket frames, where they lie.

use std::io::Cursor;

use bytes::BytesMut;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::{INVALID, NORMAL, POLICY, PROTOCOL, Side, UNSUPPORTED, Violation, mask};
use crate::net::frame::HEADER;

/// The longest header of a WebSocket frame.
const LONGEST_HEAD: usize = 14;
/// The longest payload of a control frame.
const LONGEST_CONTROL: u64 = 125;
/// So many fragments of one message may be empty.
const MOST_EMPTY: u16 = 256;

const fn broken(words: &'static str) -> Violation {
    Violation {
        code: PROTOCOL,
        words,
    }
}

/// What came beside messages in one stretch of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The payload of the last ping.
    pub ping: Option<Vec<u8>>,
    /// Why nothing of what follows counts.
    pub end: Option<End>,
}

/// How a stream of WebSocket frames ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer sent a Close with this code.
    Closed(u16),
    /// The peer broke a rule.
    Broken(Violation),
}

/// The frame whose payload is being read.
struct Frame {
    control: Option<Control>,
    last: bool,
    left: u64,
    mask: Option<[u8; 4]>,
}

/// Where a stream stands. Bytes may come in pieces of any length.
pub struct Incoming {
    /// Whether the peer is a client and so has to mask.
    masked: bool,
    /// The beginning of a frame's header.
    head: [u8; LONGEST_HEAD],
    head_length: usize,
    frame: Option<Frame>,
    /// The beginning of a control frame's payload.
    control: Vec<u8>,
    /// Whether a message has begun, and how far its frames go that have begun.
    inside: bool,
    message_end: u64,
    empty: u16,
    /// The header of the Mosaic frame in it.
    inner: [u8; HEADER],
    inner_length: usize,
}

impl Incoming {
    /// At the beginning of a stream that `side` reads.
    pub const fn new(side: Side) -> Self {
        Self {
            masked: matches!(side, Side::Server),
            head: [0; LONGEST_HEAD],
            head_length: 0,
            frame: None,
            control: Vec::new(),
            inside: false,
            message_end: 0,
            empty: 0,
            inner: [0; HEADER],
            inner_length: 0,
        }
    }

    /// Replaces what `buffer` holds from `start` on by the payload of the messages in it.
    pub fn unwrap(&mut self, buffer: &mut BytesMut, start: usize) -> Heard {
        let mut heard = Heard::default();
        let (mut read, mut written) = (start, start);
        while heard.end.is_none() && (read < buffer.len() || self.is_at_end_of_frame()) {
            let step = match self.frame {
                None => self.begin(&buffer[read..]),
                Some(_) => self.go_on(buffer, read, &mut written, &mut heard),
            };
            match step {
                Ok(taken) => read += taken,
                Err(violation) => heard.end = Some(End::Broken(violation)),
            }
        }
        buffer.truncate(written);
        heard
    }

    /// Whether a frame has ended of which nothing was made yet: one without payload.
    fn is_at_end_of_frame(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| frame.left == 0)
    }

    /// Reads a frame's header, or keeps its beginning; how many bytes it took.
    fn begin(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let known = self.head_length;
        let here = bytes.len().min(LONGEST_HEAD - known);
        let parsed = if known == 0 {
            parse(&bytes[..here])?
        } else {
            self.head[known..known + here].copy_from_slice(&bytes[..here]);
            parse(&self.head[..known + here])?
        };
        let Some((header, length, size)) = parsed else {
            if known == 0 {
                self.head[..here].copy_from_slice(&bytes[..here]);
            }
            self.head_length = known + here;
            return Ok(here);
        };
        self.head_length = 0;
        self.judge(&header, length)?;
        Ok(size - known)
    }

    fn judge(&mut self, header: &FrameHeader, length: u64) -> Result<(), Violation> {
        if header.mask.is_some() != self.masked {
            return Err(broken(if self.masked {
                "a client has to mask its frames"
            } else {
                "a server must not mask its frames"
            }));
        }
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(broken("a reserved bit is set: no extension was agreed on"));
        }
        let control = match header.opcode {
            OpCode::Control(control) => {
                if !header.is_final || length > LONGEST_CONTROL {
                    return Err(broken("a control frame is whole and has 125 bytes at most"));
                }
                Some(control)
            }
            OpCode::Data(data) => {
                self.judge_data(data, header.is_final, length)?;
                None
            }
        };
        self.frame = Some(Frame {
            control,
            last: header.is_final,
            left: length,
            mask: header.mask,
        });
        Ok(())
    }

    fn judge_data(&mut self, data: Data, last: bool, length: u64) -> Result<(), Violation> {
        match data {
            Data::Binary if self.inside => {
                return Err(broken("a message begins inside of another"));
            }
            Data::Continue if !self.inside => {
                return Err(broken("a fragment continues no message"));
            }
            Data::Binary | Data::Continue => {}
            Data::Text | Data::Reserved(_) => {
                return Err(Violation {
                    code: UNSUPPORTED,
                    words: "only binary messages are taken",
                });
            }
        }
        self.inside = true;
        self.message_end = self.message_end.saturating_add(length);
        if length == 0 {
            self.empty += 1;
            if self.empty > MOST_EMPTY {
                return Err(Violation {
                    code: POLICY,
                    words: "a message has too many empty fragments",
                });
            }
        }
        self.judge_length(last)
    }

    /// Whether the message can be exactly one Mosaic frame, as far as that is known.
    fn judge_length(&self, last: bool) -> Result<(), Violation> {
        let [.., a, b, c, d] = self.inner;
        let total = u64::from(u32::from_le_bytes([a, b, c, d]));
        let whole = if self.inner_length < HEADER {
            !last || self.message_end >= HEADER as u64
        } else if total < HEADER as u64 {
            // The length itself is refused where frames are cut.
            true
        } else {
            self.message_end <= total && !(last && self.message_end < total)
        };
        if whole {
            return Ok(());
        }
        Err(Violation {
            code: INVALID,
            words: "a message has to hold exactly one Mosaic frame",
        })
    }

    /// Takes the payload of the frame that has begun, as far as it is here; how many bytes.
    fn go_on(
        &mut self,
        buffer: &mut BytesMut,
        read: usize,
        written: &mut usize,
        heard: &mut Heard,
    ) -> Result<usize, Violation> {
        let Some(mut frame) = self.frame.take() else {
            return Ok(0);
        };
        let rest = buffer.len() - read;
        let here = usize::try_from(frame.left).map_or(rest, |left| left.min(rest));
        frame.left -= here as u64;
        let payload = &mut buffer[read..read + here];
        if let Some(mask) = frame.mask {
            frame.mask = Some(mask::apply(mask, payload));
        }
        match frame.control {
            Some(_) => self.control.extend_from_slice(payload),
            None => {
                self.look_into(payload, frame.last)?;
                buffer.copy_within(read..read + here, *written);
                *written += here;
            }
        }
        if frame.left > 0 {
            self.frame = Some(frame);
            return Ok(here);
        }
        match frame.control {
            Some(control) => self.act(control, heard)?,
            None if frame.last => {
                self.inside = false;
                self.message_end = 0;
                self.empty = 0;
                self.inner_length = 0;
            }
            None => {}
        }
        Ok(here)
    }

    /// Reads the header of the Mosaic frame in the message.
    fn look_into(&mut self, payload: &[u8], last: bool) -> Result<(), Violation> {
        if self.inner_length == HEADER {
            return Ok(());
        }
        let here = payload.len().min(HEADER - self.inner_length);
        self.inner[self.inner_length..self.inner_length + here].copy_from_slice(&payload[..here]);
        self.inner_length += here;
        self.judge_length(last)
    }

    fn act(&mut self, control: Control, heard: &mut Heard) -> Result<(), Violation> {
        let payload = std::mem::take(&mut self.control);
        match control {
            Control::Ping => heard.ping = Some(payload),
            Control::Pong => {}
            Control::Close => heard.end = Some(End::Closed(close_code(&payload)?)),
            Control::Reserved(_) => return Err(broken("an unknown control frame")),
        }
        Ok(())
    }
}

/// A header, the length of its payload and its own.
fn parse(bytes: &[u8]) -> Result<Option<(FrameHeader, u64, usize)>, Violation> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor)
        .map_err(|_| broken("a frame of a kind that RFC 6455 does not know"))?;
    let Some((header, length)) = parsed else {
        return Ok(None);
    };
    let size = header.len(length);
    if cursor.position() != size as u64 || length >> 63 != 0 {
        return Err(broken("the length of a frame is not in its shortest form"));
    }
    Ok(Some((header, length, size)))
}

fn close_code(payload: &[u8]) -> Result<u16, Violation> {
    match payload {
        [] => Ok(NORMAL),
        [_] => Err(broken("a Close has a code of two bytes, or nothing")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !CloseCode::from(code).is_allowed() {
                return Err(broken("a Close with a code that may not be sent"));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(Violation {
                    code: INVALID,
                    words: "the reason of a Close is not UTF-8",
                });
            }
            Ok(code)
        }
    }
}

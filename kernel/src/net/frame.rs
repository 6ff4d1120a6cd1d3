//! Cuts a stream of bytes into frames by the 256 limits, whatever the transport.
//!
//! A frame is an 8-byte header (`[0]` type, `[4:8]` total length with the
//! header, u32 little-endian) and its body. Nothing is allocated for what a
//! header only announces: memory grows with the bytes that have come.

use bytes::{Buf, Bytes};

/// The length of a frame's header, in bytes.
pub const HEADER: usize = 8;

/// The greatest length for each type, and which types go to a file.
#[derive(Debug)]
pub struct Limits {
    total: [u32; 256],
    prefix: [u32; 256],
    spool_over: u32,
}

impl Limits {
    /// Takes the greatest total length and the spool prefix for each of the 256 types.
    ///
    /// Fails, in words, when a list has not 256 entries, an entry does not fit
    /// 32 bits, or a spool prefix lies outside of 8 to `spool_over`.
    pub fn new(totals: &[u64], prefixes: &[u64], spool_over: u64) -> Result<Self, String> {
        let spool_over = u32::try_from(spool_over)
            .map_err(|_| format!("spool_over is {spool_over}; give at most {}", u32::MAX))?;
        let total = table("frame_limits", totals)?;
        let prefix = table("spool_prefix", prefixes)?;
        for (kind, &bytes) in prefix.iter().enumerate() {
            if bytes != 0 && (bytes < HEADER as u32 || bytes > spool_over) {
                return Err(format!(
                    "spool_prefix[{kind}] is {bytes}; give 0 (never), or {HEADER} to spool_over ({spool_over})"
                ));
            }
        }
        Ok(Self {
            total,
            prefix,
            spool_over,
        })
    }

    fn judge(&self, head: [u8; HEADER], own: &[(u8, u32)]) -> Judgement {
        let kind = usize::from(head[0]);
        let total = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let own = own.iter().find(|(kind, _)| *kind == head[0]);
        let most = own.map_or(self.total[kind], |(_, most)| self.total[kind].min(*most));
        if total < HEADER as u32 || total > most {
            return Judgement::Refused;
        }
        if self.prefix[kind] != 0 && total > self.spool_over {
            let prefix = self.prefix[kind];
            return Judgement::Spool {
                prefix: prefix as usize,
                body: u64::from(total - prefix),
            };
        }
        Judgement::Whole(total as usize)
    }
}

fn table(name: &str, values: &[u64]) -> Result<[u32; 256], String> {
    if values.len() != 256 {
        return Err(format!(
            "{name} has {} entries; give one for each of the 256 types",
            values.len()
        ));
    }
    let mut table = [0_u32; 256];
    for (kind, (&value, slot)) in values.iter().zip(table.iter_mut()).enumerate() {
        *slot = u32::try_from(value)
            .map_err(|_| format!("{name}[{kind}] is {value}; give at most {}", u32::MAX))?;
    }
    Ok(table)
}

enum Judgement {
    Whole(usize),
    Spool { prefix: usize, body: u64 },
    Refused,
}

/// What the cutter found next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// A whole frame with its header.
    Frame(Bytes),
    /// The first bytes of a frame whose body (so many bytes) goes to a file.
    SpoolBegins(Bytes, u64),
    /// The next bytes of such a body, and whether they are its last.
    SpoolBody(Bytes, bool),
    /// The header of a frame that breaks its limit. Nothing follows, ever.
    Refused([u8; HEADER]),
}

enum State {
    Frames,
    Spooling(u64),
    Refused,
}

/// Where one stream stands. Holds nothing between whole frames.
pub struct Cutter {
    partial: Vec<u8>,
    state: State,
    /// Types with a lower limit in this stream than in others.
    own: Vec<(u8, u32)>,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new()
    }
}

impl Cutter {
    /// A cutter at the beginning of a stream.
    pub const fn new() -> Self {
        Self {
            partial: Vec::new(),
            state: State::Frames,
            own: Vec::new(),
        }
    }

    /// Frames of a type that begin from now on may be so long at most, and never longer than the limits say.
    pub fn limit(&mut self, kind: u8, most: u32) {
        self.own.retain(|(known, _)| *known != kind);
        self.own.push((kind, most));
    }

    /// Whether the stream stands inside of a frame.
    pub fn inside(&self) -> bool {
        !self.partial.is_empty() || matches!(self.state, State::Spooling(_))
    }

    /// The memory that the beginning of a frame holds, in bytes.
    pub fn held(&self) -> usize {
        self.partial.capacity()
    }

    /// Takes bytes from the front of `chunk` until something is found or it is used up.
    pub fn next(&mut self, limits: &Limits, chunk: &mut Bytes) -> Option<Cut> {
        match self.state {
            State::Refused => {
                chunk.clear();
                None
            }
            State::Spooling(left) => self.spool(left, chunk),
            State::Frames if chunk.is_empty() => None,
            State::Frames if self.partial.is_empty() => self.at_boundary(limits, chunk),
            State::Frames => self.inside_frame(limits, chunk),
        }
    }

    fn spool(&mut self, left: u64, chunk: &mut Bytes) -> Option<Cut> {
        if chunk.is_empty() {
            return None;
        }
        let here = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
        let left = left - here as u64;
        self.state = if left == 0 {
            State::Frames
        } else {
            State::Spooling(left)
        };
        Some(Cut::SpoolBody(chunk.split_to(here), left == 0))
    }

    /// The common case: a frame begins with the chunk. Whole ones are not copied.
    fn at_boundary(&mut self, limits: &Limits, chunk: &mut Bytes) -> Option<Cut> {
        let Some(head) = chunk.first_chunk::<HEADER>().copied() else {
            self.partial.extend_from_slice(chunk);
            chunk.clear();
            return None;
        };
        let (want, body) = match limits.judge(head, &self.own) {
            Judgement::Refused => return Some(self.refuse(head, chunk)),
            Judgement::Whole(total) => (total, None),
            Judgement::Spool { prefix, body } => (prefix, Some(body)),
        };
        if chunk.len() < want {
            self.keep(want, chunk);
            return None;
        }
        Some(self.found(chunk.split_to(want), body))
    }

    /// The rest of a frame whose beginning came with an earlier chunk.
    fn inside_frame(&mut self, limits: &Limits, chunk: &mut Bytes) -> Option<Cut> {
        if self.partial.len() < HEADER {
            self.keep(HEADER, chunk);
        }
        let head = self.partial.first_chunk::<HEADER>().copied()?;
        let (want, body) = match limits.judge(head, &self.own) {
            Judgement::Refused => return Some(self.refuse(head, chunk)),
            Judgement::Whole(total) => (total, None),
            Judgement::Spool { prefix, body } => (prefix, Some(body)),
        };
        self.keep(want, chunk);
        if self.partial.len() < want {
            return None;
        }
        let frame = Bytes::from(std::mem::take(&mut self.partial));
        Some(self.found(frame, body))
    }

    /// Moves bytes behind the partial frame until it has `want`; grows by doubling, never past `want`.
    fn keep(&mut self, want: usize, chunk: &mut Bytes) {
        let here = want.saturating_sub(self.partial.len()).min(chunk.len());
        if self.partial.capacity() - self.partial.len() < here {
            let room = (self.partial.len() * 2)
                .max(self.partial.len() + here)
                .max(512)
                .min(want);
            self.partial
                .reserve_exact(room.saturating_sub(self.partial.len()));
        }
        self.partial.extend_from_slice(&chunk[..here]);
        chunk.advance(here);
    }

    fn found(&mut self, bytes: Bytes, body: Option<u64>) -> Cut {
        match body {
            None => Cut::Frame(bytes),
            Some(body) => {
                self.state = State::Spooling(body);
                Cut::SpoolBegins(bytes, body)
            }
        }
    }

    fn refuse(&mut self, head: [u8; HEADER], chunk: &mut Bytes) -> Cut {
        self.state = State::Refused;
        self.partial = Vec::new();
        chunk.clear();
        Cut::Refused(head)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let mut totals = vec![64_u64; 256];
        totals[7] = 1_000_000;
        totals[9] = 0;
        let mut prefixes = vec![0_u64; 256];
        prefixes[7] = 40;
        Limits::new(&totals, &prefixes, 100).unwrap()
    }

    fn frame(kind: u8, total: u32) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend_from_slice(&total.to_le_bytes());
        bytes.extend((8..total).map(|n| n as u8));
        bytes
    }

    /// Cuts a stream handed over in steps; spooled bodies come out joined.
    fn cut(stream: &[u8], step: usize) -> Vec<(String, Vec<u8>)> {
        let (limits, mut cutter, mut found) = (limits(), Cutter::new(), Vec::new());
        for piece in stream.chunks(step) {
            let mut chunk = Bytes::copy_from_slice(piece);
            while let Some(cut) = cutter.next(&limits, &mut chunk) {
                match cut {
                    Cut::Frame(bytes) => found.push(("frame".into(), bytes.to_vec())),
                    Cut::SpoolBegins(bytes, body) => {
                        found.push((format!("spool {body}"), bytes.to_vec()));
                        found.push(("body".into(), Vec::new()));
                    }
                    Cut::SpoolBody(bytes, last) => {
                        let open = found.last_mut().unwrap();
                        open.1.extend_from_slice(&bytes);
                        if last {
                            open.0 = "whole body".into();
                        }
                    }
                    Cut::Refused(head) => found.push(("refused".into(), head.to_vec())),
                }
            }
            assert!(chunk.is_empty());
        }
        found
    }

    #[test]
    fn frames_do_not_depend_on_how_the_bytes_arrive() {
        let stream = [
            frame(1, 8),
            frame(2, 64),
            frame(7, 100),
            frame(7, 101),
            frame(0, 9),
            frame(7, 70_000),
            frame(255, 64),
        ]
        .concat();
        let whole = cut(&stream, stream.len());
        assert_eq!(whole.len(), 9);
        assert_eq!(whole[3], ("spool 61".into(), frame(7, 101)[..40].to_vec()));
        assert_eq!(
            whole[4],
            ("whole body".into(), frame(7, 101)[40..].to_vec())
        );
        for step in [1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 65_536] {
            assert_eq!(cut(&stream, step), whole, "step {step}");
        }
    }

    #[test]
    fn a_length_that_breaks_its_limit_is_refused_from_the_header_and_ends_the_stream() {
        for (kind, total) in [
            (1, 0),
            (1, 7),
            (1, 65),
            (1, u32::MAX),
            (7, 1_000_001),
            (9, 8),
        ] {
            let mut bad = frame(1, 20);
            bad.extend([kind, 3, 4, 5]);
            bad.extend(total.to_le_bytes());
            let head = bad[20..].to_vec();
            bad.extend(frame(1, 8));
            for step in [1, 5, bad.len()] {
                let found = cut(&bad, step);
                assert_eq!(found.len(), 2);
                assert_eq!(found[1], ("refused".into(), head.clone()));
            }
        }
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let limits = Limits::new(&[u64::from(u32::MAX); 256], &[0; 256], 100).unwrap();
        let mut cutter = Cutter::new();
        let mut chunk = Bytes::from_static(&[1, 0, 0, 0, 255, 255, 255, 255, 1, 2, 3]);
        assert_eq!(cutter.next(&limits, &mut chunk), None);
        assert!(cutter.inside());
        assert!(cutter.partial.capacity() <= 512);
    }

    #[test]
    fn nothing_is_held_between_frames() {
        let limits = limits();
        let mut cutter = Cutter::new();
        for piece in frame(2, 64).chunks(10) {
            let mut chunk = Bytes::copy_from_slice(piece);
            let _ = cutter.next(&limits, &mut chunk);
        }
        assert!(!cutter.inside());
        assert_eq!(cutter.partial.capacity(), 0);
    }

    #[test]
    fn wrong_tables_are_refused_in_words() {
        for (totals, prefixes, over) in [
            (vec![8; 255], vec![0; 256], 100),
            (vec![8; 256], vec![0; 257], 100),
            (vec![1 << 32; 256], vec![0; 256], 100),
            (vec![8; 256], vec![7; 256], 100),
            (vec![8; 256], vec![101; 256], 100),
            (vec![8; 256], vec![0; 256], 1 << 32),
        ] {
            assert!(Limits::new(&totals, &prefixes, over).is_err());
        }
    }

    #[test]
    fn a_stream_may_have_a_lower_limit_of_its_own() {
        let (limits, mut cutter) = (limits(), Cutter::new());
        let frame = |kind: u8, total: u8| {
            let mut frame = vec![0; usize::from(total)];
            (frame[0], frame[4]) = (kind, total);
            Bytes::from(frame)
        };
        cutter.limit(1, 10);
        cutter.limit(1, 20);
        cutter.limit(2, u32::MAX);
        assert!(matches!(
            cutter.next(&limits, &mut frame(1, 20)),
            Some(Cut::Frame(_))
        ));
        assert!(matches!(
            cutter.next(&limits, &mut frame(3, 21)),
            Some(Cut::Frame(_))
        ));
        assert!(matches!(
            cutter.next(&limits, &mut frame(1, 21)),
            Some(Cut::Refused(_))
        ));
    }
}

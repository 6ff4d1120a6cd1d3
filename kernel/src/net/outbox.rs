//! What waits to go out on one link, bounded in bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::task::Waker;

use bytes::Bytes;

/// Frames up to this length are gathered in one block instead of a block each.
const GATHER_UNDER: usize = 1_024;
const GATHERED: usize = 16_384;
/// What a file that waits counts for in the queue, whatever its length: the bytes read ahead of the peer.
pub const FILE_CHUNK: usize = 65_536;

/// One piece of what goes out.
pub enum Piece {
    /// Bytes of this link alone; small frames are appended here.
    Own(Vec<u8>),
    /// Bytes that other links may share.
    Shared(Bytes),
    /// A header of this link before a body that other links share.
    Delivery([u8; 8], Bytes),
    /// The rest of a file, read when its turn has come.
    File(FilePart),
}

impl Piece {
    /// What it counts for in the queue, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Delivery(head, body) => head.len() + body.len(),
            Self::File(part) => part.weight(),
        }
    }
}

/// Bytes of an open file that are still to be sent.
pub struct FilePart {
    /// The file; kept open so that removing it does not break the frame.
    pub file: File,
    /// Where the next byte stands.
    pub offset: u64,
    /// How many are left.
    pub left: u64,
}

impl FilePart {
    fn weight(&self) -> usize {
        usize::try_from(self.left).map_or(FILE_CHUNK, |left| left.min(FILE_CHUNK))
    }
}

/// How far the end of a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Sends and receives.
    Open,
    /// Sends what is queued, then closes.
    Closing,
    /// To be dropped at once, or gone.
    Gone,
}

/// What a push did.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// So many bytes wait now.
    Waiting(usize),
    /// The link is closing or gone; nothing was queued.
    Gone,
    /// Too much waited already: the link is to be cut; nothing was queued.
    Overrun,
}

/// The queue of one link.
pub struct Outbox {
    pieces: VecDeque<Piece>,
    bytes: usize,
    limit: usize,
    /// Whether the limit was passed and half of it not yet reached again.
    pub over: bool,
    /// How far the end has come.
    pub standing: Standing,
    /// Whom to wake when something was queued or the standing has changed.
    pub waker: Option<Waker>,
}

impl Outbox {
    /// An empty queue that should not pass `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            limit,
            over: false,
            standing: Standing::Open,
            waker: None,
        }
    }

    /// Bytes that wait.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing more should be queued now.
    pub const fn is_full(&self) -> bool {
        self.bytes >= self.limit
    }

    fn check(&self) -> Result<(), Pushed> {
        if self.standing != Standing::Open {
            return Err(Pushed::Gone);
        }
        let most = self.limit.saturating_mul(4);
        if self.bytes > most && self.bytes - self.longest() > most {
            return Err(Pushed::Overrun);
        }
        Ok(())
    }

    /// The weight of the heaviest piece that alone is more than the limit: a single frame may be, and what
    /// comes behind it is not to blame.
    fn longest(&self) -> usize {
        let heavy = self.pieces.iter().map(Piece::weight);
        heavy
            .filter(|weight| *weight > self.limit)
            .max()
            .unwrap_or(0)
    }

    fn add(&mut self, piece: Piece) {
        self.grow(piece.weight());
        self.pieces.push_back(piece);
    }

    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes > self.limit {
            self.over = true;
        }
    }

    /// Queues whole frames of this link.
    pub fn push(&mut self, data: &[u8]) -> Pushed {
        if let Err(refusal) = self.check() {
            return refusal;
        }
        match self.pieces.back_mut() {
            _ if data.is_empty() => {}
            Some(Piece::Own(tail))
                if data.len() <= GATHER_UNDER && tail.len() + data.len() <= GATHERED =>
            {
                tail.extend_from_slice(data);
                self.grow(data.len());
            }
            _ => self.add(Piece::Own(data.to_vec())),
        }
        Pushed::Waiting(self.bytes)
    }

    /// Queues a header and a body that other links share, unless the queue is full.
    pub fn deliver(&mut self, head: [u8; 8], body: &Bytes) -> bool {
        if self.standing != Standing::Open || self.is_full() {
            return false;
        }
        self.add(Piece::Delivery(head, body.clone()));
        true
    }

    /// Queues `head` and then a part of a file.
    pub fn push_file(&mut self, head: &[u8], part: FilePart) -> Pushed {
        match self.push(head) {
            Pushed::Waiting(_) => {}
            refusal => return refusal,
        }
        if part.left > 0 {
            self.add(Piece::File(part));
        }
        Pushed::Waiting(self.bytes)
    }

    /// Puts back what is to go out next, already counted or not yet.
    pub fn push_front(&mut self, piece: Piece) {
        self.bytes += piece.weight();
        self.pieces.push_front(piece);
    }

    /// Takes pieces for about `budget` bytes from the front. A file comes alone.
    /// The rest of a piece that is much larger than the budget stays.
    pub fn take(&mut self, budget: usize, into: &mut Vec<Piece>) {
        let mut left = budget;
        while left > 0 {
            match self.pieces.front_mut() {
                None => break,
                Some(Piece::File(_)) if !into.is_empty() => break,
                Some(Piece::Shared(bytes)) if bytes.len() > left => {
                    into.push(Piece::Shared(bytes.split_to(left)));
                    self.bytes -= left;
                    break;
                }
                Some(_) => {}
            }
            let Some(piece) = self.pieces.pop_front() else {
                break;
            };
            self.bytes -= piece.weight();
            match piece {
                Piece::Own(bytes) if bytes.len() > left.max(GATHERED) => {
                    self.push_front(Piece::Shared(Bytes::from(bytes)));
                }
                Piece::Delivery(head, body) if body.len() > left.max(GATHERED) => {
                    self.push_front(Piece::Shared(body));
                    self.push_front(Piece::Own(head.to_vec()));
                }
                Piece::File(_) => {
                    into.push(piece);
                    break;
                }
                piece => {
                    left = left.saturating_sub(piece.weight());
                    into.push(piece);
                }
            }
        }
        if self.pieces.is_empty() && self.pieces.capacity() > 32 {
            self.pieces = VecDeque::new();
        }
    }

    /// Whether the queue sank under half its limit after having passed it; tells so once.
    pub fn drained(&mut self) -> bool {
        let drained = self.over && self.bytes < self.limit / 2;
        if drained {
            self.over = false;
        }
        drained
    }

    /// Drops all that waits.
    pub fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.bytes = 0;
        self.over = false;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn bytes(pieces: &[Piece]) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Own(bytes) => all.extend_from_slice(bytes),
                Piece::Shared(bytes) => all.extend_from_slice(bytes),
                Piece::Delivery(head, body) => {
                    all.extend_from_slice(head);
                    all.extend_from_slice(body);
                }
                Piece::File(_) => panic!("a file"),
            }
        }
        all
    }

    fn drain(outbox: &mut Outbox, budget: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while outbox.bytes() > 0 {
            let mut pieces = Vec::new();
            outbox.take(budget, &mut pieces);
            let taken = bytes(&pieces);
            assert!(!taken.is_empty() && taken.len() <= budget.max(GATHERED) + budget);
            all.extend(taken);
        }
        all
    }

    #[test]
    fn bytes_come_out_in_order_whatever_the_budget() {
        for budget in [1, 7, 1000, 32_768, 1_000_000] {
            let mut outbox = Outbox::new(1_000_000);
            let mut expected = Vec::new();
            for size in [8_usize, 3, 500, 1024, 1025, 40_000, 17, 100_000] {
                let data: Vec<u8> = (0..size).map(|n| (n * size) as u8).collect();
                outbox.push(&data);
                expected.extend_from_slice(&data);
                outbox.deliver([size as u8; 8], &Bytes::from(data.clone()));
                expected.extend([size as u8; 8]);
                expected.extend_from_slice(&data);
            }
            assert_eq!(outbox.bytes(), expected.len());
            assert_eq!(drain(&mut outbox, budget), expected, "budget {budget}");
            assert_eq!(outbox.bytes(), 0);
        }
    }

    #[test]
    fn passing_the_limit_is_told_once_after_sinking_under_half() {
        let mut outbox = Outbox::new(100);
        assert_eq!(outbox.push(&[1; 100]), Pushed::Waiting(100));
        assert!(!outbox.over && outbox.is_full());
        outbox.push(&[2; 1]);
        assert!(outbox.over && !outbox.drained());
        assert!(!outbox.deliver([0; 8], &Bytes::from_static(b"x")));
        drain(&mut outbox, 1000);
        assert!(outbox.drained());
        assert!(!outbox.drained());
    }

    #[test]
    fn over_four_times_the_limit_is_an_overrun_but_one_large_frame_is_not() {
        let mut outbox = Outbox::new(100);
        assert_eq!(outbox.push(&[0; 9_000]), Pushed::Waiting(9_000));
        assert_eq!(outbox.push(&[0; 1]), Pushed::Waiting(9_001));
        assert_eq!(outbox.push(&[0; 2_000]), Pushed::Waiting(11_001));
        assert_eq!(outbox.push(&[0; 1]), Pushed::Overrun);
        outbox.standing = Standing::Closing;
        assert_eq!(outbox.push(&[0; 1]), Pushed::Gone);
    }

    #[test]
    fn small_frames_share_blocks() {
        let mut outbox = Outbox::new(1 << 20);
        for _ in 0..10_000 {
            outbox.push(&[0; 8]);
        }
        assert!(outbox.pieces.len() <= 5);
    }

    #[test]
    fn a_file_counts_for_what_is_read_ahead() {
        let mut outbox = Outbox::new(1000);
        let file = tempfile::tempfile().unwrap();
        let part = FilePart {
            file,
            offset: 0,
            left: 1 << 40,
        };
        assert_eq!(
            outbox.push_file(&[1; 8], part),
            Pushed::Waiting(8 + FILE_CHUNK)
        );
        let mut pieces = Vec::new();
        outbox.take(1000, &mut pieces);
        assert_eq!(bytes(&pieces), [1; 8]);
        pieces.clear();
        outbox.take(1000, &mut pieces);
        assert!(matches!(pieces[..], [Piece::File(_)]));
    }
}

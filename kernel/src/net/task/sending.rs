//! Out of the queue onto the wire.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{LinkTask, ROUNDS, Stage};
use crate::net::inbox::what;
use crate::net::outbox::{FILE_CHUNK, Piece, Standing};
use crate::net::wire::Wire;

/// So many bytes are handed to the wire at once: two full TLS records.
const SEND_BUDGET: usize = 32_768;

impl<W: Wire> LinkTask<W> {
    /// Hands queued bytes to the wire until it is full or nothing waits; whether any were.
    pub(super) fn send(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        let mut batch = Vec::new();
        for _ in 0..ROUNDS {
            if self.wire.poll_sent(cx)?.is_pending() || self.poll_file(cx)?.is_pending() {
                return Ok(moved);
            }
            let (standing, drained) = self.link.with_outbox(cx.waker(), |out| {
                out.take(SEND_BUDGET, &mut batch);
                (out.standing, out.drained())
            });
            if drained {
                self.tell(what::DRAINED, Bytes::new());
            }
            if batch.is_empty() {
                if standing == Standing::Closing {
                    self.stage = Stage::Finishing;
                }
                return Ok(moved);
            }
            moved = true;
            if let Some(Piece::File(_)) = batch.first() {
                self.read_file(&mut batch);
            } else {
                self.give(&batch)?;
                batch.clear();
            }
        }
        Ok(moved)
    }

    fn give(&mut self, batch: &[Piece]) -> io::Result<()> {
        let mut slices = Vec::with_capacity(batch.len() * 2);
        for piece in batch {
            match piece {
                Piece::Own(bytes) => slices.push(IoSlice::new(bytes)),
                Piece::Shared(bytes) => slices.push(IoSlice::new(bytes)),
                Piece::Delivery(head, body) => {
                    slices.extend([IoSlice::new(head), IoSlice::new(body)]);
                }
                Piece::File(_) => {}
            }
        }
        self.shared
            .counts
            .went(slices.iter().map(|slice| slice.len()).sum());
        self.wire.give(&slices)
    }

    fn read_file(&mut self, batch: &mut Vec<Piece>) {
        if let Some(Piece::File(mut part)) = batch.pop() {
            self.file = Some(spawn_blocking(move || {
                let here = usize::try_from(part.left).map_or(FILE_CHUNK, |n| n.min(FILE_CHUNK));
                let mut chunk = vec![0; here];
                part.file.read_exact_at(&mut chunk, part.offset)?;
                part.offset += here as u64;
                part.left -= here as u64;
                Ok((chunk, part))
            }));
        }
    }

    /// Ready when no part of a file is being read; what was read is next in the queue.
    fn poll_file(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Some(job) = &mut self.file else {
            return Ok(Poll::Ready(()));
        };
        let Poll::Ready(read) = Pin::new(job).poll(cx) else {
            return Ok(Poll::Pending);
        };
        self.file = None;
        let (chunk, part) = read.map_err(io::Error::other)??;
        self.link.with_outbox(cx.waker(), |out| {
            if out.standing != Standing::Gone {
                if part.left > 0 {
                    out.push_front(Piece::File(part));
                }
                out.push_front(Piece::Shared(Bytes::from(chunk)));
            }
        });
        Ok(Poll::Ready(()))
    }
}

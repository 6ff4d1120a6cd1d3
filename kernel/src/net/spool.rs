//! Long bodies go to files: written beside the network threads, hashed on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::store::error::is_full;

/// So many bytes are gathered before they are written.
const GATHER: usize = 262_144;

/// A body that is whole on disk, or for which there was no room: then it has no file, and no bytes.
/// The file is removed when this is dropped, unless it was taken.
pub struct Spooled {
    path: PathBuf,
    /// The BLAKE3-256 of the body.
    pub digest: [u8; 32],
    /// Its length in bytes.
    pub length: u64,
    taken: bool,
}

impl Spooled {
    /// Hands the file over: from now on it is the caller's.
    pub fn take(mut self) -> PathBuf {
        self.taken = true;
        std::mem::take(&mut self.path)
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.taken {
            // Nobody can be told, and a later start may clean the folder.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The part that the blocking threads hold while they write.
struct Sink {
    spooled: Spooled,
    file: File,
    hasher: Box<blake3::Hasher>,
}

impl Sink {
    fn create(folder: &Path) -> io::Result<Self> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("{name}.part"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok(Self {
            spooled: Spooled {
                path,
                digest: [0; 32],
                length: 0,
                taken: false,
            },
            file,
            hasher: Box::new(blake3::Hasher::new()),
        })
    }

    fn write(mut self, bytes: &[u8]) -> io::Result<Self> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.spooled.length += bytes.len() as u64;
        Ok(self)
    }
}

enum Stage {
    Idle(Sink),
    Writing(JoinHandle<io::Result<Sink>>),
    /// The disk is full: what is still to come of the body is dropped.
    Full,
    Failed,
}

/// A body on its way to a file.
pub struct Spool {
    stage: Stage,
    gathered: Vec<u8>,
    /// The frame's first bytes, to be handed up with the file.
    pub prefix: Bytes,
}

impl Spool {
    /// Opens a new file with a random name in `folder`.
    pub fn create(folder: &Path, prefix: Bytes) -> io::Result<Self> {
        let stage = match Sink::create(folder) {
            Ok(sink) => Stage::Idle(sink),
            Err(error) if is_full(&error) => Stage::Full,
            Err(error) => return Err(error),
        };
        Ok(Self {
            stage,
            gathered: Vec::new(),
            prefix,
        })
    }

    /// Ready when more bytes may be given.
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Stage::Writing(job) = &mut self.stage {
            let written = ready!(Pin::new(job).poll(cx)).map_err(io::Error::other);
            match written.and_then(|done| done) {
                Ok(sink) => self.stage = Stage::Idle(sink),
                Err(error) if is_full(&error) => self.stage = Stage::Full,
                Err(error) => {
                    self.stage = Stage::Failed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next bytes of the body; to be called when `poll_idle` was ready.
    pub fn give(&mut self, bytes: &[u8], last: bool) {
        if matches!(self.stage, Stage::Full) {
            self.gathered = Vec::new();
            return;
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < GATHER && !last {
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Idle(sink) => {
                let bytes = std::mem::take(&mut self.gathered);
                self.stage = Stage::Writing(spawn_blocking(move || sink.write(&bytes)));
            }
            other => self.stage = other,
        }
    }

    /// The finished body; to be called when `poll_idle` was ready after the last bytes.
    pub fn finish(self) -> Option<(Bytes, Spooled)> {
        match self.stage {
            Stage::Idle(mut sink) => {
                sink.spooled.digest = *sink.hasher.finalize().as_bytes();
                Some((self.prefix, sink.spooled))
            }
            Stage::Full => {
                let nothing = Spooled {
                    path: PathBuf::new(),
                    digest: [0; 32],
                    length: 0,
                    taken: true,
                };
                Some((self.prefix, nothing))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_body_of_many_pieces_is_one_file_with_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let body: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        let spooled = runtime().block_on(async {
            let mut spool = Spool::create(folder.path(), Bytes::from_static(b"prefix")).unwrap();
            let pieces: Vec<&[u8]> = body.chunks(70_001).collect();
            for (index, piece) in pieces.iter().enumerate() {
                poll_fn(|cx| spool.poll_idle(cx)).await.unwrap();
                spool.give(piece, index + 1 == pieces.len());
            }
            poll_fn(|cx| spool.poll_idle(cx)).await.unwrap();
            let (prefix, spooled) = spool.finish().unwrap();
            assert_eq!(prefix, Bytes::from_static(b"prefix"));
            spooled
        });
        assert_eq!(spooled.length, 1_000_000);
        assert_eq!(spooled.digest, *blake3::hash(&body).as_bytes());
        assert_eq!(files(folder.path()), 1);
        let path = spooled.take();
        assert_eq!(fs::read(path).unwrap(), body);
    }

    #[test]
    fn what_nobody_takes_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::create(folder.path(), Bytes::new()).unwrap();
        assert_eq!(files(folder.path()), 1);
        drop(spool);
        assert_eq!(files(folder.path()), 0);
        let runtime = runtime();
        runtime.block_on(async {
            let mut spool = Spool::create(folder.path(), Bytes::new()).unwrap();
            spool.give(b"body", true);
            poll_fn(|cx| spool.poll_idle(cx)).await.unwrap();
            drop(spool.finish());
        });
        assert_eq!(files(folder.path()), 0);
        runtime.block_on(async {
            let mut spool = Spool::create(folder.path(), Bytes::new()).unwrap();
            spool.give(b"body", true);
            // Dropped while a thread still writes.
        });
        drop(runtime);
        assert_eq!(files(folder.path()), 0);
    }
}

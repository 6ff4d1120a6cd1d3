//! What stands in the first bytes of a segment, in little-endian:
//!
//! ```text
//! [0:8] "MOSAICLG"  [8:12] format version  [12:16] 1 if compacted  [16:24] first position
//! [24:32] the log's salt  [32:40] end (compacted)  [40:48] where the table begins (compacted)
//! [48:56] greatest received time of all that was ever in it (compacted)  [56:64] checksum
//! ```

use std::path::Path;

use crate::store::entry::number;
use crate::store::error::{Error, Result};

/// Bytes before the first entry.
pub const HEADER: u64 = 64;
/// The version of the format that this code writes.
pub const VERSION: u32 = 2;

const MAGIC: &[u8; 8] = b"MOSAICLG";

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of the format; a new one is written in the newest.
    pub version: u32,
    /// The first position.
    pub base: u64,
    /// The key of all checksums of this log.
    pub salt: u64,
    /// For a compacted segment: end, table offset, greatest received time.
    pub compacted: Option<(u64, u64, u64)>,
}

impl Header {
    /// The header's 64 bytes.
    pub fn encode(&self) -> [u8; HEADER as usize] {
        let mut out = [0; HEADER as usize];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&self.version.to_le_bytes());
        out[16..24].copy_from_slice(&self.base.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        if let Some((end, table, received)) = self.compacted {
            out[12] = 1;
            out[32..40].copy_from_slice(&end.to_le_bytes());
            out[40..48].copy_from_slice(&table.to_le_bytes());
            out[48..56].copy_from_slice(&received.to_le_bytes());
        }
        let sum = blake3::hash(&out[..56]);
        out[56..].copy_from_slice(&sum.as_bytes()[..8]);
        out
    }

    /// Reads a header; `Newer` for a format of the future, nothing if it is none.
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Option<Self>> {
        let Some(head) = bytes.get(..HEADER as usize) else {
            return Ok(None);
        };
        if &head[..8] != MAGIC || blake3::hash(&head[..56]).as_bytes()[..8] != head[56..] {
            return Ok(None);
        }
        let version = number(&head[8..]) as u32;
        if version > VERSION {
            return Err(Error::Newer(format!(
                "{} has format {version}, this program knows formats up to {VERSION}",
                path.display()
            )));
        }
        Ok(Some(Self {
            version,
            base: number(&head[16..]),
            salt: number(&head[24..]),
            compacted: (head[12] == 1).then(|| {
                (
                    number(&head[32..]),
                    number(&head[40..]),
                    number(&head[48..]),
                )
            }),
        }))
    }
}

//! The state file beside the index: on which boot it was last open, and whether it was closed cleanly.
//!
//! `[0:8] "MOSAICIX" [8:12] version [12:16] 1 if closed cleanly [16:48] BLAKE3 of the boot id [48:56] checksum`

use std::io;
use std::path::Path;

use crate::store::entry::number;
use crate::store::error::{Error, Result};
use crate::store::files::{Files, read_small, replace_small};

/// The version of the index that this code makes; one with another is made again.
const VERSION: u32 = 2;
const MAGIC: &[u8; 8] = b"MOSAICIX";
const NAME: &str = "state";
const LENGTH: usize = 56;

/// What the state file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    boot: [u8; 32],
    clean: bool,
}

impl State {
    /// The state of an index that is open on the boot of this id.
    pub fn open_on(boot_id: &[u8]) -> Self {
        Self {
            boot: *blake3::hash(boot_id).as_bytes(),
            clean: false,
        }
    }

    /// The state after a clean stop.
    pub fn closed(self) -> Self {
        Self {
            clean: true,
            ..self
        }
    }

    /// Whether an index left in this state can be trusted on the boot of `now`.
    pub fn vouches_on(&self, now: &Self) -> bool {
        self.clean || self.boot == now.boot
    }

    /// Reads the file; nothing if it is missing, not whole, or of an older version.
    pub fn read(files: &dyn Files, folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        let read = read_small(files, &path).map_err(|e| Error::at(&e, "read", &path))?;
        let Some(bytes) = read.filter(|b| b.len() == LENGTH) else {
            return Ok(None);
        };
        let sum = blake3::hash(&bytes[..48]);
        if &bytes[..8] != MAGIC || sum.as_bytes()[..8] != bytes[48..] {
            return Ok(None);
        }
        let version = number(&bytes[8..]) as u32;
        if version > VERSION {
            return Err(Error::Newer(format!(
                "{} has format {version}, this program knows formats up to {VERSION}",
                path.display()
            )));
        }
        let mut boot = [0; 32];
        boot.copy_from_slice(&bytes[16..48]);
        let clean = bytes[12] == 1;
        Ok((version == VERSION).then_some(Self { boot, clean }))
    }

    /// Writes the file, durably.
    pub fn write(&self, files: &dyn Files, folder: &Path) -> Result<()> {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12] = u8::from(self.clean);
        bytes[16..48].copy_from_slice(&self.boot);
        let sum = blake3::hash(&bytes[..48]);
        bytes[48..].copy_from_slice(&sum.as_bytes()[..8]);
        let at = |error: io::Error| Error::at(&error, "write the state of", folder);
        replace_small(files, folder, NAME, &bytes).map_err(at)
    }
}

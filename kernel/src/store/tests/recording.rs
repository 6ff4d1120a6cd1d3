//! A file layer that writes down every operation, can fail, and can tell what a power cut leaves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use memmap2::MmapRaw;

use super::samples::Chance;
use crate::store::files::{DiskFiles, Files, LogFile};

const SECTOR: usize = 512;

/// What happened, in order. Files are numbered as they are made; names are another matter.
#[derive(Clone, Debug)]
pub enum Op {
    Write(usize, u64, Vec<u8>),
    SetLen(usize, u64),
    Sync(usize),
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncDir(PathBuf),
    /// The caller was told that step number so-and-so is done.
    Done(usize),
}

/// What goes wrong, each at the n-th operation of its sort (from 0).
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// This sync (of a file or a folder) says that it worked and does nothing.
    pub skip_sync: Option<usize>,
    /// This write and the `full_for - 1` after it find no room, having written a part.
    pub full_at: Option<usize>,
    pub full_for: usize,
    /// This sync of a file fails.
    pub fail_sync: Option<usize>,
}

#[derive(Default)]
struct Record {
    ops: Vec<Op>,
    names: BTreeMap<PathBuf, usize>,
    files: usize,
    syncs: usize,
    file_syncs: usize,
    writes: usize,
    faults: Faults,
}

/// The layer. Clones share one record.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<Record>>);

impl Recording {
    pub fn with(faults: Faults) -> Self {
        let recording = Self::default();
        recording.0.lock().unwrap().faults = faults;
        recording
    }

    /// Notes that the caller was told so.
    pub fn done(&self, step: usize) {
        self.0.lock().unwrap().ops.push(Op::Done(step));
    }

    pub fn ops(&self) -> Vec<Op> {
        self.0.lock().unwrap().ops.clone()
    }

    pub fn counts(&self) -> (usize, usize) {
        let record = self.0.lock().unwrap();
        (record.writes, record.file_syncs)
    }

    fn number(&self, path: &Path) -> usize {
        self.0.lock().unwrap().names[path]
    }

    fn note_sync(&self, op: Op) {
        let mut record = self.0.lock().unwrap();
        if record.faults.skip_sync != Some(record.syncs) {
            record.ops.push(op);
        }
        record.syncs += 1;
    }
}

impl Files for Recording {
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        DiskFiles.create_dir(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        DiskFiles.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = DiskFiles.create(path)?;
        let number = {
            let mut record = self.0.lock().unwrap();
            if let Some(&number) = record.names.get(path) {
                record.ops.push(Op::SetLen(number, 0));
                number
            } else {
                let number = record.files;
                record.files += 1;
                record.names.insert(path.to_owned(), number);
                record.ops.push(Op::Create(path.to_owned(), number));
                number
            }
        };
        Ok(Box::new(RecordedFile(file, number, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = DiskFiles.open(path)?;
        let number = self.number(path);
        Ok(Box::new(RecordedFile(file, number, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)?;
        let mut record = self.0.lock().unwrap();
        let number = record.names.remove(from).unwrap();
        record.names.insert(to.to_owned(), number);
        record.ops.push(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)?;
        let mut record = self.0.lock().unwrap();
        record.names.remove(path);
        record.ops.push(Op::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        self.note_sync(Op::SyncDir(folder.to_owned()));
        Ok(())
    }
}

struct RecordedFile(Box<dyn LogFile>, usize, Recording);

impl LogFile for RecordedFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let full = {
            let mut record = self.2.0.lock().unwrap();
            let n = record.writes;
            record.writes += 1;
            let faults = record.faults;
            faults
                .full_at
                .is_some_and(|at| (at..at + faults.full_for).contains(&n))
        };
        let part = if full { &data[..data.len() / 2] } else { data };
        self.0.write_at(offset, part)?;
        let op = Op::Write(self.1, offset, part.to_vec());
        self.2.0.lock().unwrap().ops.push(op);
        if full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fails = {
            let mut record = self.2.0.lock().unwrap();
            let n = record.file_syncs;
            record.file_syncs += 1;
            record.faults.fail_sync == Some(n)
        };
        if fails {
            return Err(io::Error::other("the disk says no"));
        }
        self.2.note_sync(Op::Sync(self.1));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        let op = Op::SetLen(self.1, length);
        self.2.0.lock().unwrap().ops.push(op);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn map(&self, length: u64) -> io::Result<MmapRaw> {
        self.0.map(length)
    }
}

/// The machine's own files without syncs, for opening what a power cut left.
pub struct Unsynced;

impl Files for Unsynced {
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        DiskFiles.create_dir(folder)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        DiskFiles.list(folder)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.create(path)?)))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(DiskFiles.open(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }
    fn sync_dir(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }
}

struct UnsyncedFile(Box<dyn LogFile>);

impl LogFile for UnsyncedFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn map(&self, length: u64) -> io::Result<MmapRaw> {
        self.0.map(length)
    }
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Op>,
}

/// What a power cut after some operations leaves: file contents by name.
///
/// What was not synced is lost, wholly or in part: of the changes of names a first part holds; of the
/// writes to each file nothing, a first part, or any sectors.
pub fn power_cut(ops: &[Op], chance: &mut Chance, lose_all: bool) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents: BTreeMap<usize, Content> = BTreeMap::new();
    let mut names: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut renames: Vec<Op> = Vec::new();
    for op in ops {
        match op {
            Op::Write(file, ..) | Op::SetLen(file, _) => {
                contents.entry(*file).or_default().pending.push(op.clone());
            }
            Op::Sync(file) => {
                let content = contents.entry(*file).or_default();
                for op in std::mem::take(&mut content.pending) {
                    apply(&mut content.durable, &op, |_| true);
                }
            }
            Op::Create(..) | Op::Rename(..) | Op::Remove(_) => renames.push(op.clone()),
            Op::SyncDir(folder) => {
                let (here, elsewhere) = renames.into_iter().partition(|op| folder_of(op) == folder);
                renames = elsewhere;
                for op in here {
                    rename(&mut names, &op);
                }
            }
            Op::Done(_) => {}
        }
    }
    let kept = if lose_all {
        0
    } else {
        chance.below(renames.len() + 1)
    };
    for op in &renames[..kept] {
        rename(&mut names, op);
    }
    for content in contents.values_mut() {
        tear(content, chance, lose_all);
    }
    names
        .into_iter()
        .map(|(path, file)| (path, contents.remove(&file).unwrap_or_default().durable))
        .collect()
}

fn tear(content: &mut Content, chance: &mut Chance, lose_all: bool) {
    let pending = std::mem::take(&mut content.pending);
    let way = if lose_all { 0 } else { chance.below(4) };
    let kept = chance.below(pending.len() + 1);
    for (n, op) in pending.iter().enumerate() {
        match way {
            0 => {}
            1 if n < kept => apply(&mut content.durable, op, |_| true),
            1 => {}
            2 if n < kept => apply(&mut content.durable, op, |_| true),
            2 if n == kept => {
                let sectors = chance.below(64);
                apply(&mut content.durable, op, |sector| sector < sectors);
            }
            2 => {}
            _ => apply(&mut content.durable, op, |_| !chance.once_in(3)),
        }
    }
}

fn apply(content: &mut Vec<u8>, op: &Op, mut reaches: impl FnMut(usize) -> bool) {
    match op {
        Op::SetLen(_, length) if reaches(0) => content.resize(*length as usize, 0),
        Op::Write(_, offset, data) => {
            let (mut at, end) = (*offset as usize, *offset as usize + data.len());
            let mut sector = 0;
            while at < end {
                let next = (at / SECTOR * SECTOR + SECTOR).min(end);
                if reaches(sector) {
                    if content.len() < next {
                        content.resize(next, 0);
                    }
                    let from = *offset as usize;
                    content[at..next].copy_from_slice(&data[at - from..next - from]);
                }
                at = next;
                sector += 1;
            }
        }
        _ => {}
    }
}

fn folder_of(op: &Op) -> &Path {
    match op {
        Op::Create(path, _) | Op::Remove(path) | Op::Rename(path, _) => path.parent().unwrap(),
        _ => Path::new(""),
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, op: &Op) {
    match op {
        Op::Create(path, file) => {
            names.insert(path.clone(), *file);
        }
        Op::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Op::Remove(path) => {
            names.remove(path);
        }
        _ => {}
    }
}

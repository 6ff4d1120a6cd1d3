//! The file layer: everything that the log asks of a file system, so that tests can stand in between.

use std::fs;
use std::io;
use std::path::Path;

use memmap2::{MmapOptions, MmapRaw};

/// A folder's operations. Names and contents are durable only after the sync that belongs to them.
pub trait Files: Send + Sync {
    /// Makes a folder and its parents; fine if it is there.
    fn create_dir(&self, folder: &Path) -> io::Result<()>;
    /// The names of the files in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes an empty file, in place of what is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file that is there for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Gives a file another name in the same folder, in place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a folder durable.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
}

/// An open file.
pub trait LogFile: Send + Sync {
    /// Writes all of `data` at `offset`; on an error any part of it may be there.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file off, or lengthens it with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Maps the first `length` bytes for reading, also where the file does not reach yet.
    fn map(&self, length: u64) -> io::Result<MmapRaw>;
}

/// The machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(DiskFile(options.open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[cfg(unix)]
    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        fs::File::open(folder)?.sync_all()
    }

    /// Folders can't be synced here; the file system journals their entries.
    #[cfg(not(unix))]
    fn sync_dir(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }
}

struct DiskFile(fs::File);

impl LogFile for DiskFile {
    #[cfg(unix)]
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, data, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let n = std::os::windows::fs::FileExt::seek_write(&self.0, data, offset)?;
            offset += n as u64;
            data = &data[n..];
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn map(&self, length: u64) -> io::Result<MmapRaw> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        MmapOptions::new()
            .len(length.max(1))
            .map_raw_read_only(&self.0)
    }
}

/// Reads the whole of a small file through the layer, or nothing if it is not there.
pub fn read_small(files: &dyn Files, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match files.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.length()?;
    if length == 0 {
        return Ok(Some(Vec::new()));
    }
    let map = file.map(length)?;
    // SAFETY: the mapping has `length` bytes, all within the file, and nobody writes while it is open.
    let bytes = unsafe { std::slice::from_raw_parts(map.as_ptr(), map.len()) };
    Ok(Some(bytes.to_vec()))
}

/// Writes a small file so that after a power cut the old one or the new one is there, whole.
pub fn replace_small(
    files: &dyn Files,
    folder: &Path,
    name: &str,
    content: &[u8],
) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let file = files.create(&temporary)?;
    file.write_at(0, content)?;
    file.sync()?;
    drop(file);
    files.rename(&temporary, &folder.join(name))?;
    files.sync_dir(folder)
}

use super::*;
use crate::store::entry::{Marks, What};
use crate::store::files::DiskFiles;

const SALT: u64 = 3;

/// A compacted segment that holds one entry for each position, and ends at `end`.
fn compacted(folder: &Path, positions: &[u64], body: usize, end: u64) -> PathBuf {
    let (mut entries, mut table) = (Vec::new(), Vec::new());
    for &position in positions {
        let offset = HEADER + entries.len() as u64;
        table.extend_from_slice(&(((position - 64) / WORD) as u32).to_le_bytes());
        table.extend_from_slice(&((offset / WORD) as u32).to_le_bytes());
        let head = Head {
            what: What::Record,
            marks: Marks::default(),
            last: true,
            length: body,
            position,
            batch: position,
            received: 1,
        };
        assert!(entry::push(&mut entries, SALT, &head, &vec![7; body]));
    }
    let header = Header {
        version: VERSION,
        base: 64,
        salt: SALT,
        compacted: Some((end, HEADER + entries.len() as u64, 1)),
    };
    let path = folder.join(file_name(64));
    let content = [&header.encode()[..], &entries, &table].concat();
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_compacted_segment_finds_what_is_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = compacted(folder.path(), &[64, 640, 6400], 216, 8000);
    let segment = Segment::open(&DiskFiles, &path, 1 << 16).unwrap().unwrap();
    for position in (0..8100).step_by(8) {
        let there = [64, 640, 6400].contains(&position);
        assert_eq!(segment.entry(position).is_some(), there, "{position}");
        assert_eq!(segment.checked_entry(position).is_some(), there);
        let next = [64, 640, 6400].into_iter().find(|&p| p >= position);
        assert_eq!(segment.first_from(position), next);
    }
}

#[test]
fn nothing_is_read_behind_the_end_of_a_file_that_fills_its_pages() {
    let folder = tempfile::tempdir().unwrap();
    let body = 4096 - 64 - entry::HEAD - 8;
    let path = compacted(folder.path(), &[64], body, 80_000);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4096);
    let segment = Segment::open(&DiskFiles, &path, 1 << 16).unwrap().unwrap();
    assert!(segment.entry(72).is_none());
    assert!(segment.entry(79_992).is_none());
    assert!(segment.first_from(72).is_none());
}

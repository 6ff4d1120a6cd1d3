//! Where the fields of a record stand, for matching.
//!
//! Source: record.md, "Layout".

/// The bytes before a record's tags.
const HEADER: usize = 152;

/// A record's fields as matching needs them. Bytes too short for a header are no record.
#[derive(Clone, Copy)]
pub struct RecordView<'a>(&'a [u8]);

impl<'a> RecordView<'a> {
    /// A view on a record's bytes; nothing if they end within its header.
    pub fn new(record: &'a [u8]) -> Option<Self> {
        (record.len() >= HEADER).then_some(Self(record))
    }

    fn array<const N: usize>(self, start: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[start..start + N]);
        out
    }

    /// The id's first 32 bytes.
    pub fn id_prefix(self) -> [u8; 32] {
        self.array(0)
    }

    /// The kind, `[56:64]`.
    pub fn kind(self) -> [u8; 8] {
        self.array(56)
    }

    /// The author's key, `[64:96]`.
    pub fn author(self) -> [u8; 32] {
        self.array(64)
    }

    /// The signing key, `[96:128]`.
    pub fn signer(self) -> [u8; 32] {
        self.array(96)
    }

    /// The timestamp in nanoseconds, `[128:136]`.
    pub fn timestamp(self) -> u64 {
        u64::from_be_bytes(self.array(128))
    }

    /// The tags, each as its whole bytes (length, type, value); those of type 0 are skipped.
    pub fn tags(self) -> Tags<'a> {
        let length = usize::from(u16::from_le_bytes(self.array(144)));
        Tags(self.0.get(HEADER..HEADER + length).unwrap_or_default())
    }
}

/// Goes through a tags section; ends early where it is malformed.
#[derive(Clone)]
pub struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (tag, rest) = split_tag(self.0)?;
            self.0 = rest;
            if tag[2..4] != [0, 0] {
                return Some(tag);
            }
        }
    }
}

/// The first tag of a section and what follows it, or nothing if its length is under 4 or too great.
pub fn split_tag(section: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_le_bytes([*section.first()?, *section.get(1)?]));
    if length < 4 {
        return None;
    }
    section.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tags: &[u8]) -> Vec<u8> {
        let mut record = vec![0; HEADER];
        record[144..146].copy_from_slice(&(tags.len() as u16).to_le_bytes());
        record.extend_from_slice(tags);
        record.resize(record.len().next_multiple_of(8) + 64, 0);
        record
    }

    fn tags(record: &[u8]) -> Vec<Vec<u8>> {
        let view = RecordView::new(record).into_iter();
        view.flat_map(RecordView::tags)
            .map(<[u8]>::to_vec)
            .collect()
    }

    #[test]
    fn tags_of_type_zero_are_skipped() {
        let record = record(&[5, 0, 1, 0, 9, 6, 0, 0, 0, 1, 2, 4, 0, 0, 1]);
        assert_eq!(tags(&record), [vec![5, 0, 1, 0, 9], vec![4, 0, 0, 1]]);
    }

    #[test]
    fn malformed_sections_end_early() {
        assert_eq!(tags(&record(&[4, 0, 1, 0, 3, 0, 1])), [vec![4, 0, 1, 0]]);
        assert_eq!(tags(&record(&[9, 0, 1, 0])), Vec::<Vec<u8>>::new());
        let mut overlong = record(&[]);
        overlong[144..146].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(tags(&overlong), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn short_bytes_are_no_record() {
        assert!(RecordView::new(&[0; HEADER - 1]).is_none());
        assert!(RecordView::new(&[0; HEADER]).is_some());
    }
}

//! Who may read a record, by the read access of its kind and its label.
//!
//! Source: kind.md, bits 3 and 2; edition §3 (tagged means Notify only, in the encryption role Notify alone).

use crate::match_::record_view::RecordView;
use crate::store::labels::{HIDDEN, WITHHELD};

const AUTHOR_ONLY: u8 = 0b0000;
const AUTHOR_AND_TAGGED: u8 = 0b0100;
const EVERYBODY: u8 = 0b1100;
const MASK: u8 = 0b1100;

/// FROM_AUTHOR in the first of a record's flag bytes, `[136]`: taken on the author's own connection only.
const FROM_AUTHOR: u8 = 0x04;

/// Whether a record takes part in sync at all, whoever asks.
pub fn may_sync(record: &[u8], label: u8) -> bool {
    let passed_on = |flags: &u8| flags & FROM_AUTHOR == 0;
    label & (WITHHELD | HIDDEN) == 0 && record.get(136).is_some_and(passed_on)
}

/// The keys that a reader has proven, or the owner, who may read all.
#[derive(Clone, Debug)]
pub enum Viewers {
    /// Reads everything.
    Owner,
    /// Reads what everybody may, and what these keys may.
    Keys(Vec<[u8; 32]>),
}

impl Viewers {
    /// Whether they may read a record that has this label. A label never lets anybody read whom the kind does not.
    pub fn may_read(&self, record: &[u8], label: u8) -> bool {
        let Self::Keys(keys) = self else {
            return true;
        };
        let Some(view) = RecordView::new(record) else {
            return false;
        };
        let is_author = || keys.contains(&view.author());
        let is_tagged = || {
            let mut notified = view.tags().filter_map(notified);
            notified.any(|key| keys.contains(key))
        };
        match view.kind()[7] & MASK {
            _ if label & HIDDEN != 0 => false,
            EVERYBODY if label == 0 => true,
            AUTHOR_ONLY => label == 0 && is_author(),
            AUTHOR_AND_TAGGED if label == 0 => is_author() || is_tagged(),
            EVERYBODY | AUTHOR_AND_TAGGED => is_tagged(),
            _ => false,
        }
    }
}

/// The key that a Notify tag names.
pub fn notified(tag: &[u8]) -> Option<&[u8; 32]> {
    if tag[2..4] != [1, 0] {
        return None;
    }
    tag.get(8..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::labels::ONLY_TAGGED;

    fn record(access: u8, notified: Option<[u8; 32]>) -> Vec<u8> {
        let mut out = vec![0; 152];
        out[63] = access;
        out[64..96].copy_from_slice(&[1; 32]);
        if let Some(key) = notified {
            out.extend_from_slice(&[40, 0, 1, 0, 0, 0, 0, 0]);
            out.extend_from_slice(&key);
            out[144] = 40;
        }
        out.resize(out.len() + 64, 0);
        out
    }

    fn reads(viewer: &[[u8; 32]], access: u8, tag: Option<[u8; 32]>) -> bool {
        Viewers::Keys(viewer.to_vec()).may_read(&record(access, tag), 0)
    }

    #[test]
    fn a_label_takes_readers_away_and_gives_none() {
        let (author, friend) = ([1; 32], [2; 32]);
        for access in [0, 4, 8, 12] {
            let record = record(access, Some(friend));
            let reads = |key, label| Viewers::Keys(vec![key]).may_read(&record, label);
            for label in [ONLY_TAGGED, WITHHELD, ONLY_TAGGED | WITHHELD] {
                assert!(!reads(author, label));
                assert_eq!(reads(friend, label), access == 4 || access == 12);
                assert!(!Viewers::Keys(vec![]).may_read(&record, label));
            }
            for label in [HIDDEN, HIDDEN | ONLY_TAGGED] {
                assert!(!reads(author, label) && !reads(friend, label));
                assert!(Viewers::Owner.may_read(&record, label));
            }
        }
    }

    #[test]
    fn what_only_its_author_hands_in_takes_no_part_in_sync() {
        let mut sample = record(12, None);
        assert!(may_sync(&sample, 0) && may_sync(&sample, ONLY_TAGGED));
        assert!(!may_sync(&sample, WITHHELD) && !may_sync(&sample, HIDDEN));
        sample[136] = FROM_AUTHOR | 1;
        assert!(!may_sync(&sample, 0) && !may_sync(&sample[..136], 0));
    }

    #[test]
    fn access_is_that_of_the_kind() {
        let (author, friend, stranger) = ([1; 32], [2; 32], [3; 32]);
        for access in [0, 4, 8, 12] {
            assert!(Viewers::Owner.may_read(&record(access, None), 0));
            assert_eq!(reads(&[], access, Some(friend)), access == 12);
            assert_eq!(reads(&[stranger], access, Some(friend)), access == 12);
            assert_eq!(reads(&[stranger, author], access, None), access != 8);
            assert_eq!(
                reads(&[friend], access, Some(friend)),
                access == 4 || access == 12
            );
        }
    }
}

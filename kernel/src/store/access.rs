//! Who may read a record, by the read access of its kind.
//!
//! Source: kind.md, bits 3 and 2; edition §3 (tagged means Notify only).

use crate::match_::record_view::RecordView;

const AUTHOR_ONLY: u8 = 0b0000;
const AUTHOR_AND_TAGGED: u8 = 0b0100;
const EVERYBODY: u8 = 0b1100;
const MASK: u8 = 0b1100;

/// FROM_AUTHOR in the first of a record's flag bytes, `[136]`: taken on the author's own connection only.
const FROM_AUTHOR: u8 = 0x04;

/// Whether a record takes part in sync at all, whoever asks.
pub fn may_sync(record: &[u8]) -> bool {
    record
        .get(136)
        .is_some_and(|flags| flags & FROM_AUTHOR == 0)
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
    /// Whether they may read a record.
    pub fn may_read(&self, record: &[u8]) -> bool {
        let Self::Keys(keys) = self else {
            return true;
        };
        let Some(view) = RecordView::new(record) else {
            return false;
        };
        let access = view.kind()[7] & MASK;
        match access {
            EVERYBODY => true,
            AUTHOR_ONLY => keys.contains(&view.author()),
            AUTHOR_AND_TAGGED => {
                keys.contains(&view.author())
                    || view.tags().any(|tag| {
                        notified(tag).is_some_and(|key| keys.iter().any(|one| one == key))
                    })
            }
            _ => false,
        }
    }
}

/// The key that a Notify tag names.
fn notified(tag: &[u8]) -> Option<&[u8; 32]> {
    if tag[2..4] != [1, 0] {
        return None;
    }
    tag.get(8..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        Viewers::Keys(viewer.to_vec()).may_read(&record(access, tag))
    }

    #[test]
    fn what_only_its_author_hands_in_takes_no_part_in_sync() {
        let mut sample = record(12, None);
        assert!(may_sync(&sample));
        sample[136] = FROM_AUTHOR | 1;
        assert!(!may_sync(&sample) && !may_sync(&sample[..136]));
    }

    #[test]
    fn access_is_that_of_the_kind() {
        let (author, friend, stranger) = ([1; 32], [2; 32], [3; 32]);
        for access in [0, 4, 8, 12] {
            assert!(Viewers::Owner.may_read(&record(access, None)));
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

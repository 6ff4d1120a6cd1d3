//! A filter against a record.

use super::{CompiledFilter, TagBytes};
use crate::match_::record_view::RecordView;

impl CompiledFilter {
    /// Whether a valid record matches. Without a received time, received elements match.
    pub fn matches(&self, record: &[u8], received: Option<u64>) -> bool {
        RecordView::new(record).is_some_and(|view| self.matches_view(view, received))
    }

    /// As `matches`, for a view that is at hand.
    pub fn matches_view(&self, record: RecordView<'_>, received: Option<u64>) -> bool {
        lists(self.kinds(), || record.kind())
            && lists(self.authors(), || record.author())
            && lists(self.signers(), || record.signer())
            && lists(self.timestamps(), || record.timestamp())
            && within(self.since(), self.until(), || Some(record.timestamp()))
            && within(self.received_since(), self.received_until(), || received)
            && self
                .excludes()
                .is_none_or(|ids| ids.binary_search(&record.id_prefix()).is_err())
            && self.tags_match(record)
    }

    fn tags_match(&self, record: RecordView<'_>) -> bool {
        let carries_any = |wanted: &[TagBytes]| {
            !wanted.is_empty()
                && record
                    .tags()
                    .any(|tag| wanted.binary_search_by(|one| one.as_ref().cmp(tag)).is_ok())
        };
        self.tags.iter().all(|group| carries_any(group)) && !carries_any(self.excluded_tags())
    }
}

fn lists<T: Ord>(wanted: Option<&[T]>, value: impl FnOnce() -> T) -> bool {
    wanted.is_none_or(|list| list.binary_search(&value()).is_ok())
}

fn within(since: Option<u64>, until: Option<u64>, value: impl FnOnce() -> Option<u64>) -> bool {
    if since.is_none() && until.is_none() {
        return true;
    }
    value().is_none_or(|time| {
        since.is_none_or(|low| low <= time) && until.is_none_or(|high| time <= high)
    })
}

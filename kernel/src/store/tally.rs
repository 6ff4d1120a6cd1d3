//! How much of a store belongs to whom: records and bytes by author and kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::match_::filter::CompiledFilter;
use crate::match_::record_view::RecordView;
use crate::store::access::Viewers;
use crate::store::entry::HEAD;
use crate::store::error::Result;
use crate::store::scan::{Query, Scan};
use crate::store::store::Store;

/// How long one snapshot of the index is kept.
const SLICE: Duration = Duration::from_millis(20);

/// An author's key, a kind, how many records, how many bytes of the log.
pub type Sum = ([u8; 32], [u8; 8], u64, u64);

/// What is served and matches, by author and kind in their order.
pub fn tally(store: &Store, filter: Arc<CompiledFilter>) -> Result<Vec<Sum>> {
    let mut scan = Scan::query(Query {
        filter,
        viewers: Viewers::Owner,
        limit: 0,
        before: u64::MAX,
        after: 0,
    });
    let mut sums: BTreeMap<([u8; 32], [u8; 8]), (u64, u64)> = BTreeMap::new();
    let mut finished = false;
    while !finished {
        let entered = store.enter();
        let view = store.view(&entered)?;
        finished = scan.run(&view, SLICE, &mut |found| {
            if let Some(view) = RecordView::new(found.record) {
                let sum = sums.entry((view.author(), view.kind())).or_default();
                sum.0 += 1;
                sum.1 += (HEAD + found.record.len()) as u64;
            }
            true
        })?;
    }
    let each = sums.into_iter();
    Ok(each
        .map(|((author, kind), (records, bytes))| (author, kind, records, bytes))
        .collect())
}

//! Which ranges of which table answer a filter: the narrowest that the filter offers.

use crate::match_::filter::CompiledFilter;
use crate::store::error::Result;
use crate::store::keys::{Hashes, Hint, Prefix, Table, hint};
use crate::store::merge::{Merge, Range};
use crate::store::view::View;

/// How many keys of each choice are looked at before one is taken.
const PROBE: usize = 64;

/// What the values of a table can tell before the record is read.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    kinds: Option<Vec<Hint>>,
    authors: Option<Vec<Hint>>,
}

impl Hints {
    /// The hints of the kinds and authors that a filter lists.
    pub fn of(filter: &CompiledFilter, hashes: &Hashes) -> Self {
        let kinds = filter.kinds().map(|all| {
            let hints = all.iter().map(|one| hint(hashes.kind(one)));
            sorted(hints.collect())
        });
        let authors = filter.authors().map(|all| {
            let hints = all.iter().map(|one| hint(hashes.key(one)));
            sorted(hints.collect())
        });
        Self { kinds, authors }
    }

    /// Whether the record behind a key of `table` with this value may match.
    pub fn allow(&self, table: Table, value: &[u8]) -> bool {
        let (kind, author) = match (table, value) {
            (Table::Key, &[kind]) => (Some(kind), None),
            (Table::Tag, &[kind, author]) => (Some(kind), Some(author)),
            _ => (None, None),
        };
        listed(self.kinds.as_ref(), kind) && listed(self.authors.as_ref(), author)
    }
}

fn sorted(mut hints: Vec<Hint>) -> Vec<Hint> {
    hints.sort_unstable();
    hints.dedup();
    hints
}

fn listed(wanted: Option<&Vec<Hint>>, given: Option<Hint>) -> bool {
    match (wanted, given) {
        (Some(wanted), Some(given)) => wanted.binary_search(&given).is_ok(),
        _ => true,
    }
}

/// The merge that answers `filter`.
pub fn choose(filter: &CompiledFilter, view: &View<'_>) -> Result<Merge> {
    let mut choices = choices(filter, view.hashes);
    let hints = Hints::of(filter, view.hashes);
    if choices.len() > 1 {
        let mut best: Option<(Cost, usize)> = None;
        for (index, (table, ranges)) in choices.iter().enumerate() {
            let cost = probe(*table, ranges, view)?;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, index));
            }
        }
        let index = best.map_or(0, |(_, index)| index);
        choices.swap(0, index);
    }
    let (table, ranges) = choices.swap_remove(0);
    Ok(Merge::new(table, ranges, hints))
}

/// Smaller is better: all keys counted; or the timestamp that the last one looked at has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    Keys(usize),
    ReachedOnly(u64),
}

fn probe(table: Table, ranges: &[Range], view: &View<'_>) -> Result<Cost> {
    let merge = Merge::new(table, ranges.to_vec(), Hints::default());
    let mut cursors = merge.cursors(view)?;
    let mut reached = u64::MAX;
    for count in 0..PROBE {
        match cursors.take()? {
            Some(found) => reached = found.place.0,
            None => return Ok(Cost::Keys(count)),
        }
    }
    Ok(Cost::ReachedOnly(reached))
}

type Choice = (Table, Vec<Range>);

/// Every table that can answer the filter, the one that is usually narrowest first; one at least.
fn choices(filter: &CompiledFilter, hashes: &Hashes) -> Vec<Choice> {
    let low = filter.since().unwrap_or(0);
    let high = filter.until().unwrap_or(u64::MAX - 1);
    let under = |prefix: Prefix| Range { prefix, low, high };
    let mut out = Vec::new();
    if let Some(times) = filter.timestamps() {
        let within = times.iter().filter(|t| (low..=high).contains(t));
        let exact = within.map(|&time| Range {
            prefix: [0; 4],
            low: time,
            high: time,
        });
        out.push((Table::Time, exact.collect()));
    }
    for group in filter.tags() {
        let ranges = group.iter().map(|tag| under(hashes.tag(tag)));
        out.push((Table::Tag, ranges.collect()));
    }
    for keys in [filter.signers(), filter.authors()].into_iter().flatten() {
        let ranges = keys.iter().map(|key| under(hashes.key(key)));
        out.push((Table::Key, ranges.collect()));
    }
    if let Some(kinds) = filter.kinds() {
        let ranges = kinds.iter().map(|kind| under(hashes.kind(kind)));
        out.push((Table::Kind, ranges.collect()));
    }
    if out.is_empty() {
        out.push((Table::Time, vec![under([0; 4])]));
    }
    out
}

//! A query under way: works in slices, each on a snapshot of its own.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::match_::filter::CompiledFilter;
use crate::store::access::{Viewers, may_sync};
use crate::store::entry::{Head, What};
use crate::store::error::Result;
use crate::store::keys::Table;
use crate::store::labels::READMITTED;
use crate::store::merge::{Merge, Range};
use crate::store::plan::{self, Hints};
use crate::store::view::{Found, View};

/// How many keys are looked at between two looks at the clock.
const CLOCK_EVERY: u32 = 16;
/// How many entries are looked at to find out when what is followed begins.
const LOOK_AHEAD: usize = 1 << 12;
/// Bytes of a frame before its record.
const FRAME_HEAD: usize = 8;

/// What is asked of the index.
pub struct Query {
    /// What a record must match.
    pub filter: Arc<CompiledFilter>,
    /// Who asks.
    pub viewers: Viewers,
    /// How many records at most (0 = no limit).
    pub limit: u64,
    /// Only positions under it.
    pub before: u64,
    /// Only positions from it on.
    pub after: u64,
}

enum Source {
    /// Nothing was looked at yet.
    Unplanned,
    Ranges(Merge),
    References(Lookup),
    Log {
        at: u64,
        end: u64,
        /// When what stands at the beginning was received, as soon as that is known.
        since: Option<u64>,
    },
    Finished,
}

/// A query under way.
pub struct Scan {
    source: Source,
    filter: Option<Arc<CompiledFilter>>,
    viewers: Viewers,
    left: u64,
    before: u64,
    after: u64,
    /// The smallest received time asked for, until it has told from where on to look.
    received_since: Option<u64>,
    for_sync: bool,
}

/// What a look-up is asked for.
#[derive(Clone, Copy)]
pub enum Reference {
    /// An id or an address.
    Whole([u8; 48]),
    /// The first bytes of an id.
    Prefix([u8; 32]),
}

impl Reference {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Prefix(bytes) => bytes,
        }
    }
}

/// Where a look-up of references stands.
struct Lookup {
    references: VecDeque<Reference>,
    address: Option<([u8; 48], Merge)>,
    given: HashSet<u64>,
}

/// What a slice may use up.
struct Slice<'s> {
    deadline: Instant,
    work: u32,
    /// Takes a record; says whether there is room for more.
    take: &'s mut dyn FnMut(&Found<'_>) -> bool,
}

impl Slice<'_> {
    /// Counts one key; says whether time is up.
    fn tick(&mut self) -> bool {
        self.work += 1;
        self.work.is_multiple_of(CLOCK_EVERY) && Instant::now() >= self.deadline
    }
}

impl Scan {
    /// What a filter matches, newest first.
    pub fn query(query: Query) -> Self {
        Self {
            source: Source::Unplanned,
            received_since: query.filter.received_since(),
            filter: Some(query.filter),
            viewers: query.viewers,
            left: if query.limit == 0 {
                u64::MAX
            } else {
                query.limit
            },
            before: query.before,
            after: query.after,
            for_sync: false,
        }
    }

    /// What references name, in their order.
    pub fn lookup(references: Vec<Reference>, viewers: Viewers) -> Self {
        Self {
            source: Source::References(Lookup {
                references: references.into(),
                address: None,
                given: HashSet::new(),
            }),
            received_since: None,
            filter: None,
            viewers,
            left: u64::MAX,
            before: u64::MAX,
            after: 0,
            for_sync: false,
        }
    }

    /// What a filter matches from a position to `end`, in the order of the log.
    pub fn follow(filter: Arc<CompiledFilter>, viewers: Viewers, from: u64, end: u64) -> Self {
        Self {
            source: Source::Log {
                at: from,
                end,
                since: None,
            },
            received_since: filter.received_since(),
            filter: Some(filter),
            viewers,
            left: u64::MAX,
            before: u64::MAX,
            after: 0,
            for_sync: false,
        }
    }

    /// From now on gives only what takes part in sync.
    pub fn leave_out_unsynced(&mut self) {
        self.for_sync = true;
    }

    /// Works until `take` says that it is full, the time is used up, or nothing is left (then true).
    pub fn run(
        &mut self,
        view: &View<'_>,
        time: Duration,
        take: &mut dyn FnMut(&Found<'_>) -> bool,
    ) -> Result<bool> {
        let mut slice = Slice {
            deadline: Instant::now() + time,
            work: 0,
            take,
        };
        if let Some(received) = self.received_since.take() {
            let in_time = || Instant::now() < slice.deadline;
            let from = view.segments.received_from(received, in_time);
            self.after = self.after.max(from);
            if let Source::Log { at, .. } = &mut self.source {
                *at = from.max(*at);
            }
        }
        if let (Source::Unplanned, Some(filter)) = (&self.source, &self.filter) {
            self.source = Source::Ranges(plan::choose(filter, view)?);
        }
        let mut source = std::mem::replace(&mut self.source, Source::Finished);
        let done = match &mut source {
            Source::Unplanned | Source::Finished => true,
            Source::Ranges(merge) => self.run_ranges(merge, view, &mut slice)?,
            Source::References(lookup) => self.run_lookup(lookup, view, &mut slice)?,
            Source::Log { at, end, since } => {
                let since = *since.get_or_insert_with(|| {
                    let asked = *at;
                    *at = view.segments.align(asked, *end).unwrap_or(*end);
                    received_from(asked, *at, *end, view)
                });
                self.run_log(at, *end, since, view, &mut slice)?
            }
        };
        if !done {
            self.source = source;
        }
        Ok(done)
    }

    /// Gives a record out if it may be; says whether the slice goes on.
    fn offer(&mut self, found: &Found<'_>, slice: &mut Slice<'_>) -> bool {
        let matches = self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.matches(found.record, Some(found.received)));
        if !matches
            || !self.viewers.may_read(found.record, found.label)
            || (self.for_sync && !may_sync(found.record, found.label))
        {
            return true;
        }
        self.left -= 1;
        (slice.take)(found)
    }

    fn run_ranges(
        &mut self,
        merge: &mut Merge,
        view: &View<'_>,
        slice: &mut Slice<'_>,
    ) -> Result<bool> {
        let mut cursors = merge.cursors(view)?;
        while let Some(candidate) = merge.next(view, &mut cursors)? {
            if let Some(position) = candidate
                && (self.after..self.before).contains(&position)
                && let Some(found) = view.record(position)
                && !self.offer(&found, slice)
            {
                return Ok(self.left == 0);
            }
            if self.left == 0 {
                return Ok(true);
            }
            if slice.tick() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run_lookup(
        &mut self,
        lookup: &mut Lookup,
        view: &View<'_>,
        slice: &mut Slice<'_>,
    ) -> Result<bool> {
        loop {
            if let Some((address, merge)) = &mut lookup.address {
                let mut cursors = merge.cursors(view)?;
                while let Some(candidate) = merge.next(view, &mut cursors)? {
                    if let Some(position) = candidate
                        && let Some(found) = view.record(position)
                        && found.record.get(48..96) == Some(&address[..])
                        && lookup.given.insert(position)
                        && !self.offer(&found, slice)
                    {
                        return Ok(false);
                    }
                    if slice.tick() {
                        return Ok(false);
                    }
                }
                lookup.address = None;
            }
            let Some(reference) = lookup.references.pop_front() else {
                return Ok(true);
            };
            if let Reference::Whole(address) = reference
                && address[0] & 0x80 != 0
            {
                lookup.address = Some((address, address_merge(&address, view)));
            } else if let Some(position) = view.find(reference.bytes())?
                && let Some(found) = view.record(position)
                && lookup.given.insert(position)
                && !self.offer(&found, slice)
            {
                return Ok(false);
            }
            if slice.tick() {
                return Ok(false);
            }
        }
    }

    fn run_log(
        &mut self,
        at: &mut u64,
        end: u64,
        since: u64,
        view: &View<'_>,
        slice: &mut Slice<'_>,
    ) -> Result<bool> {
        while let Some(position) = view.segments.first_from(*at, end) {
            let Some((head, body)) = view.segments.entry(position) else {
                return Ok(true);
            };
            *at = position + head.size();
            if head.what == What::Record
                && self
                    .filter
                    .as_ref()
                    .is_none_or(|f| f.matches(body, Some(head.received)))
                && view.is_served(body, position)?
                && !self.seen_before(&head, body, since)
                && !self.offer(&Found::of((head, body)), slice)
            {
                return Ok(false);
            }
            if slice.tick() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether who reads was given a readmitted record before: it stood before what was followed, and they
    /// could read it. The owner keeps count of positions and is told of the new ones.
    fn seen_before(&self, head: &Head, record: &[u8], since: u64) -> bool {
        head.marks.label & READMITTED != 0
            && head.received < since
            && matches!(self.viewers, Viewers::Keys(_))
            && self.viewers.may_read(record, head.marks.former)
    }

    /// The next RECORD frames, joined: (frames, how many, whether finished).
    pub fn frames(
        &mut self,
        view: &View<'_>,
        head: [u8; 4],
        max_bytes: usize,
        time: Duration,
    ) -> Result<(Vec<u8>, usize, bool)> {
        let (mut out, mut count) = (Vec::new(), 0);
        let finished = self.run(view, time, &mut |found| {
            let length = (FRAME_HEAD + found.record.len()) as u32;
            out.extend_from_slice(&head);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(found.record);
            count += 1;
            out.len() < max_bytes
        })?;
        Ok((out, count, finished))
    }
}

/// When the first record from a position on was received that was not readmitted.
///
/// The greatest time if none follows; 0 if compaction may have taken that record, or it is not near: who
/// follows is then given a readmitted record twice rather than never. `asked` is the position as it was
/// asked for, `at` the entry that is found from there on.
fn received_from(asked: u64, mut at: u64, end: u64, view: &View<'_>) -> u64 {
    // What stood at the end of a compacted segment may be gone, and the first that is left in the next.
    if view.segments.of(asked).is_none_or(|s| s.is_compacted()) {
        return 0;
    }
    for _ in 0..LOOK_AHEAD {
        let Some(position) = view.segments.first_from(at, end) else {
            return u64::MAX;
        };
        let segment = view.segments.of(position).filter(|s| !s.is_compacted());
        let Some((head, _)) = segment.and_then(|segment| segment.entry(position)) else {
            return 0;
        };
        if head.what == What::Record && head.marks.label & READMITTED == 0 {
            return head.received;
        }
        at = head.position + head.size();
    }
    0
}

fn address_merge(address: &[u8], view: &View<'_>) -> Merge {
    let range = Range {
        prefix: view.hashes.address(address),
        low: 0,
        high: u64::MAX - 1,
    };
    Merge::new(Table::Address, vec![range], Hints::default())
}

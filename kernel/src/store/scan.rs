//! A query under way: works in slices, each on a snapshot of its own.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::match_::filter::CompiledFilter;
use crate::store::access::{Viewers, may_sync};
use crate::store::entry::What;
use crate::store::error::Result;
use crate::store::keys::Table;
use crate::store::merge::{Merge, Range};
use crate::store::plan::{self, Hints};
use crate::store::view::View;

/// How many keys are looked at between two looks at the clock.
const CLOCK_EVERY: u32 = 16;
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
        aligned: bool,
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
    for_sync: bool,
}

/// Where a look-up of references stands.
struct Lookup {
    references: VecDeque<[u8; 48]>,
    address: Option<([u8; 48], Merge)>,
    given: HashSet<u64>,
}

/// What a slice may use up.
struct Slice<'s> {
    deadline: Instant,
    work: u32,
    /// Takes (position, received, record); says whether there is room for more.
    take: &'s mut dyn FnMut(u64, u64, &[u8]) -> bool,
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
    pub fn lookup(references: Vec<[u8; 48]>, viewers: Viewers) -> Self {
        Self {
            source: Source::References(Lookup {
                references: references.into(),
                address: None,
                given: HashSet::new(),
            }),
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
                aligned: false,
            },
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
        take: &mut dyn FnMut(u64, u64, &[u8]) -> bool,
    ) -> Result<bool> {
        let mut slice = Slice {
            deadline: Instant::now() + time,
            work: 0,
            take,
        };
        if let (Source::Unplanned, Some(filter)) = (&self.source, &self.filter) {
            self.source = Source::Ranges(plan::choose(filter, view)?);
        }
        let mut source = std::mem::replace(&mut self.source, Source::Finished);
        let done = match &mut source {
            Source::Unplanned | Source::Finished => true,
            Source::Ranges(merge) => self.run_ranges(merge, view, &mut slice)?,
            Source::References(lookup) => self.run_lookup(lookup, view, &mut slice)?,
            Source::Log { at, end, aligned } => {
                if !*aligned {
                    *at = view.segments.align(*at, *end).unwrap_or(*end);
                    *aligned = true;
                }
                self.run_log(at, *end, view, &mut slice)?
            }
        };
        if !done {
            self.source = source;
        }
        Ok(done)
    }

    /// Gives a record out if it may be; says whether the slice goes on.
    fn offer(
        &mut self,
        position: u64,
        received: u64,
        record: &[u8],
        slice: &mut Slice<'_>,
    ) -> bool {
        let matches = self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.matches(record, Some(received)));
        if !matches || !self.viewers.may_read(record) || (self.for_sync && !may_sync(record)) {
            return true;
        }
        self.left -= 1;
        (slice.take)(position, received, record)
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
                && let Some((received, record)) = view.record(position)
                && !self.offer(position, received, record, slice)
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
                        && let Some((received, record)) = view.record(position)
                        && record.get(48..96) == Some(&address[..])
                        && lookup.given.insert(position)
                        && !self.offer(position, received, record, slice)
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
            if reference[0] & 0x80 != 0 {
                lookup.address = Some((reference, address_merge(&reference, view)));
            } else if let Some(position) = view.find(&reference)?
                && let Some((received, record)) = view.record(position)
                && lookup.given.insert(position)
                && !self.offer(position, received, record, slice)
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
                && !self.offer(position, head.received, body, slice)
            {
                return Ok(false);
            }
            if slice.tick() {
                return Ok(false);
            }
        }
        Ok(true)
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
        let finished = self.run(view, time, &mut |_, _, record| {
            let length = (FRAME_HEAD + record.len()) as u32;
            out.extend_from_slice(&head);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(record);
            count += 1;
            out.len() < max_bytes
        })?;
        Ok((out, count, finished))
    }
}

fn address_merge(address: &[u8], view: &View<'_>) -> Merge {
    let range = Range {
        prefix: view.hashes.address(address),
        low: 0,
        high: u64::MAX - 1,
    };
    Merge::new(Table::Address, vec![range], Hints::default())
}

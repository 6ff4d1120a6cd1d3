//! Memory that frames hold which have begun and not ended, of all links together.
//!
//! A peer may stop in the middle of a frame and never go on. That is bounded
//! by its limit for one link, but not for ten thousand of them: beyond a
//! bound for all, the frame that began first gives way, and its link with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::link::Link;
use super::lock;

/// Half frames up to this are not counted: the number of links bounds them.
const SMALL: usize = 4_096;

/// The half frames of all links, oldest first.
pub struct HalfFrames {
    held: Mutex<Held>,
    limit: usize,
}

#[derive(Default)]
struct Held {
    next: u64,
    bytes: usize,
    links: BTreeMap<u64, (Arc<Link>, usize)>,
}

/// The place of one link among them; `hold` with 0 bytes gives it back.
#[derive(Default)]
pub struct Share(Option<u64>);

impl HalfFrames {
    /// Together they may hold `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            held: Mutex::default(),
            limit,
        }
    }

    /// A link holds so many bytes now. Drops the links whose frames began first if that is too much.
    pub fn hold(&self, link: &Arc<Link>, share: &mut Share, bytes: usize) {
        if bytes <= SMALL && share.0.is_none() {
            return;
        }
        let mut held = lock(&self.held);
        if let Some((_, before)) = share.0.and_then(|number| held.links.remove(&number)) {
            held.bytes -= before;
        }
        if bytes <= SMALL {
            share.0 = None;
            return;
        }
        let number = share.0.unwrap_or(held.next);
        held.next = held.next.max(number + 1);
        held.links.insert(number, (Arc::clone(link), bytes));
        held.bytes += bytes;
        share.0 = Some(number);
        let mut dropped = Vec::new();
        while held.bytes > self.limit
            && let Some((_, (oldest, bytes))) = held.links.pop_first()
        {
            held.bytes -= bytes;
            dropped.push(oldest);
        }
        drop(held);
        for link in dropped {
            link.give_way();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(count: u64) -> Vec<(Arc<Link>, Share)> {
        (0..count)
            .map(|number| (Arc::new(Link::new(number, true, 1, 1)), Share::default()))
            .collect()
    }

    #[test]
    fn the_frame_that_began_first_gives_way() {
        let half = HalfFrames::new(100_000);
        let mut links = links(3);
        for (link, share) in &mut links {
            half.hold(link, share, 30_000);
        }
        // The first grows: it stays the first.
        let (link, share) = &mut links[0];
        half.hold(link, share, 40_000);
        assert!(links.iter().all(|(link, _)| link.pending().is_some()));
        let (link, share) = &mut links[2];
        half.hold(link, share, 30_001);
        let gone: Vec<bool> = links
            .iter()
            .map(|(link, _)| link.pending().is_none())
            .collect();
        assert_eq!(gone, [true, false, false]);
        assert_eq!(lock(&half.held).bytes, 60_001);
    }

    #[test]
    fn whole_and_small_frames_hold_nothing() {
        let half = HalfFrames::new(100_000);
        let mut links = links(1_000);
        for (link, share) in &mut links {
            half.hold(link, share, SMALL);
            half.hold(link, share, 90_000);
            half.hold(link, share, 0);
        }
        assert!(links.iter().all(|(link, _)| link.pending().is_some()));
        assert_eq!(lock(&half.held).bytes, 0);
        assert!(lock(&half.held).links.is_empty());
    }
}

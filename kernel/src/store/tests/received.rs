//! What was received since a time is found without looking at the segments before.

use std::sync::Arc;
use std::time::Duration;

use super::samples::{open, record};
use crate::match_::filter::CompiledFilter;
use crate::store::access::Viewers;
use crate::store::compact::compact;
use crate::store::files::DiskFiles;
use crate::store::intake::{Incoming, mode};
use crate::store::scan::{Query, Scan};
use crate::store::store::Store;

/// A filter of what was received at a time or later.
fn since(received: u64) -> Arc<CompiledFilter> {
    let mut bytes = vec![24, 0, 0, 0, 0, 0, 0, 0, 0x82, 2, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&received.to_be_bytes());
    Arc::new(CompiledFilter::parse(&bytes).unwrap())
}

fn times(store: &Store, mut scan: Scan, time: Duration) -> Vec<u64> {
    let (mut found, mut done) = (Vec::new(), false);
    while !done {
        let entered = store.enter();
        let view = store.view(&entered).unwrap();
        let mut take = |one: &crate::store::view::Found<'_>| {
            found.push(one.received);
            true
        };
        done = scan.run(&view, time, &mut take).unwrap();
    }
    found.sort_unstable();
    found
}

#[test]
fn what_was_received_since_a_time_is_found_whatever_the_order_of_times() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(Arc::new(DiskFiles), folder.path(), b"boot").unwrap();
    // Mostly rising, with some that came later than they say.
    let received: Vec<u64> = (0..200)
        .map(|n| if n % 37 == 36 { n / 2 } else { n + 1 })
        .collect();
    let records: Vec<_> = (0..200).map(|n| record(n, 1000 - n, 9, 300)).collect();
    let mut positions = Vec::new();
    for (record, &received) in records.iter().zip(&received) {
        let incoming = Incoming {
            record,
            received,
            mode: mode::KEEP_ALL,
            label: 0,
        };
        positions.extend(store.append(&[incoming]).unwrap().positions);
    }
    assert!(store.stats().unwrap().segments > 5);
    for compacted in [false, true] {
        for wanted in [0, 1, 50, 120, 199, 200, 201, 5000] {
            let mut expected: Vec<u64> =
                received.iter().copied().filter(|&r| r >= wanted).collect();
            if compacted {
                expected.retain(|&one| one != received[3]);
            }
            expected.sort_unstable();
            for time in [Duration::ZERO, Duration::from_secs(60)] {
                let query = Query {
                    filter: since(wanted),
                    viewers: Viewers::Owner,
                    limit: 0,
                    before: u64::MAX,
                    after: 0,
                };
                assert_eq!(
                    times(&store, Scan::query(query), time),
                    expected,
                    "{wanted}"
                );
                let follow = Scan::follow(since(wanted), Viewers::Owner, 0, store.end());
                assert_eq!(times(&store, follow, time), expected, "{wanted}");
            }
        }
        store.remove(&positions[3..4], false).unwrap();
        compact(&store, 0.0, true).unwrap();
    }
}

use super::*;

fn filter(elements: &[(u8, &[u8])]) -> Arc<CompiledFilter> {
    let mut body = Vec::new();
    for (kind, value) in elements {
        body.extend([*kind, (value.len() / 8) as u8 + 1, 0, 0, 0, 0, 0, 0]);
        body.extend(*value);
    }
    let mut data = vec![0; 8];
    data[..2].copy_from_slice(&((8 + body.len()) as u16).to_le_bytes());
    data.extend(body);
    Arc::new(CompiledFilter::parse(&data).unwrap_or_default())
}

const KIND: [u8; 8] = [0, 0, 0, 1, 0, 1, 0, 0x1c];
const TIME: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 5];
const TAG: [u8; 8] = [8, 0, 1, 0, 1, 2, 3, 4];

fn key(seed: u8) -> [u8; 32] {
    crate::crypto::keys::ExpandedSecret::from_seed(&[seed; 32]).public
}

fn record() -> Vec<u8> {
    let tags = [TAG, TAG].concat();
    let mut record = vec![0; 152];
    record[56..64].copy_from_slice(&KIND);
    record[64..96].copy_from_slice(&key(1));
    record[96..128].copy_from_slice(&key(2));
    record[128..136].copy_from_slice(&TIME);
    record[144] = tags.len() as u8;
    record.extend(tags);
    record.resize(record.len() + 64, 0);
    record
}

fn hitting() -> Vec<Arc<CompiledFilter>> {
    vec![
        filter(&[]),
        filter(&[(0x01, &key(1))]),
        filter(&[(0x02, &[key(3), key(2)].concat())]),
        filter(&[(0x03, &KIND)]),
        filter(&[(0x04, &TIME)]),
        filter(&[(0x05, &TAG)]),
        filter(&[(0x80, &TIME)]),
        filter(&[(0x05, &TAG), (0x01, &key(1)), (0x03, &KIND)]),
    ]
}

#[test]
fn each_index_finds_its_filters_once() {
    let mut subscriptions = Subscriptions::default();
    for (number, filter) in hitting().into_iter().enumerate().rev() {
        assert!(subscriptions.add(number as u64, filter));
    }
    assert_eq!(
        subscriptions.matching(&record(), None),
        [0, 1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(
        subscriptions.matching(&record()[..151], None),
        [] as [u64; 0]
    );
}

#[test]
fn what_was_closed_is_not_found() {
    let mut subscriptions = Subscriptions::default();
    for (number, filter) in hitting().into_iter().enumerate() {
        subscriptions.add(number as u64, filter);
    }
    for number in 0..8 {
        assert!(subscriptions.remove(number));
        assert!(!subscriptions.remove(number));
        assert_eq!(
            subscriptions.matching(&record(), None),
            (number + 1..8).collect::<Vec<_>>()
        );
    }
    assert!(subscriptions.is_empty());
    assert!(subscriptions.index.places.is_empty() && subscriptions.rest.is_empty());
    assert_eq!(subscriptions.by_tag, 0);
}

#[test]
fn a_number_is_open_once() {
    let mut subscriptions = Subscriptions::default();
    assert!(subscriptions.add(7, filter(&[])));
    assert!(!subscriptions.add(7, filter(&[(0x01, &key(9))])));
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(subscriptions.matching(&record(), None), [7]);
}

#[test]
fn a_record_does_not_look_at_filters_of_others() {
    let mut subscriptions = Subscriptions::default();
    for number in 0..100_u8 {
        subscriptions.add(
            number.into(),
            filter(&[(0x01, &key(number)), (0x03, &KIND)]),
        );
    }
    assert_eq!(subscriptions.matching(&record(), None), [1]);
    let looked_at = subscriptions
        .open
        .iter()
        .flatten()
        .filter(|open| open.seen != 0)
        .count();
    assert_eq!(looked_at, 1);
}

#[test]
fn what_opens_and_closes_leaves_nothing_behind() {
    let mut subscriptions = Subscriptions::default();
    for round in 0..3 {
        for number in 0..60_u64 {
            // Each author has twenty subscribers, each subscriber two authors.
            let (one, other) = (number as u8 % 3 + 1, number as u8 % 5 + 10);
            let keys = [key(one), key(other)].concat();
            assert!(subscriptions.add(number, filter(&[(0x01, &keys)])));
        }
        let expected: Vec<u64> = (0..60).filter(|number| number % 3 == 0).collect();
        assert_eq!(subscriptions.matching(&record(), None), expected, "{round}");
        for number in (0..60).rev() {
            subscriptions.remove(number);
            let left: Vec<u64> = (0..number).filter(|number| number % 3 == 0).collect();
            assert_eq!(subscriptions.matching(&record(), None), left);
        }
    }
    let index = &subscriptions.index;
    assert!(index.places.is_empty() && index.lists.iter().all(Vec::is_empty));
    assert_eq!(index.free.len(), index.lists.len());
    assert_eq!(subscriptions.open.len(), 60);
}

#[test]
fn filters_of_twenty_authors_stay_small() {
    let count = if cfg!(debug_assertions) {
        2_000
    } else {
        100_000
    };
    let keys: Vec<[u8; 32]> = (1..=250).map(key).collect();
    let mut subscriptions = Subscriptions::default();
    for number in 0..count {
        let twenty: Vec<u8> = (0..20)
            .flat_map(|n| keys[(number * 7 + n * 11) % keys.len()])
            .collect();
        subscriptions.add(number as u64, filter(&[(0x01, &twenty)]));
    }
    let each = subscriptions.memory() / count;
    assert!(each < 1_100, "{each} bytes each");
}

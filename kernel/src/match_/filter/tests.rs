use super::*;

fn filter(elements: &[&[u8]]) -> Vec<u8> {
    let body = elements.concat();
    let mut data = vec![0; HEADER];
    data[..2].copy_from_slice(&((HEADER + body.len()) as u16).to_le_bytes());
    data.extend(body);
    data
}

fn element(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut data = vec![kind, (body.len() / WORD) as u8 + 1, 0, 0, 0, 0, 0, 0];
    data.extend(body);
    data
}

fn error(elements: &[&[u8]]) -> Option<FilterError> {
    CompiledFilter::parse(&filter(elements)).err()
}

/// A record with this timestamp, kind 1 of application 1, and these tags.
fn record(timestamp: u64, tags: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 152];
    record[..8].copy_from_slice(&timestamp.to_be_bytes());
    record[56..64].copy_from_slice(&[0, 0, 0, 1, 0, 1, 0, 0x1c]);
    record[128..136].copy_from_slice(&timestamp.to_be_bytes());
    record[144..146].copy_from_slice(&(tags.len() as u16).to_le_bytes());
    record.extend(tags);
    record.resize(record.len().next_multiple_of(8) + 64, 0);
    record
}

fn matches(elements: &[&[u8]], record: &[u8], received: Option<u64>) -> bool {
    CompiledFilter::parse(&filter(elements)).is_ok_and(|filter| filter.matches(record, received))
}

#[test]
fn an_empty_filter_matches_all_records_and_is_wide() {
    let filter = CompiledFilter::parse(&filter(&[])).unwrap_or_default();
    assert!(!filter.narrow());
    assert!(filter.matches(&record(5, &[]), None));
    assert!(!filter.matches(&[0; 151], None), "no record at all");
}

#[test]
fn the_frame_must_fit_exactly() {
    let good = filter(&[&element(0x80, &[0; 8])]);
    assert!(CompiledFilter::parse(&good).is_ok());
    for length in 0..8 {
        assert_eq!(
            CompiledFilter::parse(&good[..length]).err(),
            Some(FilterError::TooShort)
        );
    }
    for length in 8..good.len() {
        assert_eq!(
            CompiledFilter::parse(&good[..length]).err(),
            Some(FilterError::Length)
        );
    }
    let mut reserved = good.clone();
    reserved[7] = 1;
    assert_eq!(
        CompiledFilter::parse(&reserved).err(),
        Some(FilterError::Reserved)
    );
    let long = [good, vec![0]].concat();
    assert_eq!(
        CompiledFilter::parse(&long).err(),
        Some(FilterError::Length)
    );
}

#[test]
fn elements_must_fit_exactly() {
    let since = element(0x80, &[0; 8]);
    assert_eq!(
        error(&[&since, &[0x80, 0, 0, 0, 0, 0, 0, 0]]),
        Some(FilterError::ElementEmpty(1))
    );
    assert_eq!(
        error(&[&[0x80, 2, 0, 0, 0, 0, 0, 0]]),
        Some(FilterError::ElementOverrun(0))
    );
    assert_eq!(
        error(&[&[0x03, 1, 0, 0, 0, 9, 0, 0]]),
        Some(FilterError::ElementReserved(0))
    );
    for kind in [0x00, 0x06, 0x7f, 0x86, 0xff] {
        let unknown = FilterError::ElementUnknown(0, kind);
        assert_eq!(error(&[&element(kind, &[0; 8])]), Some(unknown));
    }
    for kind in [0x01, 0x02, 0x84] {
        assert_eq!(
            error(&[&element(kind, &[0; 24])]),
            Some(FilterError::ElementLength(0))
        );
        assert_eq!(error(&[&element(kind, &[])]), None);
    }
    for kind in 0x80..=0x83 {
        assert_eq!(
            error(&[&element(kind, &[])]),
            Some(FilterError::ElementLength(0))
        );
        assert_eq!(
            error(&[&element(kind, &[0; 16])]),
            Some(FilterError::ElementLength(0))
        );
    }
}

#[test]
fn values_must_be_valid() {
    assert_eq!(
        error(&[&element(0x01, &[0; 32])]),
        Some(FilterError::Key(0))
    );
    assert_eq!(
        error(&[&element(0x02, &[0xff; 32])]),
        Some(FilterError::Key(0))
    );
    assert_eq!(
        error(&[&element(0x03, &[0, 0, 0, 1, 0, 1, 0, 0x20])]),
        Some(FilterError::Kind(0))
    );
    assert_eq!(
        error(&[&element(0x03, &[0, 0, 0, 1, 0, 1, 0, 0x18])]),
        Some(FilterError::Kind(0))
    );
    for kind in [0x04, 0x80, 0x81, 0x82, 0x83] {
        let late = element(kind, &[0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(error(&[&late]), Some(FilterError::Timestamp(0)), "{kind}");
    }
    assert_eq!(
        error(&[&element(0x84, &[0x80; 32])]),
        Some(FilterError::Timestamp(0))
    );
}

#[test]
fn tags_are_followed_by_zeros_only() {
    for kind in [0x05, 0x85] {
        let tags = |body: &[u8]| error(&[&element(kind, body)]);
        assert_eq!(tags(&[5, 0, 1, 0, 9, 0, 0, 0]), None);
        assert_eq!(tags(&[7, 0, 1, 0, 9, 9, 9, 0]), None);
        assert_eq!(tags(&[0; 8]), None);
        assert_eq!(
            tags(&[7, 0, 1, 0, 9, 9, 9, 1]),
            Some(FilterError::Padding(0))
        );
        assert_eq!(
            tags(&[4, 0, 1, 0, 0, 0, 7, 7]),
            Some(FilterError::Padding(0))
        );
        assert_eq!(tags(&[3, 0, 1, 0, 0, 0, 0, 0]), Some(FilterError::Tag(0)));
        assert_eq!(tags(&[9, 0, 1, 0, 9, 9, 9, 9]), Some(FilterError::Tag(0)));
    }
}

#[test]
fn ranges_are_inclusive() {
    let at = |kind, time: u64| element(kind, &time.to_be_bytes());
    let record = record(5, &[]);
    assert!(matches(&[&at(0x80, 5), &at(0x81, 5)], &record, None));
    assert!(!matches(&[&at(0x80, 6)], &record, None));
    assert!(!matches(&[&at(0x81, 4)], &record, None));
    assert!(matches(&[&at(0x82, 9), &at(0x83, 9)], &record, Some(9)));
    assert!(!matches(&[&at(0x82, 9)], &record, Some(8)));
    assert!(!matches(&[&at(0x83, 9)], &record, Some(10)));
    assert!(matches(&[&at(0x83, 0)], &record, None));
}

#[test]
fn only_the_first_of_a_unique_element_counts() {
    let at = |kind, time: u64| element(kind, &time.to_be_bytes());
    assert!(matches(
        &[&at(0x80, 5), &at(0x80, 9)],
        &record(5, &[]),
        None
    ));
    assert!(!matches(
        &[&at(0x80, 9), &at(0x80, 5)],
        &record(5, &[]),
        None
    ));
    let bad = at(0x80, 1 << 63);
    assert_eq!(
        error(&[&at(0x80, 5), &bad]),
        Some(FilterError::Timestamp(1))
    );
}

#[test]
fn every_tag_element_counts() {
    let a: &[u8] = &[6, 0, 1, 0, 9, 9];
    let b: &[u8] = &[4, 0, 2, 0];
    let one = |kind, tags: &[&[u8]]| {
        let mut body = tags.concat();
        body.resize(body.len().next_multiple_of(WORD), 0);
        element(kind, &body)
    };
    let both = record(5, &[a, b].concat());
    let first = record(5, a);
    assert!(matches(&[&one(0x05, &[a]), &one(0x05, &[b])], &both, None));
    assert!(!matches(
        &[&one(0x05, &[a]), &one(0x05, &[b])],
        &first,
        None
    ));
    assert!(matches(&[&one(0x05, &[a, b])], &first, None));
    assert!(!matches(&[&one(0x05, &[])], &first, None));
    assert!(matches(&[&one(0x85, &[])], &first, None));
    assert!(matches(&[&one(0x85, &[b])], &first, None));
    assert!(!matches(
        &[&one(0x85, &[b]), &one(0x85, &[a])],
        &first,
        None
    ));
    let prefix: &[u8] = &[5, 0, 1, 0, 9];
    assert!(
        !matches(&[&one(0x05, &[prefix])], &first, None),
        "tags match whole"
    );
}

#[test]
fn an_element_without_values_selects_nothing() {
    for kind in 0x01..=0x05 {
        assert!(!matches(
            &[&element(kind, &[])],
            &record(5, &[4, 0, 2, 0]),
            None
        ));
    }
    for kind in [0x84, 0x85] {
        assert!(matches(
            &[&element(kind, &[])],
            &record(5, &[4, 0, 2, 0]),
            None
        ));
    }
}

#[test]
fn excluded_ids_do_not_match() {
    let record = record(5, &[]);
    assert!(!matches(&[&element(0x84, &record[..32])], &record, None));
    let mut other = record.clone();
    other[31] ^= 1;
    assert!(matches(&[&element(0x84, &other[..32])], &record, None));
}

use super::*;

fn inbox() -> (Inbox, Arc<Link>) {
    (
        Inbox::new(1_000).unwrap(),
        Arc::new(Link::new(1, true, 500, 500)),
    )
}

fn event(link: &Arc<Link>, what: u16, data: &'static [u8]) -> Event {
    Event {
        link: Arc::clone(link),
        what,
        data: Bytes::from_static(data),
    }
}

fn is_readable(inbox: &Inbox) -> bool {
    let mut poll = libc::pollfd {
        fd: inbox.fileno(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

#[test]
fn the_descriptor_is_readable_exactly_while_events_wait() {
    let (inbox, link) = inbox();
    assert!(!is_readable(&inbox));
    inbox.push(&mut Vec::new());
    assert!(!is_readable(&inbox));
    for _ in 0..3 {
        inbox.push_one(event(&link, 1, b"frame"));
    }
    assert!(is_readable(&inbox));
    assert_eq!(inbox.take(2).0.len(), 2);
    assert!(is_readable(&inbox));
    assert_eq!(inbox.take(2).0.len(), 1);
    assert!(!is_readable(&inbox));
    inbox.push_one(event(&link, 1, b"frame"));
    assert!(is_readable(&inbox));
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    let (inbox, link) = inbox();
    let (inbox, pushing) = (Arc::new(inbox), 20_000);
    let other = Arc::clone(&inbox);
    let thread = std::thread::spawn(move || {
        for _ in 0..pushing {
            other.push_one(event(&link, 1, b""));
        }
    });
    let mut taken = 0;
    while taken < pushing {
        let mut poll = libc::pollfd {
            fd: inbox.fileno(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one entry, which lives through the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 10_000) };
        assert_eq!(ready, 1, "events wait and the descriptor does not tell");
        taken += inbox.take(7).0.len();
    }
    thread.join().unwrap();
}

#[test]
fn a_full_queue_holds_readers_back_until_half_is_taken() {
    let (inbox, link) = inbox();
    let cx = Context::from_waker(Waker::noop());
    assert!(inbox.poll_room(1, &cx).is_ready());
    for _ in 0..10 {
        inbox.push_one(event(&link, 1, &[7; 36]));
    }
    assert!(inbox.poll_room(1, &cx).is_pending());
    assert!(!link.has_room());
    inbox.take(4);
    assert!(inbox.poll_room(1, &cx).is_ready());
    assert!(!link.has_room());
    inbox.take(10);
    assert!(link.has_room());
    assert!(lock(&inbox.queue).others.waiting.is_empty());
}

#[test]
fn an_ended_link_is_forgotten_one_poll_later() {
    let (inbox, link) = inbox();
    inbox.push_one(event(&link, what::CLOSED, b"reason"));
    let (events, forgotten) = inbox.take(10);
    assert_eq!((events.len(), forgotten.len()), (1, 0));
    assert_eq!(inbox.take(10).1.len(), 1);
    assert_eq!(inbox.take(10).1.len(), 0);
}

#[test]
fn a_preferred_link_goes_first_and_keeps_its_order() {
    let (inbox, link) = inbox();
    let other = Arc::new(Link::new(2, true, 500, 500));
    inbox.push_one(event(&other, 1, b"others"));
    inbox.push_one(event(&link, 2, b"before"));
    inbox.prefer(&link, true);
    inbox.push_one(event(&link, 3, b"still behind"));
    let order =
        |most: usize| -> Vec<u16> { inbox.take(most).0.iter().map(|event| event.what).collect() };
    assert_eq!(order(9), [1, 2, 3]);
    inbox.push_one(event(&other, 4, b"others"));
    inbox.push_one(event(&link, 5, b"first"));
    inbox.push_one(event(&link, 6, b"second"));
    assert_eq!(order(2), [5, 6]);
    inbox.prefer(&link, false);
    inbox.push_one(event(&link, 7, b"last"));
    assert_eq!(order(9), [4, 7]);
    let queue = lock(&inbox.queue);
    assert_eq!((queue.first.bytes, queue.others.bytes), (0, 0));
}

#[test]
fn a_preferred_link_reads_on_while_others_have_filled_their_lane() {
    let (inbox, link) = inbox();
    let (cx, other) = (
        Context::from_waker(Waker::noop()),
        Link::new(2, true, 500, 500),
    );
    let other = Arc::new(other);
    for _ in 0..10 {
        inbox.push_one(event(&other, 1, &[7; 36]));
    }
    assert!(inbox.poll_room_of(&link, &cx).is_pending());
    inbox.prefer(&link, true);
    assert!(inbox.poll_room_of(&link, &cx).is_ready());
    for _ in 0..10 {
        inbox.push_one(event(&link, 1, &[7; 36]));
    }
    assert!(inbox.poll_room_of(&link, &cx).is_pending());
    inbox.take(10);
    assert!(inbox.poll_room_of(&link, &cx).is_ready());
    assert!(inbox.poll_room_of(&other, &cx).is_pending());
}

#[test]
fn others_are_taken_a_few_at_a_time_once_somebody_is_preferred() {
    let inbox = Inbox::new(1 << 20).unwrap();
    let link = Arc::new(Link::new(1, true, 1 << 20, 500));
    for _ in 0..1_000 {
        inbox.push_one(event(&link, 1, b""));
    }
    assert_eq!(inbox.take(400).0.len(), 400);
    inbox.prefer(&Link::new(2, true, 500, 500), true);
    assert_eq!(inbox.take(400).0.len(), OTHERS_AT_ONCE);
    assert!(is_readable(&inbox));
}

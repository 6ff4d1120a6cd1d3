use super::*;
use crate::dht::testnet::Testnet;
use crate::dht::work::Outcome;
use mainline::SigningKey;

const SALT: &[u8] = b"mub25";

fn enter(net: &Testnet) -> Node {
    Node::new(Settings {
        entry_nodes: net.entry_nodes().to_vec(),
        host: Ipv4Addr::LOCALHOST,
        port: 0,
        request_timeout: Duration::from_millis(500),
        serving: false,
    })
    .unwrap()
}

/// The items and the end of a job.
fn ended(node: &Node, job: Option<u64>) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (job, mut items) = (job.unwrap(), Vec::new());
    loop {
        let mut poll = libc::pollfd {
            fd: node.inbox().fileno(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one entry, which lives through the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 60_000) };
        assert_eq!(ready, 1, "nothing came");
        for event in node.inbox().take() {
            match event.what {
                What::Item if event.job == job => items.push(event.data),
                What::Done if event.job == job => return (items, event.data),
                _ => {}
            }
        }
    }
}

fn signed(seq: i64, value: &[u8]) -> MutableItem {
    MutableItem::new(SigningKey::from_bytes(&[7; 32]), value, seq, Some(SALT))
}

fn key() -> [u8; 32] {
    SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
}

#[test]
fn what_was_written_is_read_and_compared_before_it_is_replaced() {
    let net = Testnet::new(6).unwrap();
    let (writer, reader) = (enter(&net), enter(&net));
    let write = |seq, value: &[u8], cas| ended(&writer, writer.write(signed(seq, value), cas)).1[0];
    assert_eq!(
        ended(&reader, reader.look_up(key(), SALT)).0,
        Vec::<Vec<u8>>::new()
    );
    assert_eq!(write(3, b"one", Some(0)), Outcome::Stored as u8);
    assert_eq!(write(4, b"two", Some(2)), Outcome::CasFailed as u8);
    assert_eq!(write(2, b"two", None), Outcome::NotMostRecent as u8);
    assert_eq!(write(4, b"two", Some(3)), Outcome::Stored as u8);
    let (items, end) = ended(&reader, reader.look_up(key(), SALT));
    let item = signed(4, b"two");
    let expected = [&4_i64.to_le_bytes()[..], item.signature(), b"two"].concat();
    assert_eq!(items, [expected]);
    assert_eq!(end.len(), 8);
    assert!(u32::from_le_bytes(end[..4].try_into().unwrap()) > 0);
    assert_eq!(
        ended(&reader, reader.look_up(key(), b"msb24")).0,
        Vec::<Vec<u8>>::new()
    );
    assert!(writer.nodes() > 0);
}

#[cfg(target_os = "linux")]
#[test]
fn what_passes_is_counted_and_still_known_when_the_node_has_ended() {
    let net = Testnet::new(4).unwrap();
    let (node, other) = (enter(&net), enter(&net));
    ended(&node, node.look_up(key(), SALT));
    let first = node.passed();
    assert!(first.packets_went > 0 && first.packets_came > 0);
    // A question has some hundred bytes, an answer names up to 20 nodes.
    assert!((50..1_500).contains(&(first.went / first.packets_went)));
    assert!((50..1_500).contains(&(first.came / first.packets_came)));
    ended(&node, node.look_up(key(), b"msb24"));
    let second = node.passed();
    assert!(second.went > first.went && second.came > first.came);
    node.close();
    let last = node.passed();
    assert!(last.went >= second.went && last.came >= second.came);
    assert_eq!(node.passed(), last);
    assert_ne!(other.passed(), last);
}

#[test]
fn a_forged_item_is_stored_by_nobody() {
    let net = Testnet::new(4).unwrap();
    let node = enter(&net);
    let forged = MutableItem::new_signed_unchecked(key(), [1; 64], b"lie", 9, Some(SALT));
    let end = ended(&node, node.write(forged, None)).1;
    assert_ne!(end[0], Outcome::Stored as u8);
    assert_eq!(
        ended(&node, node.look_up(key(), SALT)).0,
        Vec::<Vec<u8>>::new()
    );
}

#[test]
fn more_jobs_than_may_be_open_are_refused_at_once() {
    let net = Testnet::new(2).unwrap();
    let node = enter(&net);
    let begun = (0..MOST_OPEN + 10)
        .filter(|number| {
            let mut other = key();
            other[..8].copy_from_slice(&number.to_le_bytes());
            node.look_up(other, SALT).is_some()
        })
        .count();
    assert_eq!(begun, MOST_OPEN);
}

#[test]
fn a_closed_node_takes_no_jobs() {
    let net = Testnet::new(2).unwrap();
    let node = enter(&net);
    node.look_up(key(), SALT).unwrap();
    node.close();
    node.close();
    assert_eq!(node.look_up(key(), SALT), None);
}

#[test]
fn a_job_ends_where_nobody_answers() {
    let net = Testnet::new(2).unwrap();
    let node = enter(&net);
    drop(net);
    let (items, end) = ended(&node, node.look_up(key(), SALT));
    assert_eq!((items.len(), &end[..4]), (0, &[0; 4][..]));
    let end = ended(&node, node.write(signed(1, b"x"), None)).1;
    assert_eq!(end[0], Outcome::Unreachable as u8);
}

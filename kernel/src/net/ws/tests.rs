//! What one side wraps the other unwraps, however it is cut on the way.

use std::io::IoSlice;

use bytes::BytesMut;

use super::incoming::{End, Heard, Incoming};
use super::outgoing::Outgoing;
use super::{Side, WsWire};
use crate::net::plain::PlainWire;

/// Mosaic frames with lengths on both sides of where WebSocket writes them in another way.
fn frames() -> Vec<Vec<u8>> {
    [8, 9, 125, 126, 127, 400, 65_535, 65_536, 200_000]
        .iter()
        .enumerate()
        .map(|(kind, length)| {
            let mut frame = vec![0x55; *length];
            frame[0] = u8::try_from(kind).unwrap();
            frame[4..8].copy_from_slice(&u32::try_from(*length).unwrap().to_le_bytes());
            frame
        })
        .collect()
}

/// Deterministic numbers below `most`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

fn wrap(side: Side, stream: &[u8], dice: &mut Dice, most: usize) -> Vec<u8> {
    let (mut outgoing, mut wrapped) = (Outgoing::new(side), Vec::new());
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, left) = rest.split_at((1 + dice.roll(most)).min(rest.len()));
        rest = left;
        let (first, second) = piece.split_at(dice.roll(piece.len()));
        outgoing
            .wrap(&[IoSlice::new(first), IoSlice::new(second)], &mut wrapped)
            .unwrap();
    }
    wrapped
}

fn unwrap(side: Side, wrapped: &[u8], dice: &mut Dice, most: usize) -> (Vec<u8>, Heard) {
    let (mut incoming, mut stream, mut heard) = (Incoming::new(side), Vec::new(), Heard::default());
    let mut rest = wrapped;
    while !rest.is_empty() && heard.end.is_none() {
        let (piece, left) = rest.split_at((1 + dice.roll(most)).min(rest.len()));
        rest = left;
        // What stands before is not touched.
        let mut buffer = BytesMut::from(&b"before"[..]);
        buffer.extend_from_slice(piece);
        heard = incoming.unwrap(&mut buffer, 6);
        assert_eq!(&buffer[..6], b"before");
        stream.extend_from_slice(&buffer[6..]);
    }
    (stream, heard)
}

#[test]
fn a_stream_comes_out_as_it_went_in() {
    let stream = frames().concat();
    let mut dice = Dice(1);
    for (from, to) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
        for most in [1, 3, 16, 1_000, 1_000_000] {
            let wrapped = wrap(from, &stream, &mut dice, most);
            for read in [1, 7, 1_000, 1_000_000] {
                let (found, heard) = unwrap(to, &wrapped, &mut dice, read);
                assert!(found == stream, "written by {most}, read by {read}");
                assert_eq!(heard, Heard::default());
            }
            // Nobody takes his own side's frames.
            let (found, heard) = unwrap(from, &wrapped, &mut dice, 1_000);
            assert!(found.is_empty());
            assert!(matches!(heard.end, Some(End::Broken(_))));
        }
    }
}

#[test]
fn what_is_masked_is_masked_anew_each_time() {
    let frame = &frames()[5];
    let mut outgoing = Outgoing::new(Side::Client);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let mut wrapped = Vec::new();
        outgoing.wrap(&[IoSlice::new(frame)], &mut wrapped).unwrap();
        assert_eq!(wrapped.len(), frame.len() + 8);
        assert!(seen.insert(wrapped), "the same mask came twice");
    }
}

#[test]
fn frames_in_one_stretch_have_one_header_each() {
    let frame = &frames()[5];
    let stretch = frame.repeat(10);
    let mut wrapped = Vec::new();
    let mut outgoing = Outgoing::new(Side::Server);
    outgoing
        .wrap(&[IoSlice::new(&stretch)], &mut wrapped)
        .unwrap();
    assert_eq!(wrapped.len(), 10 * (frame.len() + 4));
}

#[test]
fn a_close_has_its_code_and_as_much_of_its_reason_as_fits() {
    let mut wrapped = Vec::new();
    let outgoing = Outgoing::new(Side::Client);
    outgoing
        .close(4_321, &"x".repeat(200), &mut wrapped)
        .unwrap();
    assert_eq!(wrapped.len(), 2 + 4 + 125);
    let (found, heard) = unwrap(Side::Server, &wrapped, &mut Dice(2), 10);
    assert!(found.is_empty());
    assert_eq!(heard.end, Some(End::Closed(4_321)));
}

#[test]
fn a_link_at_rest_needs_little_more_than_the_wire_below_it() {
    let state = size_of::<WsWire<PlainWire>>() - size_of::<PlainWire>();
    assert!(state <= 320, "{state} bytes");
}

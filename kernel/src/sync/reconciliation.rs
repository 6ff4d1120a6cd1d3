//! One reconciliation, on either side: messages in, messages out, and what each side lacks.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use negentropy::{Id, Negentropy, Storage};

use super::message::{self, VERSION};
use super::set::{ITEM, Items, Shared};

/// The least limit of a message that the protocol allows.
pub const LEAST_FRAME: u64 = 4_096;
/// How many items an initiator asks for, unless it says otherwise.
pub const MOST_NEEDED: usize = 1 << 22;
/// Messages in a row that tell nothing new: many more than a set of 2^30 items needs to be cut into
/// pieces whose ids are listed.
const MOST_BARREN: u32 = 512;

/// Why a reconciliation goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The peer's message is none, or none that this side can be sent.
    Message(&'static str),
    /// The caller asks for what this side does not do.
    Usage(&'static str),
    /// The peer has more than may be asked for.
    Crowded,
}

/// What the initiator has learned from one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The next message; none when all is known.
    pub answer: Option<Vec<u8>>,
    /// Items that only this side has, each told once.
    pub have: Vec<u8>,
    /// Items that only the other side has, each told once.
    pub need: Vec<u8>,
}

/// What the initiator has told already.
struct Told {
    have: Vec<u64>,
    need: HashSet<[u8; ITEM]>,
    most: usize,
    barren: u32,
}

/// One side of a reconciliation.
pub struct Reconciliation {
    items: Arc<Items>,
    /// None when it is over.
    machine: Option<Negentropy<'static, Shared>>,
    initiator: bool,
    told: Told,
}

impl Reconciliation {
    /// A side that compares `items`; the initiator asks for `most_needed` items at most.
    pub fn new(
        items: Arc<Items>,
        initiator: bool,
        frame_bytes: u64,
        most_needed: usize,
    ) -> Result<Self, Broken> {
        let storage = Storage::Owned(Shared(Arc::clone(&items)));
        let machine = Negentropy::new(storage, frame_bytes)
            .map_err(|_| Broken::Usage("a message may have 4096 bytes at least"))?;
        let words = if initiator {
            items.len().div_ceil(64)
        } else {
            0
        };
        Ok(Self {
            items,
            machine: Some(machine),
            initiator,
            told: Told {
                have: vec![0; words],
                need: HashSet::new(),
                most: most_needed,
                barren: 0,
            },
        })
    }

    /// The initiator's first message.
    pub fn begin(&mut self) -> Result<Vec<u8>, Broken> {
        if !self.initiator {
            return Err(Broken::Usage("only the initiator begins"));
        }
        let machine = self.machine.as_mut();
        let machine = machine.ok_or(Broken::Usage("this reconciliation is over"))?;
        machine
            .initiate()
            .map_err(|_| Broken::Usage("this reconciliation has begun already"))
    }

    /// Takes a message of the other side. After an error or the last answer it is over.
    pub fn take(&mut self, message: &[u8]) -> Result<Taken, Broken> {
        let Some(mut machine) = self.machine.take() else {
            return Err(Broken::Usage("this reconciliation is over"));
        };
        message::check(message).map_err(|fault| Broken::Message(fault.text()))?;
        if !self.initiator {
            let answer = answer(&mut machine, message)?;
            self.machine = Some(machine);
            return Ok(Taken {
                answer: Some(answer),
                ..Taken::default()
            });
        }
        if message.first() != Some(&VERSION) {
            return Err(Broken::Message(
                "the peer speaks another version of Negentropy",
            ));
        }
        let (answer, have, need) = learn(&mut machine, message)?;
        let taken = Taken {
            have: self.told.have(&self.items, &have),
            need: self.told.need(&self.items, &need)?,
            answer,
        };
        self.told.progress(&taken)?;
        if taken.answer.is_some() {
            self.machine = Some(machine);
        }
        Ok(taken)
    }
}

impl Told {
    /// Those of `ids` that were not told yet, joined.
    fn have(&mut self, items: &Items, ids: &[Id]) -> Vec<u8> {
        let mut out = Vec::new();
        for id in ids {
            let Some(place) = items.place(id.as_bytes()) else {
                continue;
            };
            if let Some(word) = self.have.get_mut(place / 64)
                && *word & 1 << (place % 64) == 0
            {
                *word |= 1 << (place % 64);
                out.extend_from_slice(id.as_bytes());
            }
        }
        out
    }

    fn need(&mut self, items: &Items, ids: &[Id]) -> Result<Vec<u8>, Broken> {
        let mut out = Vec::new();
        for id in ids {
            // Ids that this side holds are named by peers that don't keep to ranges.
            if items.place(id.as_bytes()).is_none() && self.need.insert(id.to_bytes()) {
                out.extend_from_slice(id.as_bytes());
            }
        }
        if self.need.len() > self.most {
            return Err(Broken::Crowded);
        }
        Ok(out)
    }

    fn progress(&mut self, taken: &Taken) -> Result<(), Broken> {
        let barren = taken.have.is_empty() && taken.need.is_empty();
        self.barren = if barren { self.barren + 1 } else { 0 };
        if self.barren > MOST_BARREN {
            return Err(Broken::Message("the peer's sync messages come to no end"));
        }
        Ok(())
    }
}

const FAILED: Broken = Broken::Message("a sync message that can't be followed");

fn answer(machine: &mut Negentropy<'static, Shared>, message: &[u8]) -> Result<Vec<u8>, Broken> {
    // The message was checked; should the library stumble all the same, only this peer is to suffer.
    catch_unwind(AssertUnwindSafe(|| machine.reconcile(message)))
        .map_err(|_| FAILED)?
        .map_err(|_| FAILED)
}

type Learned = (Option<Vec<u8>>, Vec<Id>, Vec<Id>);

fn learn(machine: &mut Negentropy<'static, Shared>, message: &[u8]) -> Result<Learned, Broken> {
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let answer = catch_unwind(AssertUnwindSafe(|| {
        machine.reconcile_with_ids(message, &mut have, &mut need)
    }))
    .map_err(|_| FAILED)?
    .map_err(|_| FAILED)?;
    Ok((answer, have, need))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use super::*;

    /// Ids as random as a test needs.
    fn id(number: u64, salt: u64) -> [u8; ITEM] {
        let mut id: [u8; ITEM] =
            blake3::hash(&[number.to_le_bytes(), salt.to_le_bytes()].concat()).into();
        // Timestamps rise, several records have the same.
        id[..8].copy_from_slice(&(1_700_000_000_000_000_000 + number / 3 * 1_000).to_be_bytes());
        id
    }

    fn ids(numbers: impl Iterator<Item = u64>, salt: u64) -> Vec<[u8; ITEM]> {
        numbers.map(|number| id(number, salt)).collect()
    }

    struct Outcome {
        have: BTreeSet<[u8; ITEM]>,
        need: BTreeSet<[u8; ITEM]>,
        rounds: usize,
        bytes: usize,
    }

    fn split(joined: &[u8]) -> impl Iterator<Item = [u8; ITEM]> {
        joined.chunks_exact(ITEM).map(|id| id.try_into().unwrap())
    }

    fn reconcile(ours: Vec<[u8; ITEM]>, theirs: Vec<[u8; ITEM]>) -> Outcome {
        let side = |ids, initiator| {
            Reconciliation::new(Arc::new(Items::new(ids)), initiator, 32_768, 1 << 22).unwrap()
        };
        let (mut client, mut server) = (side(ours, true), side(theirs, false));
        let mut out = Outcome {
            have: BTreeSet::new(),
            need: BTreeSet::new(),
            rounds: 0,
            bytes: 0,
        };
        let mut message = Some(client.begin().unwrap());
        while let Some(sent) = message {
            let answer = server.take(&sent).unwrap().answer.unwrap();
            out.rounds += 1;
            out.bytes += sent.len() + answer.len();
            assert!(sent.len() <= 65_528 && answer.len() <= 65_528);
            let taken = client.take(&answer).unwrap();
            assert!(split(&taken.have).all(|id| out.have.insert(id)));
            assert!(split(&taken.need).all(|id| out.need.insert(id)));
            message = taken.answer;
        }
        out
    }

    fn check(ours: Vec<[u8; ITEM]>, theirs: Vec<[u8; ITEM]>) -> Outcome {
        let (left, right) = (
            BTreeSet::from_iter(ours.clone()),
            BTreeSet::from_iter(theirs.clone()),
        );
        let out = reconcile(ours, theirs);
        assert!(out.have.iter().eq(left.difference(&right)));
        assert!(out.need.iter().eq(right.difference(&left)));
        out
    }

    #[test]
    fn each_side_learns_exactly_what_is_missing() {
        check(Vec::new(), Vec::new());
        check(ids(0..5, 1), Vec::new());
        check(Vec::new(), ids(0..5_000, 1));
        check(ids(0..5_000, 1), Vec::new());
        check(ids(0..4_000, 1), ids(0..4_000, 2));
        let ours = [ids(0..3_000, 1), ids(5..9, 2)].concat();
        check(ours, ids((0..3_000).filter(|n| n % 701 != 0), 1));
    }

    #[test]
    fn a_million_that_differ_in_a_hundred_costs_little() {
        let count = if cfg!(debug_assertions) {
            50_000
        } else {
            1_000_000
        };
        let step = count / 100;
        let ours = ids((0..count).filter(|n| n % step != 7), 1);
        let theirs = ids((0..count).filter(|n| n % step != step / 2), 1);
        let begun = Instant::now();
        let out = reconcile(ours, theirs);
        eprintln!(
            "{} rounds, {} bytes, {:?}",
            out.rounds,
            out.bytes,
            begun.elapsed()
        );
        assert_eq!((out.have.len(), out.need.len()), (100, 100));
        assert!(out.bytes < 700_000 && out.rounds < 30);
    }

    #[test]
    fn what_is_no_message_ends_it() {
        let new = |initiator| {
            Reconciliation::new(Arc::new(Items::new(ids(0..100, 1))), initiator, 32_768, 10)
                .unwrap()
        };
        // A count of 2^60 ids, in a message of 13 bytes.
        let hostile = [
            0x61, 0, 0, 2, 0x90, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,
        ];
        for initiator in [true, false] {
            let mut side = new(initiator);
            assert!(matches!(side.take(&hostile), Err(Broken::Message(_))));
            assert!(matches!(side.take(&[VERSION]), Err(Broken::Usage(_))));
        }
        assert_eq!(
            new(false).begin(),
            Err(Broken::Usage("only the initiator begins"))
        );
        // Another version: a responder says its own, an initiator gives up.
        assert_eq!(
            new(false).take(&[0x63]).unwrap().answer,
            Some(vec![VERSION])
        );
        let mut client = new(true);
        client.begin().unwrap();
        assert!(matches!(client.take(&[0x63]), Err(Broken::Message(_))));
    }

    #[test]
    fn a_lying_server_is_believed_within_bounds() {
        let items = Arc::new(Items::new(ids(0..100, 1)));
        let mut client = Reconciliation::new(Arc::clone(&items), true, 32_768, 10).unwrap();
        client.begin().unwrap();
        // It has nothing, it says twice; then it has eleven that nobody asked about.
        let empty = [VERSION, 0, 0, 2, 0];
        assert_eq!(client.take(&empty).unwrap().have.len(), 100 * ITEM);
        let mut client = Reconciliation::new(items, true, 32_768, 10).unwrap();
        client.begin().unwrap();
        let mut many = vec![VERSION, 0, 0, 2, 11];
        ids(0..11, 9)
            .iter()
            .for_each(|id| many.extend_from_slice(id));
        assert_eq!(client.take(&many), Err(Broken::Crowded));
    }

    #[test]
    fn a_server_that_never_agrees_is_given_up() {
        let items = Arc::new(Items::new(ids(0..1_000, 1)));
        let mut client = Reconciliation::new(items, true, 32_768, 10).unwrap();
        client.begin().unwrap();
        let never = [&[VERSION, 0, 0, 1][..], &[9; 16]].concat();
        let ended = (0..5_000).find_map(|_| client.take(&never).err());
        assert!(matches!(ended, Some(Broken::Message(_))));
    }

    #[test]
    fn any_bytes_end_in_an_answer_or_an_error() {
        let items = Arc::new(Items::new(ids(0..300, 1)));
        let good = Reconciliation::new(Arc::clone(&items), true, 4_096, 10)
            .unwrap()
            .begin()
            .unwrap();
        for seed in 0..20_000_u64 {
            let noise: [u8; 32] = blake3::hash(&seed.to_le_bytes()).into();
            let mut message = good.clone();
            for pair in noise[..8].chunks_exact(2) {
                let place = usize::from(pair[0]) * 7 % message.len();
                message[place] = pair[1];
            }
            message.truncate(message.len() - usize::from(noise[9] % 40));
            for initiator in [true, false] {
                let mut side =
                    Reconciliation::new(Arc::clone(&items), initiator, 4_096, 1_000).unwrap();
                if initiator {
                    side.begin().unwrap();
                }
                if let Ok(Taken {
                    answer: Some(answer),
                    ..
                }) = side.take(&message)
                {
                    assert!(answer.len() < 65_528);
                }
            }
        }
    }
}

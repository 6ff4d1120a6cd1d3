//! Connections whose handshake is not done: so many, and who has most gives way first.
//!
//! Nobody waits for a place who comes from somewhere else than most: it is
//! taken from the neighbourhood that has the most, from its oldest. Where many
//! come from everywhere at once, as after a restart, they wait for each other
//! instead of throwing each other out.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::gate::Network;
use super::lock;

/// So many handshakes may be under way. Each holds some KiB, a hostile one up to 64.
pub const MOST: usize = 512;
/// For a while there may be so many times that number.
const CROWD: usize = 4;
/// A neighbourhood is one among many while it has at most one in so many places.
const SPREAD: usize = 8;
/// When places are short a handshake has this long before it may lose its own to a neighbour.
const GRACE: Duration = Duration::from_secs(1);

struct Handshake {
    since: Instant,
    network: Network,
    task: Option<AbortHandle>,
}

#[derive(Default)]
struct Open {
    next: u64,
    handshakes: BTreeMap<u64, Handshake>,
    networks: HashMap<Network, usize>,
    evicted: u64,
}

/// The handshakes of all listeners.
pub struct HalfOpen {
    open: Mutex<Open>,
    finished: Notify,
    most: usize,
}

/// The place of one handshake, until this is dropped.
pub struct Place {
    all: Arc<HalfOpen>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.all.open).remove(self.number);
        self.all.finished.notify_one();
    }
}

impl HalfOpen {
    /// Of about `most` handshakes.
    pub fn new(most: usize) -> Self {
        Self {
            open: Mutex::default(),
            finished: Notify::new(),
            most: most.max(1),
        }
    }

    /// A place for somebody of that address.
    pub async fn place(self: &Arc<Self>, address: SocketAddr) -> Place {
        let network = Network::neighbourhood(address.ip());
        loop {
            let made = lock(&self.open).make_room(network, self.most, Instant::now());
            let wait = match made {
                Ok(number) => {
                    let all = Arc::clone(self);
                    return Place { all, number };
                }
                Err(wait) => wait,
            };
            // Either way the places are counted again.
            let _ = timeout(wait, self.finished.notified()).await;
        }
    }

    /// What is aborted when the place of that number is taken away.
    pub fn begun(&self, number: u64, task: AbortHandle) {
        match lock(&self.open).handshakes.get_mut(&number) {
            Some(handshake) => handshake.task = Some(task),
            // It is done, or its place was taken meanwhile: then it has none to work in.
            None => task.abort(),
        }
    }

    /// (handshakes under way, those that had to give way).
    pub fn counts(&self) -> (usize, u64) {
        let open = lock(&self.open);
        (open.handshakes.len(), open.evicted)
    }
}

impl Place {
    /// Its number.
    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl Open {
    fn add(&mut self, network: Network, now: Instant) -> u64 {
        self.next += 1;
        *self.networks.entry(network).or_default() += 1;
        let handshake = Handshake {
            since: now,
            network,
            task: None,
        };
        self.handshakes.insert(self.next, handshake);
        self.next
    }

    fn remove(&mut self, number: u64) -> Option<Handshake> {
        let gone = self.handshakes.remove(&number)?;
        if let Some(count) = self.networks.get_mut(&gone.network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&gone.network);
            }
        }
        Some(gone)
    }

    fn evict(&mut self, number: u64) {
        self.evicted += 1;
        if let Some(task) = self.remove(number).and_then(|gone| gone.task) {
            task.abort();
        }
    }

    /// A place, or how long to wait before looking again.
    fn make_room(&mut self, network: Network, most: usize, now: Instant) -> Result<u64, Duration> {
        let heaviest = self.networks.iter().max_by_key(|(_, count)| **count);
        let (heaviest, count) = match heaviest {
            Some((heaviest, count)) if self.handshakes.len() >= most => (*heaviest, *count),
            _ => return Ok(self.add(network, now)),
        };
        let spread = count * SPREAD <= self.handshakes.len();
        let mut candidates = self.handshakes.iter();
        let oldest = candidates.find(|(_, one)| spread || one.network == heaviest);
        let Some((&oldest, handshake)) = oldest else {
            return Ok(self.add(network, now));
        };
        let age = now.saturating_duration_since(handshake.since);
        if age < GRACE && (spread || network == heaviest) {
            if self.handshakes.len() < most * CROWD {
                return Ok(self.add(network, now));
            }
            if spread {
                return Err(GRACE - age);
            }
        }
        self.evict(oldest);
        Ok(self.add(network, now))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from(address: &str) -> Network {
        Network::neighbourhood(address.parse().unwrap())
    }

    #[test]
    fn who_comes_from_elsewhere_takes_the_place_of_the_neighbourhood_with_most() {
        let (mut open, now) = (Open::default(), Instant::now());
        let many: Vec<u64> = (0..8)
            .map(|last| {
                open.make_room(from(&format!("10.1.0.{last}")), 8, now)
                    .unwrap()
            })
            .collect();
        let other = open.make_room(from("10.2.0.1"), 8, now).unwrap();
        assert!(!open.handshakes.contains_key(&many[0]));
        assert!(
            many[1..]
                .iter()
                .all(|one| open.handshakes.contains_key(one))
        );
        assert!(open.handshakes.contains_key(&other));
        assert_eq!((open.handshakes.len(), open.evicted), (8, 1));
    }

    #[test]
    fn neighbours_leave_each_other_a_second_until_they_are_a_crowd() {
        let (mut open, now) = (Open::default(), Instant::now());
        let network = from("10.1.0.1");
        let first = open.make_room(network, 4, now).unwrap();
        for _ in 1..4 * CROWD {
            open.make_room(network, 4, now).unwrap();
        }
        assert_eq!(open.evicted, 0);
        open.make_room(network, 4, now).unwrap();
        assert!(open.evicted == 1 && !open.handshakes.contains_key(&first));
        let mut calm = Open::default();
        for _ in 0..6 {
            calm.make_room(network, 4, now).unwrap();
        }
        calm.make_room(network, 4, now + GRACE).unwrap();
        assert_eq!((calm.handshakes.len(), calm.evicted), (6, 1));
    }

    #[test]
    fn who_comes_from_everywhere_waits_for_places() {
        let (mut open, now) = (Open::default(), Instant::now());
        let many: Vec<u64> = (0..8 * CROWD)
            .map(|second| {
                open.make_room(from(&format!("10.{second}.0.1")), 8, now)
                    .unwrap()
            })
            .collect();
        assert_eq!(open.make_room(from("10.250.0.1"), 8, now), Err(GRACE));
        open.remove(many[3]).unwrap();
        assert!(open.make_room(from("10.250.0.1"), 8, now).is_ok());
        assert!(open.make_room(from("10.251.0.1"), 8, now + GRACE).is_ok());
        assert!(open.evicted == 1 && !open.handshakes.contains_key(&many[0]));
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let all = Arc::new(HalfOpen::new(1));
        runtime.block_on(async {
            let place = all.place("10.1.0.1:1".parse().unwrap()).await;
            assert_eq!(all.counts(), (1, 0));
            let number = place.number();
            drop(place);
            assert_eq!(all.counts(), (0, 0));
            let task = tokio::spawn(std::future::pending::<()>());
            all.begun(number, task.abort_handle());
            assert!(task.await.unwrap_err().is_cancelled());
        });
    }
}

//! Who may connect: blocked networks, and how fast and how many from each size of network.
//!
//! All is judged by the address alone, before a byte is read. Each row of the
//! settings is one size of network: a bucket that connections are taken from,
//! and a count of those that are open. A connection has to pass all rows.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use super::lock;

/// So many networks of one size are remembered. Beyond, only larger ones bound who comes.
const MOST_NETWORKS: usize = 65_536;
/// How often those are forgotten of whom nothing is left to remember.
const SWEEP: Duration = Duration::from_secs(1);
/// The size of network that counts as one neighbourhood: that of most providers' blocks.
const NEIGHBOURHOOD: (u8, u8) = (16, 32);

/// A network: the family and the leading bits of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    v6: bool,
    bits: u128,
}

impl Network {
    /// The one of an address; `v4` and `v6` are how many bits count.
    pub fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        let (is_v6, bits, width, prefix) = match address.to_canonical() {
            IpAddr::V4(address) => (false, u128::from(u32::from(address)), 32, v4),
            IpAddr::V6(address) => (true, u128::from(address), 128, v6),
        };
        let dropped = width - u32::from(prefix).min(width);
        Self {
            v6: is_v6,
            bits: bits.checked_shr(dropped).unwrap_or(0),
        }
    }

    /// The one that counts as a neighbourhood.
    pub fn neighbourhood(address: IpAddr) -> Self {
        Self::of(address, NEIGHBOURHOOD.0, NEIGHBOURHOOD.1)
    }
}

/// Networks of any size.
#[derive(Default)]
pub struct Networks(HashMap<(bool, u8), HashSet<Network>>);

impl Networks {
    /// Of (an address of it, how many of its bits count).
    pub fn new(networks: impl IntoIterator<Item = (IpAddr, u8)>) -> Self {
        let mut all: HashMap<(bool, u8), HashSet<Network>> = HashMap::new();
        for (address, prefix) in networks {
            let address = address.to_canonical();
            let network = Network::of(address, prefix, prefix);
            all.entry((address.is_ipv6(), prefix))
                .or_default()
                .insert(network);
        }
        Self(all)
    }

    /// Whether an address is in one of them: one look-up for each size.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|((v6, prefix), networks)| {
            *v6 == address.is_ipv6() && networks.contains(&Network::of(address, *prefix, *prefix))
        })
    }
}

/// The bounds of one size of network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// How many bits of an IPv4 address count.
    pub v4: u8,
    /// Of an IPv6 address.
    pub v6: u8,
    /// Connections a second that go on for ever; 0 = no bound.
    pub per_second: f64,
    /// Connections that may come at once after a pause.
    pub burst: u32,
    /// Connections that may be open at once; 0 = no bound.
    pub most_open: u32,
}

struct Bucket {
    tokens: f64,
    since: Instant,
    open: u32,
}

#[derive(Default)]
struct Counted {
    rows: Vec<HashMap<Network, Bucket>>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct Rules {
    blocked: Networks,
    trusted: Networks,
    rows: Vec<Row>,
}

/// Judges addresses.
#[derive(Default)]
pub struct Gate {
    rules: RwLock<Rules>,
    counted: Mutex<Counted>,
}

/// Why somebody may not connect.
#[derive(Debug, PartialEq, Eq)]
pub enum Turned {
    /// His network is blocked.
    Blocked,
    /// Too many come from there, or are there.
    Paced,
}

/// One connection that is counted until this is dropped.
pub struct Pass {
    gate: Arc<Gate>,
    networks: Vec<Network>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counted = lock(&self.gate.counted);
        for (row, network) in counted.rows.iter_mut().zip(&self.networks) {
            if let Some(bucket) = row.get_mut(network) {
                bucket.open = bucket.open.saturating_sub(1);
            }
        }
    }
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = self
            .rules
            .write()
            .unwrap_or_else(|broken| broken.into_inner());
        change(&mut rules);
    }

    /// From now on nobody of these networks may connect.
    pub fn set_blocked(&self, networks: Networks) {
        self.change(|rules| rules.blocked = networks);
    }

    /// From now on nobody of these networks is counted.
    pub fn set_trusted(&self, networks: Networks) {
        self.change(|rules| rules.trusted = networks);
    }

    /// From now on these bounds hold. Where a size of network stays, so does what is known of each.
    pub fn set_rows(&self, rows: Vec<Row>) {
        self.change(|rules| {
            let mut counted = lock(&self.counted);
            let mut before: Vec<_> = rules.rows.drain(..).zip(counted.rows.drain(..)).collect();
            counted.rows = rows
                .iter()
                .map(|row| {
                    let same = |(old, _): &(Row, _)| (old.v4, old.v6) == (row.v4, row.v6);
                    before
                        .iter()
                        .position(same)
                        .map(|at| before.swap_remove(at).1)
                        .unwrap_or_default()
                })
                .collect();
            rules.rows = rows;
        });
    }

    /// Whether nobody of an address's network may connect.
    pub fn blocks(&self, address: SocketAddr) -> bool {
        let rules = self
            .rules
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        rules.blocked.contain(address.ip())
    }

    /// Lets somebody in, or not.
    pub fn enter(self: &Arc<Self>, address: SocketAddr) -> Result<Pass, Turned> {
        let rules = self
            .rules
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        if rules.blocked.contain(address.ip()) {
            return Err(Turned::Blocked);
        }
        let mut networks = Vec::new();
        if !rules.rows.is_empty() && !rules.trusted.contain(address.ip()) {
            networks = rules
                .rows
                .iter()
                .map(|row| Network::of(address.ip(), row.v4, row.v6))
                .collect();
            lock(&self.counted).take(&rules.rows, &networks, Instant::now())?;
        }
        Ok(Pass {
            gate: Arc::clone(self),
            networks,
        })
    }
}

impl Counted {
    fn take(&mut self, rows: &[Row], networks: &[Network], now: Instant) -> Result<(), Turned> {
        self.sweep(rows, now);
        for ((row, known), network) in rows.iter().zip(&mut self.rows).zip(networks) {
            let Some(bucket) = known.get_mut(network) else {
                continue;
            };
            bucket.refill(row, now);
            let crowded = row.most_open > 0 && bucket.open >= row.most_open;
            if crowded || (row.per_second > 0.0 && bucket.tokens < 1.0) {
                return Err(Turned::Paced);
            }
        }
        for ((row, known), network) in rows.iter().zip(&mut self.rows).zip(networks) {
            if known.len() >= MOST_NETWORKS && !known.contains_key(network) {
                continue;
            }
            let bucket = known.entry(*network).or_insert_with(|| Bucket {
                tokens: f64::from(row.burst.max(1)),
                since: now,
                open: 0,
            });
            bucket.tokens -= 1.0;
            bucket.open += 1;
        }
        Ok(())
    }

    /// Forgets networks with a full bucket and nothing open: they are as good as new.
    fn sweep(&mut self, rows: &[Row], now: Instant) {
        if self.swept.is_some_and(|last| now - last < SWEEP) {
            return;
        }
        self.swept = Some(now);
        for (row, known) in rows.iter().zip(&mut self.rows) {
            known.retain(|_, bucket| {
                bucket.refill(row, now);
                bucket.open > 0 || bucket.tokens < f64::from(row.burst.max(1))
            });
            if known.capacity() > 1_024 && known.len() < known.capacity() / 8 {
                known.shrink_to_fit();
            }
        }
    }
}

impl Bucket {
    fn refill(&mut self, row: &Row, now: Instant) {
        let full = f64::from(row.burst.max(1));
        let come = now.saturating_duration_since(self.since).as_secs_f64() * row.per_second;
        self.tokens = if row.per_second > 0.0 {
            full.min(self.tokens + come)
        } else {
            full
        };
        self.since = now;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 4_000)
    }

    fn row(v4: u8, v6: u8, per_second: f64, burst: u32, most_open: u32) -> Row {
        Row {
            v4,
            v6,
            per_second,
            burst,
            most_open,
        }
    }

    fn networks(all: &[(&str, u8)]) -> Networks {
        Networks::new(
            all.iter()
                .map(|(address, prefix)| (address.parse().unwrap(), *prefix)),
        )
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let some = networks(&[("10.1.0.0", 16), ("192.168.7.9", 32), ("2001:db8::", 32)]);
        let holds = |address: &str| some.contain(address.parse().unwrap());
        assert!(holds("10.1.255.3") && holds("::ffff:10.1.2.3") && holds("192.168.7.9"));
        assert!(holds("2001:db8:ffff::1"));
        assert!(!holds("10.2.0.1") && !holds("192.168.7.8") && !holds("2001:db9::1"));
        assert!(networks(&[("0.0.0.0", 0)]).contain("203.0.113.4".parse().unwrap()));
        assert!(!networks(&[("0.0.0.0", 0)]).contain("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn who_is_blocked_stays_out_even_if_trusted() {
        let gate = Arc::new(Gate::default());
        assert!(gate.enter(at("10.1.2.3")).is_ok());
        gate.set_trusted(networks(&[("10.0.0.0", 8)]));
        gate.set_blocked(networks(&[("10.1.0.0", 16)]));
        assert_eq!(gate.enter(at("10.1.2.3")).err(), Some(Turned::Blocked));
        assert!(gate.blocks(at("10.1.9.9")) && !gate.blocks(at("10.2.9.9")));
        assert!(gate.enter(at("10.2.2.3")).is_ok());
    }

    #[test]
    fn each_size_of_network_has_its_bound_of_open_ones() {
        let gate = Arc::new(Gate::default());
        gate.set_rows(vec![row(32, 64, 0.0, 1, 2), row(24, 48, 0.0, 1, 3)]);
        let first = gate.enter(at("10.0.0.1")).ok().unwrap();
        let _second = gate.enter(at("10.0.0.1")).ok().unwrap();
        assert_eq!(gate.enter(at("10.0.0.1")).err(), Some(Turned::Paced));
        let _third = gate.enter(at("10.0.0.2")).ok().unwrap();
        assert_eq!(gate.enter(at("10.0.0.3")).err(), Some(Turned::Paced));
        let _elsewhere = gate.enter(at("10.0.1.3")).ok().unwrap();
        drop(first);
        assert!(gate.enter(at("10.0.0.3")).is_ok());
    }

    #[test]
    fn a_bucket_is_refilled_with_time_and_a_refusal_costs_nothing() {
        let rows = [row(32, 64, 2.0, 2, 0), row(16, 32, 100.0, 100, 0)];
        let mut counted = Counted {
            rows: vec![HashMap::new(), HashMap::new()],
            swept: None,
        };
        let start = Instant::now();
        let mut enter = |address: &str, after_ms: u64| {
            let address = address.parse().unwrap();
            let networks: Vec<_> = rows
                .iter()
                .map(|row| Network::of(address, row.v4, row.v6))
                .collect();
            let now = start + Duration::from_millis(after_ms);
            counted.take(&rows, &networks, now).is_ok()
        };
        assert!(enter("10.0.0.1", 0) && enter("10.0.0.1", 0));
        assert!(!enter("10.0.0.1", 0) && !enter("10.0.0.1", 400));
        assert!(enter("10.0.0.1", 500) && !enter("10.0.0.1", 500));
        assert!(enter("10.0.0.2", 500));
        assert!(enter("2001:db8::1", 500) && enter("2001:db8::2", 500));
        assert!(!enter("2001:db8::3", 500) && enter("2001:db8:0:1::3", 500));
    }

    #[test]
    fn networks_of_which_nothing_is_left_are_forgotten() {
        let gate = Arc::new(Gate::default());
        gate.set_rows(vec![row(32, 64, 1_000.0, 1, 9)]);
        let held = gate.enter(at("10.0.0.1")).ok().unwrap();
        for last in 2..200 {
            drop(gate.enter(at(&format!("10.0.0.{last}"))).ok().unwrap());
        }
        let rows = [row(32, 64, 1_000.0, 1, 9)];
        let mut counted = lock(&gate.counted);
        counted.swept = None;
        counted.sweep(&rows, Instant::now() + Duration::from_secs(5));
        assert_eq!(counted.rows[0].len(), 1);
        drop(counted);
        drop(held);
    }
}

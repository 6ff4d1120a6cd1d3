//! What Python says about the gate: who is kept out, and how many may come.

use std::net::IpAddr;

use pyo3::prelude::*;

use super::errors::UsageError;
use crate::net::gate::{Networks, Row};

/// (IPv4 bits, IPv6 bits, connections a second, burst, most open).
pub type GateRow = (u8, u8, f64, u32, u32);

/// The rows by which the gate counts.
pub fn rows(rows: Vec<GateRow>) -> PyResult<Vec<Row>> {
    let row = |(v4, v6, per_second, burst, most_open): GateRow| {
        if v4 > 32 || v6 > 128 || !per_second.is_finite() || per_second < 0.0 {
            return Err(UsageError::new_err(
                "a row of the gate is (IPv4 bits up to 32, IPv6 bits up to 128, connections a second, burst, most open)",
            ));
        }
        Ok(Row {
            v4,
            v6,
            per_second,
            burst,
            most_open,
        })
    };
    rows.into_iter().map(row).collect()
}

/// Networks, each (address of 4 or 16 bytes, how many of its bits count).
pub fn networks_of(networks: Vec<(Vec<u8>, u8)>) -> PyResult<Networks> {
    let network = |(address, prefix): (Vec<u8>, u8)| {
        let known = match address.len() {
            4 if prefix <= 32 => <[u8; 4]>::try_from(address).ok().map(IpAddr::from),
            16 if prefix <= 128 => <[u8; 16]>::try_from(address).ok().map(IpAddr::from),
            _ => None,
        };
        let known = known.ok_or_else(|| {
            UsageError::new_err(
                "a network is (address of 4 or 16 bytes, how many of its bits count)",
            )
        })?;
        Ok((known, prefix))
    };
    let all: PyResult<Vec<(IpAddr, u8)>> = networks.into_iter().map(network).collect();
    Ok(Networks::new(all?))
}

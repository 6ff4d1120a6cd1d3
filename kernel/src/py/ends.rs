//! What Python says about listeners and dials.

use std::time::Duration;

use pyo3::prelude::*;
use zeroize::Zeroizing;

use super::errors::{InvalidSecretKey, ListenFailed, UsageError};
use crate::net::dial::Dial;
use crate::net::socks::Proxy;
use crate::net::tls::{Form, HTTP, HostFiles, Hosts, ServerConfigs, browser_config};
use crate::net::ws::{Door, Upgrade};

/// No wait is longer than a year: clocks can't add what they can't hold.
const LONGEST_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// A wait as Python gives it.
pub fn milliseconds(value: u64) -> Duration {
    Duration::from_millis(value.min(LONGEST_MS))
}

/// The bytes of a secret key.
pub fn seed_of(bytes: &[u8]) -> PyResult<Zeroizing<[u8; 32]>> {
    <[u8; 32]>::try_from(bytes)
        .map(Zeroizing::new)
        .map_err(|_| {
            InvalidSecretKey::new_err(format!("a seed has 32 bytes, this one {}", bytes.len()))
        })
}

/// Why nobody listens there.
pub fn unheard(host: &str, port: u16, error: &std::io::Error) -> PyErr {
    ListenFailed::new_err(format!("can't listen on {host} port {port}: {error}"))
}

/// (host, port) of a SOCKS5 proxy, with user and password if it asks for them.
#[derive(FromPyObject)]
pub enum ProxyPlace {
    /// It asks.
    LoggedIn(String, u16, String, String),
    /// It does not.
    Open(String, u16),
}

impl From<ProxyPlace> for Proxy {
    fn from(place: ProxyPlace) -> Self {
        let (host, port, login) = match place {
            ProxyPlace::LoggedIn(host, port, user, password) => {
                (host, port, Some((user, Zeroizing::new(password))))
            }
            ProxyPlace::Open(host, port) => (host, port, None),
        };
        Self { host, port, login }
    }
}

/// What a listener with this seed speaks; `names` are (host name, chain in PEM, key in PEM).
pub fn door(
    seed: &[u8; 32],
    names: Vec<(String, Vec<u8>, Vec<u8>)>,
    plain: bool,
) -> PyResult<Door> {
    let names: Vec<HostFiles> = names
        .into_iter()
        .map(|(name, chain, key)| (name, chain, Zeroizing::new(key)))
        .collect();
    let native =
        ServerConfigs::new(seed).map_err(|error| ListenFailed::new_err(error.to_string()))?;
    Ok(Door {
        native: native.also_speaking(HTTP),
        hosts: Hosts::new(&names).map_err(ListenFailed::new_err)?,
        plain,
    })
}

/// How to ask for a WebSocket; `authorities` in PEM and the host's `name` for browser mode.
pub fn upgrade(
    request: Vec<u8>,
    authorities: Option<&[u8]>,
    name: Option<String>,
) -> PyResult<Upgrade> {
    let authorities = authorities
        .map(browser_config)
        .transpose()
        .map_err(|reason| UsageError::new_err(format!("authorities: {reason}")))?;
    Ok(Upgrade {
        request,
        authorities,
        name,
    })
}

/// In which form the server is to show its key, and in which we show ours: the same unless told otherwise.
pub fn forms(raw_key: bool, own_raw_key: Option<bool>) -> (Form, Form) {
    let form = |raw| if raw { Form::Raw } else { Form::Certificate };
    (form(raw_key), form(own_raw_key.unwrap_or(raw_key)))
}

/// What every dial is told.
pub fn plan(
    host: String,
    port: u16,
    server_key: Option<&[u8]>,
    seed: Option<&[u8]>,
    timeout_ms: u64,
    (server_form, own_form): (Form, Form),
    proxy: Option<ProxyPlace>,
) -> PyResult<Dial> {
    let server_key = server_key
        .map(|key| {
            <[u8; 32]>::try_from(key)
                .map_err(|_| UsageError::new_err("server_key has 32 bytes, or is None"))
        })
        .transpose()?;
    Ok(Dial {
        host,
        port,
        server_key,
        seed: seed.map(seed_of).transpose()?,
        server_form,
        own_form,
        patience: milliseconds(timeout_ms),
        proxy: proxy.map(Into::into),
    })
}

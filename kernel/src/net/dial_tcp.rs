//! Dials over TCP.

use rustls::Connection;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::Key;
use super::dial::{Dial, Failure, reach};
use super::link::Link;
use super::socket;
use super::socks;
use super::tcp::TlsWire;
use super::tls::{Witness, client_config, proven_key, server_name};

/// Connects and shakes hands: the wire and the server's key.
pub async fn connect(link: &Link, plan: &Dial) -> Result<(TlsWire, Option<Key>), Failure> {
    let witness = Witness::default();
    let config = client_config(plan.expected(&witness), plan.seed.as_deref(), plan.own_form)?;
    let name = server_name()?;
    let stream = connect_plain(link, plan).await?;
    let (stream, tls) = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| Failure::of_io(&error, &witness))?
        .into_inner();
    let key = proven_key(&tls, plan.server_form);
    Ok((TlsWire::new(stream, Connection::Client(tls)), key))
}

/// A connection to the server, by way of the proxy if there is one.
pub async fn connect_plain(link: &Link, plan: &Dial) -> Result<TcpStream, Failure> {
    let (host, port) = match &plan.proxy {
        None => (&plan.host, plan.port),
        Some(proxy) => (&proxy.host, proxy.port),
    };
    let reached = reach(host, port, plan.patience, |address| async move {
        Ok(TcpStream::connect(address).await?)
    })
    .await;
    let (mut stream, address) = match (reached, &plan.proxy) {
        (Ok(reached), _) => reached,
        (Err(Failure::Failed(words)), Some(proxy)) => {
            return Err(Failure::Failed(format!("{proxy} is not reached: {words}")));
        }
        (Err(failure), _) => return Err(failure),
    };
    socket::prepare(&stream)?;
    // Set once: only this task does. Whom a proxy reaches it keeps to itself.
    let _ = link.peer.set(address);
    if let Some(proxy) = &plan.proxy {
        socks::ask(&mut stream, proxy, &plan.host, plan.port)
            .await
            .map_err(Failure::Failed)?;
    }
    Ok(stream)
}

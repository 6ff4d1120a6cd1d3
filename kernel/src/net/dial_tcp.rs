//! Dials over TCP.

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use rustls::Connection;

use super::certificate::Key;
use super::dial::{Dial, Failure, reach};
use super::link::Link;
use super::socket;
use super::tcp::TlsWire;
use super::tls::{Witness, client_config, proven_key, server_name};

/// Connects and shakes hands: the wire and the server's key.
pub async fn connect(link: &Link, plan: &Dial) -> Result<(TlsWire, Option<Key>), Failure> {
    let witness = Witness::default();
    let config = client_config(plan.expected(&witness), plan.seed.as_deref(), plan.own_form)?;
    let name = server_name()?;
    let (stream, address) = reach(&plan.host, plan.port, plan.patience, |address| async move {
        Ok(TcpStream::connect(address).await?)
    })
    .await?;
    socket::prepare(&stream)?;
    // Set once: only this task does.
    let _ = link.peer.set(address);
    let (stream, tls) = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| Failure::of_io(&error, &witness))?
        .into_inner();
    let key = proven_key(&tls, plan.server_form);
    Ok((TlsWire::new(stream, Connection::Client(tls)), key))
}

//! A listener that does nothing but TLS: what a link costs before anybody adds to it.

use std::sync::Arc;

use _rust::net::tls::ServerConfigs;
use rustls::server::Acceptor;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio_rustls::LazyConfigAcceptor;

use crate::Result;
use crate::args::Args;
use crate::json::Line;
use crate::standing::until_told;

/// Mode `bare`: prints its port, accepts, reads and drops what comes, until stdin ends.
pub async fn listen(args: &Args) -> Result<String> {
    let seed = args.key("seed")?.unwrap_or([1; 32]);
    let configs = Arc::new(ServerConfigs::new(&seed).map_err(|error| error.to_string())?);
    let listener = TcpListener::bind(("127.0.0.1", args.number("port", 0)?))
        .await
        .map_err(|error| error.to_string())?;
    let port = listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    crate::say(&Line::of("bare").count("port", u64::from(port)).end());
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let configs = Arc::clone(&configs);
            spawn_local(async move {
                let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
                let (config, _) = configs.choose(&start.client_hello());
                let mut stream = start.into_stream(config).await?;
                // The reader of a link: it waits with a task of its own.
                spawn_local(async move {
                    let mut byte = [0; 1];
                    while matches!(stream.read(&mut byte).await, Ok(1..)) {}
                });
                std::io::Result::Ok(())
            });
        }
    });
    until_told().await;
    Ok(Line::of("bare").end())
}

//! Links that stand: idle ones, and readers that never read.

use tokio::io::{AsyncReadExt, stdin};
use tokio::task::JoinSet;

use crate::Result;
use crate::args::Args;
use crate::fanout::subscribe;
use crate::frames::hello;
use crate::json::Line;
use crate::session::Session;
use crate::target::{Target, Transport};

/// So many connect at a time.
const AT_ONCE: usize = 32;
/// The smallest receive buffer that systems give.
const SMALL_BUFFER: u32 = 4_096;

/// Mode `idle`: opens links and holds them until stdin ends. `--hello 0` leaves out the HELLO.
pub async fn idle(args: &Args) -> Result<String> {
    let target = Target::of(args).await?;
    let greet: u8 = args.number("hello", 1)?;
    let links = open(args, move || {
        let target = target.clone();
        async move {
            if greet == 0 {
                appear(&target).await
            } else {
                target.greet().await
            }
        }
    })
    .await?;
    hold("idle", links).await
}

/// Mode `slow`: subscribes, then never reads, until stdin ends.
pub async fn slow(args: &Args) -> Result<String> {
    let target = Target::of(args).await?.with_receive_buffer(SMALL_BUFFER);
    let filters = args.filters()?;
    let links = open(args, move || {
        let (target, filters) = (target.clone(), filters.clone());
        async move {
            let filters: Vec<&[u8]> = filters.iter().map(Vec::as_slice).collect();
            subscribe(&target, &filters).await
        }
    })
    .await?;
    hold("slow", links).await
}

/// Connects, and waits for no answer. A stream of QUIC is there for the server when its first bytes are.
async fn appear(target: &Target) -> Result<Session> {
    let mut session = target.connect().await?;
    if target.transport == Transport::Quic {
        session.send(&hello()).await?;
    }
    Ok(session)
}

async fn open<F>(args: &Args, connect: impl Fn() -> F) -> Result<Vec<Session>>
where
    F: Future<Output = Result<Session>> + 'static,
{
    let count: usize = args.number("links", 1_000)?;
    let mut opening = JoinSet::new();
    let mut links = Vec::with_capacity(count);
    while links.len() < count {
        while opening.len() < AT_ONCE && links.len() + opening.len() < count {
            opening.spawn_local(connect());
        }
        let Some(opened) = opening.join_next().await else {
            break;
        };
        links.push(opened.map_err(|error| error.to_string())??);
    }
    Ok(links)
}

async fn hold(mode: &str, links: Vec<Session>) -> Result<String> {
    let line = Line::of(mode).count("ready", links.len() as u64).end();
    crate::say(&line);
    until_told().await;
    Ok(Line::of(mode).count("held", links.len() as u64).end())
}

/// Waits until standard input ends.
pub async fn until_told() {
    let mut buffer = [0; 64];
    while matches!(stdin().read(&mut buffer).await, Ok(1..)) {}
}

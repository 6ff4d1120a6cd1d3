//! Opens links as fast as the server lets us, and closes each as soon as HELLO is answered.

use std::rc::Rc;
use std::time::Instant;

use std::cell::Cell;
use tokio::task::JoinSet;

use crate::Result;
use crate::args::Args;
use crate::json::Line;
use crate::target::Target;

/// Mode `handshake`.
pub async fn run(args: &Args) -> Result<String> {
    let target = Target::of(args).await?;
    let count: u64 = args.number("count", 1_000)?;
    let in_flight: u64 = args.number("in-flight", 8)?;
    drop(target.greet().await?);
    let left = Rc::new(Cell::new(count));
    let mut workers = JoinSet::new();
    let began = Instant::now();
    for _ in 0..in_flight {
        let (target, left) = (target.clone(), Rc::clone(&left));
        workers.spawn_local(async move {
            while let Some(rest) = left.get().checked_sub(1) {
                left.set(rest);
                drop(target.greet().await?);
            }
            Result::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(|error| error.to_string())??;
    }
    let seconds = began.elapsed().as_secs_f64();
    target.leave().await;
    Ok(Line::of("handshake")
        .count("handshakes", count)
        .number("seconds", seconds)
        .number("handshakes_per_s", count as f64 / seconds)
        .end())
}

//! Submits records: as many as the server takes, or one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Barrier;
use tokio::task::spawn_local;

use crate::Result;
use crate::args::Args;
use crate::frames::{REFUSED, frame, kind};
use crate::json::{Line, percentile};
use crate::session::Session;
use crate::target::Target;

/// So many bytes are written at once.
const WRITE: usize = 65_536;

/// Modes `ingest` and `latency`.
pub async fn run(args: &Args, records: Vec<Vec<u8>>) -> Result<String> {
    let target = Target::of(args).await?;
    let frames: Vec<Vec<u8>> = records
        .iter()
        .map(|record| {
            target
                .transport
                .packed(frame(kind::SUBMISSION, 0, &[record]))
        })
        .collect::<Result<_>>()?;
    if args.mode == "latency" {
        return one_by_one(&mut target.greet().await?, &frames).await;
    }
    let links: usize = args.number("links", 1)?;
    let window: usize = args.number("window", 4_096)?;
    let results = spread(&target, frames, links.max(1), window).await?;
    let acknowledged = results.codes.values().sum::<u64>();
    let refused: u64 = results
        .codes
        .iter()
        .filter(|(code, _)| **code >= REFUSED)
        .map(|(_, count)| count)
        .sum();
    let mut line = Line::of("ingest")
        .count("links", links as u64)
        .count("acknowledged", acknowledged)
        .count("refused", refused)
        .number("seconds", results.seconds)
        .number("records_per_s", acknowledged as f64 / results.seconds);
    for (code, count) in &results.codes {
        line = line.count(&format!("code_{code:#04x}"), *count);
    }
    Ok(line.end())
}

struct Results {
    codes: BTreeMap<u8, u64>,
    seconds: f64,
}

/// Spreads records over links; the window is that of all links together.
async fn spread(
    target: &Target,
    frames: Vec<Vec<u8>>,
    links: usize,
    window: usize,
) -> Result<Results> {
    let share = frames.len().div_ceil(links);
    let window = (window / links).max(1);
    let start = Arc::new(Barrier::new(links + 1));
    let mut tasks = Vec::new();
    let mut parts: Vec<Vec<Vec<u8>>> = frames.chunks(share.max(1)).map(<[_]>::to_vec).collect();
    parts.resize_with(links, Vec::new);
    drop(frames);
    for part in parts {
        let (target, start) = (target.clone(), Arc::clone(&start));
        tasks.push(spawn_local(async move {
            let session = target.greet().await;
            start.wait().await;
            submit(&mut session?, &part, window).await
        }));
    }
    start.wait().await;
    let began = Instant::now();
    let mut codes = BTreeMap::new();
    for task in tasks {
        for (code, count) in task.await.map_err(|error| error.to_string())?? {
            *codes.entry(code).or_default() += count;
        }
    }
    Ok(Results {
        codes,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Submits all with at most `window` unanswered; how many answers of each code came.
async fn submit(
    session: &mut Session,
    frames: &[Vec<u8>],
    window: usize,
) -> Result<BTreeMap<u8, u64>> {
    let mut codes: BTreeMap<u8, u64> = BTreeMap::new();
    let (mut sent, mut answered) = (0, 0);
    let mut block = Vec::with_capacity(WRITE * 2);
    while answered < frames.len() {
        block.clear();
        while sent < frames.len() && sent - answered < window && block.len() < WRITE {
            block.extend_from_slice(&frames[sent]);
            sent += 1;
        }
        if !block.is_empty() {
            session.send(&block).await?;
            // More fits: write on, unless an answer is needed to go on.
            if sent < frames.len() && sent - answered < window {
                continue;
            }
        }
        session
            .each(|answer| {
                let code = answer_code(answer)?;
                *codes.entry(code).or_default() += 1;
                answered += 1;
                Ok(())
            })
            .await?;
    }
    Ok(codes)
}

fn answer_code(answer: &[u8]) -> Result<u8> {
    match answer {
        [kind::SUBMISSION_RESULT, code, ..] => Ok(*code),
        other => Err(format!(
            "the server answered a submission with {:02x?}",
            &other[..other.len().min(16)]
        )),
    }
}

async fn one_by_one(session: &mut Session, frames: &[Vec<u8>]) -> Result<String> {
    let mut times = Vec::with_capacity(frames.len());
    let mut refused = 0;
    for frame in frames {
        let began = Instant::now();
        session.send(frame).await?;
        if answer_code(session.next().await?)? >= REFUSED {
            refused += 1;
        }
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(Line::of("latency")
        .count("acknowledged", times.len() as u64)
        .count("refused", refused)
        .number("min_ms", percentile(&times, 0.0))
        .number("p50_ms", percentile(&times, 0.5))
        .number("p99_ms", percentile(&times, 0.99))
        .number("max_ms", percentile(&times, 1.0))
        .end())
}

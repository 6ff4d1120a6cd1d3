//! Asks for stored records: some links, some queries in flight on each.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Barrier;
use tokio::task::spawn_local;

use crate::Result;
use crate::args::Args;
use crate::frames::{ask, kind};
use crate::json::Line;
use crate::session::Session;
use crate::target::{Target, Transport};

#[derive(Default)]
struct Counted {
    queries: u64,
    failed: u64,
    records: u64,
    bytes: u64,
}

/// Mode `query`.
pub async fn run(args: &Args) -> Result<String> {
    let target = Target::of(args).await?;
    let filters = Arc::new(args.filters()?);
    let links: usize = args.number("links", 1)?;
    let in_flight: u16 = args.number("in-flight", 1)?;
    let count: u64 = args.number("count", 1_000)?;
    let limit: u16 = args.number("limit", 500)?;
    let start = Arc::new(Barrier::new(links + 1));
    let mut tasks = Vec::new();
    for link in 0..links {
        let (target, start) = (target.clone(), Arc::clone(&start));
        let filters = Arc::clone(&filters);
        let share = count / links as u64;
        tasks.push(spawn_local(async move {
            let session = target.greet().await;
            start.wait().await;
            let asking = Asking {
                transport: target.transport,
                filters: &filters,
                limit,
                next: link * filters.len() / links.max(1),
            };
            asking.run(&mut session?, in_flight.max(1), share).await
        }));
    }
    start.wait().await;
    let began = Instant::now();
    let mut all = Counted::default();
    for task in tasks {
        let one = task.await.map_err(|error| error.to_string())??;
        all.queries += one.queries;
        all.failed += one.failed;
        all.records += one.records;
        all.bytes += one.bytes;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Line::of("query")
        .count("links", links as u64)
        .count("in_flight", u64::from(in_flight))
        .count("queries", all.queries)
        .count("failed", all.failed)
        .count("records", all.records)
        .number("seconds", seconds)
        .number("queries_per_s", all.queries as f64 / seconds)
        .number("records_per_s", all.records as f64 / seconds)
        .number("mb_per_s", all.bytes as f64 / seconds / 1e6)
        .end())
}

struct Asking<'a> {
    transport: Transport,
    filters: &'a [Vec<u8>],
    limit: u16,
    next: usize,
}

impl Asking<'_> {
    fn question(&mut self, query: u16) -> Result<Vec<u8>> {
        let filter = &self.filters[self.next % self.filters.len()];
        self.next += 1;
        self.transport
            .packed(ask(kind::QUERY, query, self.limit, filter))
    }

    async fn run(mut self, session: &mut Session, in_flight: u16, count: u64) -> Result<Counted> {
        let mut counted = Counted::default();
        let mut asked = 0;
        let mut block = Vec::new();
        for query in 0..in_flight {
            if asked < count {
                block.extend(self.question(query)?);
                asked += 1;
            }
        }
        session.send(&block).await?;
        while counted.queries < count {
            block.clear();
            session
                .each(|frame| {
                    counted.bytes += frame.len() as u64;
                    match frame {
                        [kind::RECORD, ..] => counted.records += 1,
                        [kind::QUERY_CLOSED, code, low, high, ..] => {
                            counted.queries += 1;
                            counted.failed += u64::from(*code != 1);
                            if asked < count {
                                block.extend(self.question(u16::from_le_bytes([*low, *high]))?);
                                asked += 1;
                            }
                        }
                        other => return Err(format!("unexpected answer {:02x?}", &other[..8])),
                    }
                    Ok(())
                })
                .await?;
            if !block.is_empty() {
                session.send(&block).await?;
            }
        }
        Ok(counted)
    }
}

//! Subscriptions on many links, one link that submits: counts what is delivered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::spawn_local;

use crate::Result;
use crate::args::Args;
use crate::frames::{REFUSED, ask, frame, kind};
use crate::json::Line;
use crate::session::Session;
use crate::target::Target;

/// When nothing arrives for so long, what is missing will not come.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Tally {
    delivered: Cell<u64>,
    closed: Cell<u64>,
    lost: Cell<u64>,
    moved: Notify,
}

/// Mode `fanout`.
pub async fn run(args: &Args, records: Vec<Vec<u8>>) -> Result<String> {
    let target = Target::of(args).await?;
    let filters = args.filters()?;
    let links: usize = args.number("links", 100)?;
    let subscriptions: usize = args.number("subscriptions", 1_000)?;
    let each: u64 = args.number("expect", subscriptions as u64)?;
    let ahead: u64 = args.number("ahead", 4)?;
    let tally = Rc::new(Tally::default());
    for link in 0..links {
        let own: Vec<&[u8]> = (link..subscriptions)
            .step_by(links)
            .map(|number| &filters[number % filters.len()][..])
            .collect();
        let session = subscribe(&target, &own).await?;
        spawn_local(listen(session, Rc::clone(&tally)));
    }
    let records = records
        .iter()
        .map(|record| {
            target
                .transport
                .packed(frame(kind::SUBMISSION, 0, &[record]))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut publisher = target.greet().await?;
    let began = Instant::now();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    for record in &records {
        publisher.send(record).await?;
        match publisher.next().await? {
            [kind::SUBMISSION_RESULT, REFUSED..=u8::MAX, ..] => refused += 1,
            [kind::SUBMISSION_RESULT, ..] => taken += 1,
            other => return Err(format!("a submission was answered with {other:02x?}")),
        }
        let due = taken.saturating_sub(ahead) * each;
        if !arrive(&tally, due).await {
            break;
        }
    }
    let expected = taken * each;
    arrive(&tally, expected).await;
    let seconds = began.elapsed().as_secs_f64();
    let delivered = tally.delivered.get();
    Ok(Line::of("fanout")
        .count("links", links as u64)
        .count("subscriptions", subscriptions as u64)
        .count("records", taken)
        .count("refused", refused)
        .count("expected", expected)
        .count("delivered", delivered)
        .count("subscriptions_closed", tally.closed.get())
        .count("links_lost", tally.lost.get())
        .number("seconds", seconds)
        .number("deliveries_per_s", delivered as f64 / seconds)
        .end())
}

/// Opens subscriptions and waits until all stored records have come.
pub async fn subscribe(target: &Target, filters: &[&[u8]]) -> Result<Session> {
    let mut session = target.greet().await?;
    let mut block = Vec::new();
    for (query, filter) in (0..).zip(filters) {
        block.extend(
            target
                .transport
                .packed(ask(kind::SUBSCRIBE, query, 1, filter))?,
        );
    }
    session.send(&block).await?;
    let mut complete = 0;
    while complete < filters.len() {
        match session.next().await? {
            [kind::LOCALLY_COMPLETE, ..] => complete += 1,
            [kind::RECORD, ..] => {}
            other => {
                let head = &other[..other.len().min(16)];
                return Err(format!("a subscription was answered with {head:02x?}"));
            }
        }
    }
    Ok(session)
}

async fn listen(mut session: Session, tally: Rc<Tally>) {
    loop {
        let heard = session
            .each(|frame| {
                let count = match frame[0] {
                    kind::RECORD => &tally.delivered,
                    kind::QUERY_CLOSED => &tally.closed,
                    _ => return Ok(()),
                };
                count.set(count.get() + 1);
                Ok(())
            })
            .await;
        if heard.is_err() {
            tally.lost.set(tally.lost.get() + 1);
        }
        tally.moved.notify_one();
        if heard.is_err() {
            return;
        }
    }
}

/// Waits until so many were delivered; false if nothing comes any more.
async fn arrive(tally: &Tally, due: u64) -> bool {
    while tally.delivered.get() < due {
        let moved = tokio::time::timeout(SILENCE, tally.moved.notified()).await;
        if moved.is_err() {
            return false;
        }
    }
    true
}

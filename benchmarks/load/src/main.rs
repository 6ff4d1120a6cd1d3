//! Loads a Mosaic server over QUIC, TCP or WebSocket and prints what it measured as one JSON line.
//!
//! README.md beside this crate describes the command line.

mod args;
mod bare;
mod fanout;
mod frames;
mod handshake;
mod ingest;
mod json;
mod query;
mod records;
mod session;
mod socket;
mod standing;
mod target;
mod websocket;

use std::io::Write;
use std::process::ExitCode;

use args::Args;

/// What went wrong, in words.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let outcome = Args::from_command_line().and_then(|args| run(&args));
    match outcome {
        Ok(line) => {
            say(&line);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("mosaic-load: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Prints one line. Who does not listen any more has closed our input too.
fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn run(args: &Args) -> Result<String> {
    // Records are made before the process is pinned: on all cores.
    match args.mode.as_str() {
        "make" => return records::make_file(args),
        "ingest" | "latency" => {
            let records = records::load(args)?;
            return on_one_core(args, ingest::run(args, records));
        }
        "fanout" => {
            let records = records::load(args)?;
            return on_one_core(args, fanout::run(args, records));
        }
        _ => {}
    }
    match args.mode.as_str() {
        "query" => on_one_core(args, query::run(args)),
        "handshake" => on_one_core(args, handshake::run(args)),
        "idle" => on_one_core(args, standing::idle(args)),
        "slow" => on_one_core(args, standing::slow(args)),
        "bare" => on_one_core(args, bare::listen(args)),
        other => Err(format!(
            "unknown mode {other:?}; one of make, ingest, latency, query, fanout, handshake, idle, slow, bare"
        )),
    }
}

fn on_one_core(args: &Args, work: impl Future<Output = Result<String>>) -> Result<String> {
    if let Some(core) = args.core()? {
        pin(core)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(work))
}

#[cfg(target_os = "linux")]
fn pin(core: usize) -> Result<()> {
    // SAFETY: a cpu_set_t of zeros is an empty set; the pointer and its size belong together.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(format!(
            "can't run on core {core}: {}",
            std::io::Error::last_os_error()
        ))
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(_: usize) -> Result<()> {
    Ok(())
}

//! Tests of the whole store: restarts, failing disks, power cuts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deletions;
mod disk_faults;
mod power_cut;
mod received;
mod recording;
mod samples;

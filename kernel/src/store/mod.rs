//! The record log and its index.
//!
//! The log (`log`, `segment`, `entry`) is the truth: a batch is one write and one sync, and every
//! removal is an entry, too. The index (`index`, `keys`, `apply`) can be made again from it (`recovery`).
//! Queries choose ranges of the index (`plan`), merge them (`merge`) and go on in slices (`scan`).

pub mod access;
pub mod apply;
pub mod batch;
pub mod compact;
pub mod deletion;
pub mod entry;
pub mod error;
pub mod files;
pub mod index;
pub mod intake;
pub mod keys;
pub mod labels;
mod lock;
pub mod log;
pub mod merge;
pub mod plan;
pub mod recovery;
pub mod rewriting;
pub mod room;
pub mod rows;
pub mod scan;
pub mod segment;
pub mod snapshot;
pub mod state;
#[allow(clippy::module_inception)]
pub mod store;
pub mod tally;
pub mod verify;
pub mod view;
mod writer;

#[cfg(test)]
mod tests;

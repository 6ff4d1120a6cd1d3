//! Which records one side has and the other lacks, found with few bytes (Negentropy).
//!
//! A set (`set`) holds what is compared; a reconciliation (`reconciliation`) takes and gives
//! messages, which are checked (`message`) before anything is done with them.
//!
//! Source: edition §4 (sync); the Negentropy protocol, version 1.

mod message;
pub mod reconciliation;
pub mod set;

//! Keys, hashes, signatures and the rules of a record.
//!
//! From small to great: `hash` and `keys`; `signature` makes and checks one; `batch` checks many
//! at once with the verdicts of single checks; `key_cache` spares both the work on keys seen
//! before; `record_rules` judges a record's layout; `seal` signs records and attestations,
//! `authentication` what proves a key to the other side of a connection, and nothing signs anything
//! else; `check` puts all of it together for whole batches of records; `work` searches for proof of
//! work before a record is signed.

pub mod authentication;
pub mod batch;
pub mod check;
pub mod hash;
pub mod key_cache;
pub mod keys;
pub mod record_rules;
pub mod seal;
pub mod signature;
pub mod work;

//! Keys, hashes, signatures and the rules of a record.

pub mod hash;
pub mod keys;

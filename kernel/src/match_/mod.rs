//! Filters and subscriptions, matched against the bytes of records that were checked before.

pub mod filter;
pub mod record_view;
pub mod subscriptions;

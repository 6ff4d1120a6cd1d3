//! Filters and subscriptions, matched against record bytes.

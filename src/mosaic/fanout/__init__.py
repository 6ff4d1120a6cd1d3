"""Which open subscriptions a record reaches."""

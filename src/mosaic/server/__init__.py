"""A server: intake, reader, subscriptions, blobs."""

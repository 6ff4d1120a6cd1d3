"""A client: links to servers, the outgoing queue, who gets what."""

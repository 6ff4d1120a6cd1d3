"""Listeners and links: raw frames and the key that the peer has proven. Nothing here reads what the bytes mean."""

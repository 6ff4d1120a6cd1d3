"""Listeners and links.

Raw frames and the key that the peer has proven. Nothing here reads what the bytes mean.
"""

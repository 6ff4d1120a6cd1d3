"""Mosaic: people own their identity, sign what they say and keep it on servers of their choice."""

__version__ = "0.1.0"

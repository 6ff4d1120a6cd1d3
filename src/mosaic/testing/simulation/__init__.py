"""Many whole nodes in one process, in a world of their own: a run with the same seed happens again exactly.

Source: this project's own design, docs/architecture.md "The network test".
"""

"""The checks, a module for each group; loading a module registers its checks.

Source: docs/claims.md names what each check is for.
"""

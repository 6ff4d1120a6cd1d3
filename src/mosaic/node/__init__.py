"""One process.

It starts and stops a server, a client and a page, and holds the home, the clock and the randomness.
"""

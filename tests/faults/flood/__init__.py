"""A flood: what a server does for honest people while thousands of addresses attack it.

server    the attacked server: `mosaic serve --preset public`
attack    the attackers, in a process of their own
honest    the honest people, in a process of their own
campaign  starts all three, samples the server's memory, tells what came of it
"""

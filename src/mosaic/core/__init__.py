"""Values of the protocol: keys, times, kinds, tags, records, filters, schedules, bootstraps.

No I/O, no clock, no randomness: what a function needs of these comes in as an argument.
"""

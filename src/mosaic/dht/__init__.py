"""Where somebody is to be found: bootstraps in the Mainline DHT.

`Resolver` finds those of others, `Publisher` keeps the own ones there, both over a
`DhtNetwork`, which `Mainline` is. What must outlive a restart goes to a `SequenceStore`.
"""

"""What people do: posts, replies, edits, profiles, feeds and walls.

Everything here is signed records made and read; where they are kept and how
they travel is the business of others, given in as small protocols.
"""

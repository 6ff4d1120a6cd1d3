"""Hypothesis strategies for the values of core."""

from __future__ import annotations

from hypothesis import strategies as st

from mosaic.core.core_tags import Target
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.core.nonce import marked
from mosaic.core.reference import Address, Id, Reference
from mosaic.core.tag import Tag
from mosaic.core.timestamp import MAX_NS, Timestamp

seeds = st.binary(min_size=32, max_size=32)
secrets = seeds.map(SecretKey.from_seed)
keys: st.SearchStrategy[PublicKey] = secrets.map(lambda secret: secret.public)
timestamps = st.integers(0, MAX_NS).map(Timestamp)
kinds = st.builds(
    Kind.from_parts,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    duplicates=st.sampled_from(Duplicates),
    readers=st.sampled_from(Readers),
    printable=st.booleans(),
)
nonces = st.binary(min_size=8, max_size=8).map(marked)
ids = st.builds(Id.from_parts, timestamps, st.binary(min_size=40, max_size=40))
addresses = st.builds(Address.from_parts, nonces, kinds, keys)
references: st.SearchStrategy[Reference] = st.one_of(ids, addresses)
targets = st.builds(Target, kinds, references)
tags = st.builds(Tag, st.integers(1, 2**16 - 1), st.binary(max_size=80))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
any_text = st.text(st.characters(), max_size=120)

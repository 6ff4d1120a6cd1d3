"""The chain of acts: where one is missing, stands twice, or begins."""

from __future__ import annotations

from mosaic.core import act_chain
from mosaic.core.keys import SecretKey
from mosaic.core.reference import Id
from mosaic.core.server_act import Link, ServerAct

SERVER = SecretKey.from_seed(bytes(32)).public
OLD = ServerAct("ban", {}, "")


def name(number: int) -> Id:
    return Id.from_parts(number, bytes(40))


def after(number: int | None) -> ServerAct:
    return ServerAct("ban", {}, "", Link(SERVER, None if number is None else name(number)))


def test_a_whole_chain_has_no_fault_and_goes_on_at_its_end() -> None:
    acts = {name(1): after(None), name(2): after(1), name(3): after(2)}
    assert act_chain.follow(acts, name(3)) == act_chain.Chain(frozenset(), {}, frozenset())
    assert act_chain.end(acts, name(3)) == name(3)
    # What was noted elsewhere may be older, as after a restored backup.
    assert act_chain.end(acts, name(2)) == name(3)
    assert act_chain.end(acts, None) == name(3)
    assert act_chain.end({}, None) is None


def test_one_that_was_taken_out_is_missing_wherever_it_stood() -> None:
    whole = {name(1): after(None), name(2): after(1), name(3): after(2)}
    for gone in whole:
        acts = {each: act for each, act in whole.items() if each != gone}
        assert act_chain.follow(acts, name(3)).missing == {gone}
    assert act_chain.follow({}, name(3)).missing == {name(3)}
    # The next act names the last one, though it is gone: so the gap stays.
    del whole[name(3)]
    assert act_chain.end(whole, name(3)) == name(3)


def test_acts_of_older_versions_are_beginnings() -> None:
    acts = {name(1): OLD, name(2): OLD}
    assert act_chain.end(acts, None) == name(2)
    acts[name(3)] = after(2)
    assert act_chain.follow(acts, name(3)) == act_chain.Chain(frozenset(), {}, frozenset({name(1), name(2)}))
    assert act_chain.end(acts, None) == name(3)


def test_two_in_one_place_are_told() -> None:
    acts = {name(1): after(None), name(2): after(1), name(3): after(1), name(4): after(None)}
    chain = act_chain.follow(acts, None)
    assert set(chain.faults) == {name(3), name(4)}
    assert name(2).text in chain.faults[name(3)]
    # It is gone on with where this home has written last.
    assert act_chain.end(acts, name(2)) == name(2)

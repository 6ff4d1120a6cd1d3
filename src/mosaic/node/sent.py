"""How far a record has come, in words for people: only what a server says to have taken counts as sent.

    queued for 3 servers
    2 of 3 servers have it; 1 failed (TOO_FAST), next try at 13:20
    2 of 3 servers have it; 1 refused it (PUBKEY_PERM_BANNED)
    all 3 servers have it

Source: messages.md (result codes); this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from mosaic.client.queue import Delivery, State
from mosaic.wire.result_code import ResultCode


class Reached(StrEnum):
    """How far a record has come."""

    NOWHERE_ELSE = ""
    """It goes to no other server than one's own."""
    ALL = "all"
    SOME = "some"
    """Some of it still waits."""
    REFUSED = "refused"
    """A server does not take it, and is not asked again."""


def reached(deliveries: Sequence[Delivery], unreached: int = 0) -> Reached:
    """How far a record has come.

    Args:
        deliveries: All deliveries of it.
        unreached: How many people it concerns of whom no server is known.
    """
    states = {delivery.state for delivery in deliveries}
    if State.REFUSED in states:
        return Reached.REFUSED
    if State.QUEUED in states or unreached:
        return Reached.SOME
    return Reached.ALL if states else Reached.NOWHERE_ELSE


def words(deliveries: Sequence[Delivery], time_of_day: Callable[[int], str], unreached: int = 0) -> str:
    """How far a record has come; nothing where it goes to no other server.

    Args:
        deliveries: All deliveries of it.
        time_of_day: A Mosaic timestamp (ns) as people read it.
        unreached: How many people it concerns of whom no server is known.
    """
    queued = [one for one in deliveries if one.state is State.QUEUED]
    there = sum(one.state is State.DELIVERED for one in deliveries)
    fresh = sum(_is_fresh(one) for one in queued)
    parts = []
    if there or (deliveries and fresh < len(deliveries)):
        parts.append(_have_it(there, len(deliveries)))
        parts += [f"{fresh} queued"] * bool(fresh)
    elif deliveries:
        parts.append(f"queued for {_servers(fresh)}")
    parts += [f"{count} {why}" for why, count in _counted(_failed(one, time_of_day) for one in queued)]
    parts += [f"{count} {why}" for why, count in _counted(map(_refused, deliveries))]
    if unreached:
        parts.append(
            "no server is known yet of one whom it is for"
            if unreached == 1
            else f"no server is known yet of {unreached} whom it is for"
        )
    return "; ".join(parts)


def of_one(delivery: Delivery, time_of_day: Callable[[int], str]) -> str:
    """How a record stands towards one server; `time_of_day` shows a Mosaic timestamp (ns) to people."""
    if delivery.state is State.DELIVERED:
        return "delivered"
    if delivery.state is State.REFUSED:
        return _refused(delivery)
    failed = _failed(delivery, time_of_day)
    return f"queued: {failed}" if failed else "queued"


def _have_it(there: int, servers: int) -> str:
    if servers == 1:
        return "the server has it" if there else "the server does not have it"
    if there == servers:
        return "both servers have it" if servers == 2 else f"all {servers} servers have it"
    return f"{there} of {servers} servers {'has' if there == 1 else 'have'} it"


def _servers(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


def _is_fresh(delivery: Delivery) -> bool:
    """Whether it was not tried yet, and nothing keeps it."""
    return not delivery.attempts and delivery.next_try_ns <= delivery.queued_ns


def _failed(delivery: Delivery, time_of_day: Callable[[int], str]) -> str:
    """Why a queued delivery waits, and until when; nothing if it is its first turn."""
    if delivery.state is not State.QUEUED or _is_fresh(delivery):
        return ""
    then = f"next try at {time_of_day(delivery.next_try_ns)}"
    if not delivery.attempts:
        return f"waiting, {then}"
    why = "not reached" if delivery.result is None else ResultCode(delivery.result).name
    return f"failed ({why}), {then}"


def _refused(delivery: Delivery) -> str:
    if delivery.state is not State.REFUSED:
        return ""
    if delivery.result is None:
        return "given up (not reached)"
    return f"refused it ({ResultCode(delivery.result).name})"


def _counted(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """How often each reason stands there, in order; those that say nothing are left out."""
    found: dict[str, int] = {}
    for why in reasons:
        if why:
            found[why] = found.get(why, 0) + 1
    return list(found.items())

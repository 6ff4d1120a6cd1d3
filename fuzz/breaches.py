"""Hostility that no frame can carry: against what carries frames.

A breach opens connections of its own, does what is not allowed or not usual,
and sees to it that the server either ends the connection within the time that
it has, or goes on as if nothing had been.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeAlias

from fuzz.identity import Identities, Identity
from fuzz.link import Link
from fuzz.pipe import PATIENCE_S, LinkEnded, Pipe
from fuzz.reach import Reach

Act: TypeAlias = Callable[[], Awaitable[None]]


class Finding(Exception):
    """The server did what it should not."""


class Breaches:
    """One transport's breaches; those of each are a subclass.

    Args:
        reach: The ways to the server.
        identities: What peers show.
    """

    def __init__(self, reach: Reach, identities: Identities) -> None:
        self.reach = reach
        self._identities = identities

    @property
    def random(self) -> Random:
        """Decides what is done."""
        return self.reach.random

    def identity(self) -> Identity:
        """Who does the next one."""
        return self._identities.take()

    def all(self) -> Sequence[tuple[str, Act]]:
        """All that there are, each with its name."""
        raise NotImplementedError

    async def take(self) -> str:
        """Does one of them; its name.

        Raises:
            Finding: the server did what it should not.
        """
        name, act = self.random.choice(self.all())
        try:
            await asyncio.wait_for(act(), 2 * PATIENCE_S)
        except TimeoutError:
            raise Finding(f"{name}: neither answered nor ended") from None
        except (LinkEnded, OSError):
            pass  # An end is an answer to all of them, unless the act says otherwise.
        except Finding as finding:
            raise Finding(f"{name}: {finding}") from None
        return name


async def must_end(pipe: Pipe, what: str = "") -> None:
    """Reads until the server has ended a link. Raises Finding if it does not."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await pipe.read(1)
    except TimeoutError:  # an OSError, too
        raise Finding(f"the server lets it stand{what}") from None
    except (LinkEnded, OSError):
        pass
    finally:
        pipe.drop()


async def must_stand(link: Link) -> None:
    """Asks something over a link. Raises Finding if it has ended."""
    try:
        await link.exchange(b"")
    except (LinkEnded, OSError) as error:
        raise Finding(f"the link ended: {error}") from None
    finally:
        link.drop()

"""Who wants what to be read: the one place that knows what each reader must see in the end.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mosaic.node.control import JsonObject


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reader sees otherwise than an author wants it.

    Args:
        missing: References of posts that the author wants public and the reader lacks, or has as they were.
        wrong: References of posts that the reader sees and the author doesn't want, or never wrote.
    """

    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.wrong)


@dataclass(slots=True)
class Oracle:
    """Posts by their authors and who follows whom; people are named by `mopub0…`."""

    posts: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each author: the address of each post, and its newest text."""
    follows: dict[str, list[str]] = field(default_factory=dict)
    forged: dict[str, set[str]] = field(default_factory=dict)
    """For each author whose keys were stolen: the ids of what thieves wrote in his name."""
    kinds: dict[str, str] = field(default_factory=dict)
    """The kind of each post (16 hexadecimal digits), by its address."""

    def live(self, people: Iterable[str]) -> None:
        """These people live from now on."""
        for person in people:
            self.posts[person] = {}
            self.follows[person] = []

    def posted(self, author: str, item: JsonObject, text: str) -> None:
        """Somebody has written what an act gave back, with that text, or changed it."""
        address = str(item["address"])
        self.posts[author][address] = text
        self.kinds[address] = str(item["kind"])

    def deleted(self, author: str, address: str) -> None:
        """Somebody has taken a post back."""
        del self.posts[author][address]

    def followers(self, author: str) -> list[str]:
        """Who follows somebody."""
        return [person for person, followed in self.follows.items() if author in followed]

    def difference(self, author: str, wall: Iterable[JsonObject]) -> Difference:
        """What is not as it should be in what a reader sees of an author."""
        wanted = dict(self.posts[author])
        wrong: list[str] = []
        for item in wall:
            address = str(item["address"])
            if address not in wanted:
                wrong.append(address)
            elif wanted[address] == item["text"]:
                del wanted[address]
        return Difference(tuple(wanted), tuple(wrong))

    @property
    def pairs(self) -> int:
        """How many people follow somebody, each counted once for each whom he follows."""
        return sum(map(len, self.follows.values()))

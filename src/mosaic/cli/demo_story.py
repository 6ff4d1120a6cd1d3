"""What the three people of `mosaic demo` say to each other.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PEOPLE: Final = ("ana", "bo", "cleo")


@dataclass(frozen=True, slots=True)
class Line:
    """Something that somebody says.

    Args:
        who: One of PEOPLE.
        text: What.
        answers: The place in the whole story of what it answers, or None.
    """

    who: str
    text: str
    answers: int | None = None


OPENING: Final = (
    Line("ana", "First bread of the day is out: rye, with a bit of honey. Come by before ten."),
    Line("bo", "Keep one for me please, I am on my way.", 0),
    Line("ana", "Done. It has your name on it.", 1),
    Line(
        "cleo",
        "The bridge at the mill is closed until Thursday. The one behind the church is muddy, but it holds.",
    ),
    Line("bo", "Is the ferry running?", 3),
    Line("cleo", "Every half hour, and the ferryman sings.", 4),
    Line(
        "bo",
        "Finished the shelves for the library in the old telephone box. Bring a book, take a book, "
        "leave a note in it if you liked it.",
    ),
    Line("ana", "I have three cookery books in want of a kitchen.", 6),
    Line("cleo", "Rehearsal tonight at seven. We still need somebody for the low voices."),
)
"""What was said before one looks."""

LATER: Final = (
    Line("bo", "I can growl, if that counts.", 8),
    Line("cleo", "It counts. Seven sharp, bring slippers.", 9),
    Line("ana", "Second batch: walnut. Still warm."),
    Line("bo", "The telephone box has its first book: how to repair telephones.", 6),
    Line("cleo", "Found one brown glove on the ferry. It is waiting at the ticket window."),
    Line("ana", "Mine! I was sure the wind had it.", 13),
    Line("bo", "Rain from the west in an hour, by the look of the swallows."),
    Line("cleo", "That was half an hour. The swallows exaggerate less than you.", 15),
    Line("ana", "Sold out. Thank you all, see you tomorrow."),
    Line("cleo", "What a rehearsal. Whoever growled: please come again."),
    Line("bo", "I shall bring my own slippers.", 18),
)
"""What is said while one looks."""

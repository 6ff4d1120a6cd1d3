"""When somebody is asked for a recovery sheet: after the first post, and once more a month later.

Source: this project's own design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mosaic.core.filter import Filter
from mosaic.core.kinds import MICROBLOG
from mosaic.node.master import MasterPlace
from mosaic.node.person import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

DUE: Final = (
    "Your master key is on this machine alone: when it is lost, so is your name, for ever. "
    "`mosaic recovery sheet --html sheet.html` makes a sheet to print; `mosaic recovery later` puts it off."
)
AGAIN_NS: Final = 30 * 86_400 * 1_000_000_000
"""How long it is put off: 30 days."""

_DONE, _NEVER, _PUT_OFF = "done", "later", "until "


def is_due(node: Node, person: Person) -> bool:
    """Whether somebody has posted, has the master key here, and no sheet, and is to be asked by now."""
    if node.people.book.master_place(person.key) is MasterPlace.AWAY:
        return False
    noted = node.db.meta(_meta(person))
    if noted in {_DONE, _NEVER} or (noted is not None and node.clock.now_ns() < _until(noted)):
        return False
    posts = Filter.of(authors=[person.key], kinds=[MICROBLOG])
    return next(node.records.newest_first(posts, 1), None) is not None


def is_last(node: Node, person: Person) -> bool:
    """Whether it was put off before: nobody is asked a third time."""
    return node.db.meta(_meta(person)) is not None


def asks_now(node: Node, person: Person) -> bool:
    """Whether somebody is to be asked beside what he does: the first time, and again when it is due again."""
    asked, noted = f"{_meta(person)} asked", node.db.meta(_meta(person)) or "first"
    if node.db.meta(asked) == noted or not is_due(node, person):
        return False
    node.db.set_meta(asked, noted)
    return True


def done(node: Node, person: Person) -> None:
    """Remembers that there is a sheet."""
    node.db.set_meta(_meta(person), _DONE)
    node.tell_changed()


def put_off(node: Node, person: Person) -> bool:
    """Asks again in a month, or never again if it was put off before; whether it is asked again."""
    again = not is_last(node, person)
    node.db.set_meta(_meta(person), f"{_PUT_OFF}{node.clock.now_ns() + AGAIN_NS}" if again else _NEVER)
    node.tell_changed()
    return again


def _until(noted: str) -> int:
    return int(noted.removeprefix(_PUT_OFF))


def _meta(person: Person) -> str:
    return f"recovery {person.key.user_text}"

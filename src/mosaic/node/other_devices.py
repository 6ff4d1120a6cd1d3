"""What another machine of somebody's has published about his servers is taken over here.

Two machines are one person: one is paired, or a backup was restored while the
first one lives. A change of servers on one is signed by the master key and
newer than what was published from here, so it holds here, too: what is written
here goes where readers look. A wish of one's own that was not published yet is
never taken back, and nothing changes while this home changes servers itself.

Source: bootstrap.md (Sequence Numbers); edition §4 (a writer reads first and writes max + 1).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mosaic.core.bootstrap import USER_SALT, UserBootstrap
from mosaic.core.keys import PublicKey
from mosaic.errors import InvalidBootstrap
from mosaic.node.master import MasterPlace

if TYPE_CHECKING:
    from mosaic.node.node import Node
    from mosaic.node.people import Person

log = logging.getLogger(__name__)


def take_over(node: Node, key: PublicKey) -> bool:
    """Uses the servers that another machine of a person's has published, if it has; whether it has."""
    person = next((one for one in node.people if one.key == key), None)
    if person is None or any(not move.is_swapped for move in node.moving.moves.under_way(key)):
        return False
    theirs = _published_elsewhere(node, person)
    if theirs is None:
        return False
    log.warning(
        "another machine of %s has changed the servers to %s: they are used here from now on",
        person.name,
        ", ".join(entry.key.server_text for entry in theirs.entries),
    )
    node.use_servers(person, theirs)
    node.look_again()
    node.outbox_checks.soon()
    return True


def _published_elsewhere(node: Node, person: Person) -> UserBootstrap | None:
    """The person's servers as another machine has published them since this one did, or None."""
    known, wish = node.bootstraps.known(person.key, USER_SALT), node.bootstraps.wish(person.key, USER_SALT)
    publishes = node.people.book.master_place(person.key) is MasterPlace.HOME
    if known is None or (wish is None and publishes):
        return None
    mine = UserBootstrap.parse(person.bootstrap)
    told = node.moving.told(person, mine)
    if wish is not None:
        newer = known.item.seq > wish.seq and known.item.value != wish.value
        if not newer or _text(told) != wish.value:
            return None
    try:
        theirs = UserBootstrap.read(known.item.value)
        # The own server stays on the list of this home where others were not told of it anyway.
        seen = {entry.key for entry in (*told.entries, *theirs.entries)}
        own = node.server_secret.public
        unseen = [entry for entry in mine.entries if entry.key == own and own not in seen]
        after = UserBootstrap((*unseen, *theirs.entries))
        after.publishable()
    except InvalidBootstrap:
        return None
    return None if after.entries == mine.entries else after


def _text(bootstrap: UserBootstrap) -> bytes | None:
    try:
        return bootstrap.publishable()
    except InvalidBootstrap:
        return None

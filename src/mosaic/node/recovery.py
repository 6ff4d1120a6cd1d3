"""The recovery sheet: what somebody prints to come back when every device and server is lost.

It holds the master key under a password of the person's own, where the person's
servers are, and what to do. Without the password nobody can use it; without the
sheet the password is of no use.

Source: encrypted_secret_key.md, bootstrap.md; this project's own design,
docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from mosaic.core.bootstrap import Usage, UserBootstrap
from mosaic.core.handover import named
from mosaic.core.invite_link import MOST_SERVERS, MOST_URLS, SCHEME, InviteLink, NamedServer
from mosaic.errors import FormatError, UsageError
from mosaic.node import recovery_due
from mosaic.node.arguments import Arguments
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.joining import JoiningActs
from mosaic.node.master import Unlocking, sealed_in
from mosaic.node.pairing_line import own_urls
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node

log = logging.getLogger(__name__)

LONG: Final = 14
"""Characters from which on a password is not called short."""
# All of it up to the next empty line: on paper it is broken into lines.
_LINK: Final = re.compile(rf"^[ \t]*({SCHEME}mopub0\S+(?:\n[ \t]*\S+[ \t]*(?=\n|$))*)", re.MULTILINE)
_NAME: Final = re.compile(r"^Name:\s+(\S.*?)\s*$", re.MULTILINE)

_TEXT = """MOSAIC RECOVERY SHEET

Name:   {name}
Person: {key}

The master key, under your password:

{sealed}

Where you are found, for whoever looks for you and for you yourself:

{link}

This sheet and your password together are you: nobody can take the name back
from whoever has both. Keep the sheet where paper is safe, and the password
where the sheet is not. Without the password the sheet is of no use, and nobody
can reset it.

To come back on a new machine, install Mosaic and give its first page this text,
or copy the text into a file and say:

    mosaic recovery restore FILE

Then make new backups, and revoke the keys of lost devices: mosaic key list,
mosaic key revoke KEY --since 2d --master FILE
"""


def weakness(password: str) -> str:
    """What makes a password easy to guess, in words; nothing if nothing is seen."""
    if len(set(password)) < 5:
        return "it repeats a few characters"
    if len(password) < LONG:
        return f"it has fewer than {LONG} characters"
    if password.isdigit():
        return "it is made of digits alone"
    return ""


class RecoveryActs:
    """What people do so that they can come back.

    Args:
        node: The open home.
        finder: Finds who acts.
        working: Whether the node delivers by itself.
    """

    def __init__(self, node: Node, finder: Finder, *, working: bool) -> None:
        self._node = node
        self._finder = finder
        self._joining = JoiningActs(node, working=working)

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "recovery_sheet": self.sheet,
            "recovery_restore": self.restore,
            "recovery_later": self.later,
        }

    async def sheet(self, given: JsonObject) -> Items:
        """The sheet's text, with the master key under `new_password`; it is opened again to be sure.

        Raises:
            UsageError: the password is missing or too short.
            MasterAway: the master key is not here, and no file was given.
        """
        arguments, person = self._finder.begin(given)
        people, password = self._node.people, arguments.text("new_password")
        with await people.unlock(person, arguments.unlocking()) as master:
            sealed = await asyncio.to_thread(people.sealed_master, master, password)
            await self._node.followed_list.begin(person, master)
        with await people.unlock(person, Unlocking(sealed, password)):
            recovery_due.done(self._node, person)
        link = InviteLink(person.key, self._servers(person), follow=True).text
        text = _TEXT.format(name=person.name, key=person.key.user_text, sealed=sealed, link=link)
        yield {
            "name": person.name,
            "key": person.key.user_text,
            "sealed": sealed,
            "link": link,
            "text": text,
            "weakness": weakness(password),
        }

    def _servers(self, person: Person) -> tuple[NamedServer, ...]:
        own = self._node.server_secret.public
        found = []
        for entry in UserBootstrap.parse(person.bootstrap).entries:
            urls = own_urls(self._node) if entry.key == own else self._node.directory.address(entry.key).urls
            found.append(NamedServer(entry.key, tuple(urls)[:MOST_URLS]))
        return named(found)[:MOST_SERVERS] or tuple(found[:1])

    async def restore(self, given: JsonObject) -> Items:
        """Lets the person of a sheet live here: `master` (its text), `password`, perhaps another `name`.

        The person comes back with profile, posts and follows as far as a server of theirs is reached.

        Raises:
            InvalidSecretKey: the text is no recovery sheet.
            UsageError: neither the sheet nor the command tells a name.
            WrongPassword: the password does not open it.
            Unreachable: no outbox could be read; with `offline` that does not matter.
        """
        arguments, node = Arguments(given), self._node
        text = "\n".join(arguments.text("master").splitlines())
        sealed_in(text)
        name = arguments.optional_text("name") or _first(_NAME, text)
        if not name:
            raise UsageError("the sheet tells no name", hint="Say what you are called here: --name NAME.")
        self._learn(_first(_LINK, text))
        items = [item async for item in self._joining.join({**given, "name": name})]
        person = node.people.find(name)
        recovery_due.done(node, person)
        yield items[-1]

    def _learn(self, link: str) -> None:
        """Remembers where the sheet says that the person is found; without that there is the DHT."""
        if not link:
            return
        try:
            told = InviteLink.parse("".join(link.split()))
        except FormatError as error:
            log.info("the link of a recovery sheet can't be read: %s", error)
            return
        for server in told.servers:
            # The sheet is the person's own word, so even an address in the own network is dialled.
            for url in server.urls:
                self._node.directory.learn(told.key, server.key, url, Usage.OUTBOX)

    async def later(self, given: JsonObject) -> Items:
        """Asks for a sheet again in a month, once; and then never again."""
        _, person = self._finder.begin(given)
        again = recovery_due.put_off(self._node, person)
        yield {"name": person.name, "key": person.key.user_text, "again": again}


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return "" if found is None else found[1]

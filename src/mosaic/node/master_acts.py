"""Acts about where the master key lies: export it, take it off this machine, bring it back.

Source: identity.md (the master key stays away), encrypted_secret_key.md; this project's own
design, docs/architecture.md "Keys of people".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.node import master as masters
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.finder import Finder
from mosaic.node.master import Unlocking
from mosaic.node.new_file import write_new
from mosaic.node.people import Person

if TYPE_CHECKING:
    from mosaic.node.node import Node


class MasterActs:
    """What people do with their master key.

    Args:
        node: The open home.
        finder: Finds who acts.
    """

    def __init__(self, node: Node, finder: Finder) -> None:
        self._node = node
        self._finder = finder

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "master_export": self.export,
            "master_forget": self.forget,
            "master_import": self.bring_back,
            "master_lock": self.lock,
        }

    async def export(self, given: JsonObject) -> Items:
        """Writes the master key under `new_password` into a new file, `path`, and opens it again to be sure.

        Raises:
            UsageError: the password is missing or too short.
            LocalError: the file is there already, or can't be written.
        """
        arguments, person = self._finder.begin(given)
        people, path, password = self._node.people, arguments.path("path"), arguments.text("new_password")
        with await people.unlock(person, arguments.unlocking()) as master:
            sealed = await asyncio.to_thread(people.sealed_master, master, password)
        text = masters.file_text(person.name, person.key, sealed)
        await asyncio.to_thread(write_new, path, text)
        written = await asyncio.to_thread(path.read_text, "utf-8")
        with await people.unlock(person, Unlocking(written, password)):
            yield {**self._object(person), "path": str(path), "verified": True}

    async def forget(self, given: JsonObject) -> Items:
        """Takes the master key off this machine, if `master` and `password` open the same one.

        Raises:
            UsageError: no file was given.
            WrongPassword: the password does not open the file.
            InvalidSecretKey: it holds another key, or none.
        """
        arguments, person = self._finder.begin(given)
        unlocking = arguments.unlocking()
        if unlocking.sealed is None:
            raise UsageError(
                "without a file that holds it the master key would be lost for ever",
                hint="`mosaic key master export FILE` writes one; name it here.",
            )
        with await self._node.people.unlock(person, unlocking) as master:
            await self._node.followed_list.begin(person, master)
            self._node.people.keep_master(person, None)
        self._node.tell_changed()
        yield self._object(person)

    async def bring_back(self, given: JsonObject) -> Items:
        """Keeps the master key of the file `master` (`password`) in this home again."""
        arguments, person = self._finder.begin(given)
        with await self._node.people.unlock(person, arguments.unlocking()) as master:
            self._node.people.keep_master(person, master)
        self._node.tell_changed()
        yield self._object(person)

    async def lock(self, given: JsonObject) -> Items:
        """Keeps the master key in this home under `new_password`, which only the person knows.

        Raises:
            UsageError: the password is missing or too short.
        """
        arguments, person = self._finder.begin(given)
        people, password = self._node.people, arguments.text("new_password")
        with await people.unlock(person, arguments.unlocking()) as master:
            sealed = await asyncio.to_thread(people.sealed_master, master, password)
            with await people.unlock(person, Unlocking(sealed, password)):
                await self._node.followed_list.begin(person, master)
                people.keep_master(person, None, sealed)
        self._node.tell_changed()
        yield self._object(person)

    def _object(self, person: Person) -> JsonObject:
        place = self._node.people.book.master_place(person.key)
        return {"name": person.name, "key": person.key.user_text, "master": place.value}

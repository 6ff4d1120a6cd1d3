"""A client with a home: asks the node that runs there, or opens the home and is its node meanwhile.

Either way the home's own node signs: no secret leaves it. Who opens the home
delivers and follows as long as the client is open, and other commands reach
it by the home's socket.

Source: this project's own design, docs/architecture.md "A program acts".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from mosaic.errors import HomeInUse, UnknownPerson
from mosaic.node import configuration
from mosaic.node.acts import Acts
from mosaic.node.control import Act, ControlServer, JsonObject, reach
from mosaic.node.home import SETTINGS, Home, HomeLock, default_folder, try_lock
from mosaic.node.listening import listen
from mosaic.node.node import Node
from mosaic.node.settings import NodeSettings
from mosaic.web.settings import WebSettings

# A command may hold the home for a moment.
_PATIENCE_S: Final = 15.0
_PAUSE_S: Final = 0.05


class AtHome:
    """An `Engine` on a home.

    Args:
        folder: The home's folder; the usual one if None.
        person: Who acts: the name or `mopub0…`; the first one who lives there if None.
        make: Whether home and person are made when they are missing.
        dht: Which DHT, where this client has to open the home; else as the home's settings say.
        serve: Whether others reach the home's server meanwhile, where this client has to open it.
    """

    def __init__(
        self,
        folder: Path | None,
        person: str | None,
        *,
        make: bool = False,
        dht: str | None = None,
        serve: bool = False,
    ) -> None:
        self._home = Home(default_folder() if folder is None else folder)
        self._person = person
        self._make = make
        self._dht = dht
        self._serve = serve
        self._acts: dict[str, Act] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> str:
        """Opens the home, or finds the node that runs on it.

        Raises:
            HomeMissing: there is no home.
            HomeInUse: another process holds it and does not answer.
            UnknownPerson: nobody of that name lives there.
            ListenFailed: an address can't be listened on.
            LocalError: something of the home can't be opened.
        """
        if self._make and not self._home.is_there:
            self._home.make()
        self._home.check()
        lock = await self._lock_unless_running()
        if lock is not None:
            await self._open(lock)
        try:
            return await self._who()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes the home, if it was opened here."""
        self._acts = None
        await self._stack.aclose()

    async def ask(self, act: str, arguments: JsonObject) -> AsyncGenerator[JsonObject, None]:
        """Runs one act. Raises what it ends with, HomeInUse when the node has stopped."""
        given: JsonObject = {**arguments, "as": self._person}
        if self._acts is not None:
            items = self._acts[act](given)
            async with contextlib.aclosing(items):
                async for item in items:
                    yield item
            return
        asking = await reach(self._home.socket)
        try:
            async with contextlib.aclosing(asking.ask(act, given)) as items:
                async for item in items:
                    yield item
        finally:
            await asking.close()

    async def _lock_unless_running(self) -> HomeLock | None:
        give_up = asyncio.get_running_loop().time() + _PATIENCE_S
        while (lock := try_lock(self._home)) is None:
            try:
                asking = await reach(self._home.socket)
            except HomeInUse:
                if asyncio.get_running_loop().time() > give_up:
                    raise
                await asyncio.sleep(_PAUSE_S)
                continue
            await asking.close()
            return None
        return lock

    async def _open(self, lock: HomeLock) -> None:
        try:
            settings = self._settings()
        except BaseException:
            lock.release()
            raise
        node = await Node.open(self._home, lock, settings)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(node.stop)
            acts = Acts(node, working=True).table()
            control = ControlServer(self._home.socket, acts)
            await control.start()
            stack.push_async_callback(control.stop)
            if self._serve:
                listen(node)
            node.work()
            self._acts = acts
            self._stack = stack.pop_all()

    def _settings(self) -> NodeSettings:
        given = {} if self._dht is None else {"dht.mode": self._dht}
        return configuration.load(
            self._home.folder / SETTINGS,
            env=os.environ,
            given=given,
            defaults=configuration.SERVING,
            more={"page": WebSettings()},
        ).settings

    async def _who(self) -> str:
        people = [item async for item in self.ask("people", {})]
        for item in people:
            if self._person in {None, item["name"], item["key"]}:
                return str(item["key"])
        if not self._make:
            raise UnknownPerson(
                "nobody lives in this home yet"
                if self._person is None
                else f"nobody called {self._person!r} lives in this home"
            )
        if self._person is None:
            raise UnknownPerson("nobody lives in this home yet", hint="Give a person's name to make one.")
        made = [item async for item in self.ask("init", {"name": self._person})]
        return str(made[0]["key"])

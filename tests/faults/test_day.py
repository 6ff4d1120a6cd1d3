"""A day in the life of two servers: nobody loses a record.

A house of two people, left by a program of layout 1, is opened by today's. They
publish at a hub, too. The hub gets new settings, a faulty settings file, bans
one of them for a while, and is drained and started again. The house is backed
up while posts keep coming, something is deleted, the machine is lost, and the
backup brought back.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import shutil
import signal
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.loopback.processes import PATIENCE_S, Node, objects, run

from mosaic.core import human
from mosaic.node import control

HOMES = Path(__file__).parent / "homes"
TOLD: dict[str, Any] = json.loads((HOMES / "v1.json").read_text())
DELETION = "def0843a0001000c"
NOTE_OF_MINE = "0000006300020002"


def asked(node: Node, act: str, **arguments: object) -> list[dict[str, Any]]:
    """What a command asks a running node for, without a process for each."""

    async def answer() -> list[dict[str, Any]]:
        given: Any = arguments
        return [dict(item) async for item in control.ask(node.home / "node.sock", act, given)]

    return asyncio.run(answer())


class House(Node):
    """A home that is there already, and its people."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = None
        self.line = {}
        self.ports = {"tcp": free_port()}
        self.dht = "off"
        self.more = ()
        self.said: dict[str, str] = {}
        """What was acknowledged: the id of each record, with who said it."""

    def say(self, name: str, text: str) -> str:
        return self.publish(name, "post", text=text)

    def publish(self, name: str, act: str, **arguments: object) -> str:
        (item,) = asked(self, act, **{"as": name}, **arguments)
        self.said[item["id"]] = name
        return str(item["id"])

    def delete(self, name: str, record_id: str) -> None:
        reference = human.decode("moref0", record_id, 48)
        tag = f"0x4D01:{bytes(4).hex()}000000010001001c{reference.hex()}"
        self.publish(name, "record", kind=DELETION, payload="", tags=[tag])
        self.said.pop(record_id)


def free_port() -> int:
    """One that stays free while its server is away: none of those that connections get by themselves."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port


def until(hub: Node, holds: Callable[[set[str]], object], why: str) -> None:
    """Waits until something holds of what a node has: looked at whenever that has changed."""

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE_S):
            async for _ in control.ask(hub.home / "node.sock", "status", {"watch": True}):
                if holds(await asyncio.to_thread(held, hub)):
                    return

    try:
        asyncio.run(wait())
    except TimeoutError:
        raise AssertionError(why) from None


def unpack(folder: Path) -> Path:
    data = (HOMES / "v1.tar.zst").read_bytes()
    packed = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 24)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    home = (folder / "home").rename(folder / "house")
    (home / "unlock").chmod(0o600)
    return home


def held(node: Node) -> set[str]:
    return {item["id"] for item in asked(node, "query", limit=0)}


def sync(house: House, hub: Node, direction: str) -> None:
    for name in ("anna", "ben"):
        where = [str(hub.line["tcp"]), "--key", str(hub.line["server"]), "--dir", direction]
        done = run("sync", "--home", house.home, *where, "--as", name)
        assert done.returncode == 0, done


def restarted(house: House) -> None:
    """What waits goes out at once when a node begins to work."""
    assert house.stop() == 0
    house.start()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.claim("C7", "C58", "C59", "C63", "C90")
def test_nobody_loses_a_record(tmp_path: Path) -> None:
    house, hub = House(unpack(tmp_path)), Node(tmp_path / "hub", "hub")
    settings = hub.home / "mosaic.toml"
    settings.write_text('[serves]\nwho = "list"\n')
    hub.ports["tcp"] = free_port()
    with hub, house:
        migrated(house)
        joined(house, hub)
        reloaded(house, hub, settings)
        banned(house, hub)
        drained(house, hub)
        regretted = backed_up(house, hub, tmp_path)
        brought_back(house, hub, tmp_path, regretted)
        for node in (house, hub):
            assert node.stop() == 0
            looked = objects("check", "--home", node.home, "--blobs")
            assert [part["faults"] for part in looked] == [[]] * len(looked)


def migrated(house: House) -> None:
    there = held(house)
    assert set(TOLD["kept"]) <= there
    assert not there & set(TOLD["deleted"])
    house.said |= dict.fromkeys(TOLD["kept"], "anna")


def joined(house: House, hub: Node) -> None:
    for name in ("anna", "ben"):
        asked(hub, "admin_serve", key=TOLD["people"][name])
        house.do("servers add", hub.line["server"], "--url", hub.line["tcp"], "--as", name)
    sync(house, hub, "up")
    house.say("anna", "we are at the hub now")
    house.publish("anna", "record", kind=NOTE_OF_MINE, text="for my eyes only")
    until(hub, lambda there: set(house.said) <= there, "what was said does not arrive at the hub")


def reloaded(house: House, hub: Node, settings: Path) -> None:
    good = '[serves]\nwho = "list"\n[server]\nconnections = 500\n'
    settings.write_text(good)
    asked(hub, "admin_reload")
    settings.write_text(good.replace("connections", "conections"))
    assert run("admin", "reload", "--home", hub.home).returncode == 4
    house.say("ben", "said under settings that nobody can read")
    until(hub, lambda there: set(house.said) <= there, "a faulty settings file stopped the hub")
    settings.write_text(good)
    asked(hub, "admin_reload")


def banned(house: House, hub: Node) -> None:
    """What a banned person says stays with him, and goes out when the ban is lifted."""
    (ban,) = asked(hub, "admin_ban", what=TOLD["people"]["ben"], reason="a mistake")
    restarted(house)
    said = house.say("ben", "said while the hub would not have me")
    house.say("anna", "said meanwhile by who is not banned")
    until(
        hub,
        lambda there: {each for each, name in house.said.items() if name == "anna"} <= there,
        "the ban of one person stopped another's records",
    )
    assert said not in held(hub)
    asked(hub, "admin_unban", what=str(ban["number"]))
    restarted(house)
    until(hub, lambda there: said in there, "what was said during the ban does not arrive after it")


def drained(house: House, hub: Node) -> None:
    asked(hub, "admin_drain", seconds=2)
    for number in range(2):
        house.say("anna", f"said while the hub goes {number}")
    assert hub.process is not None
    assert hub.process.wait(PATIENCE_S) == 0
    hub.stop()
    house.say("ben", "said while the hub was away")
    hub.start()
    restarted(house)
    until(
        hub, lambda there: set(house.said) <= there, "what was said while the hub was drained does not arrive"
    )


def backed_up(house: House, hub: Node, folder: Path) -> str:
    """Backs the house up, then goes on; what was deleted after the backup."""
    password = folder / "password"
    password.write_text("correct horse\n")
    regretted = house.say("anna", "I will regret this")
    file = folder / "house.mosaic-backup"
    (told,) = [each for each in house.do("backup make", file, "--password-file", password) if each["done"]]
    assert told["encrypted"]
    (good,) = objects("backup", "test", file, "--password-file", password)
    assert good["faults"] == []
    house.say("anna", "said after the backup")
    house.say("ben", "said after the backup, too")
    until(hub, lambda there: regretted in there, "a post does not arrive")
    house.delete("anna", regretted)
    until(hub, lambda there: set(house.said) <= there, "what was said after the backup does not arrive")
    assert regretted not in held(hub)
    return regretted


def brought_back(house: House, hub: Node, folder: Path, regretted: str) -> None:
    times = received(house)
    house.stop(signal.SIGKILL)
    shutil.rmtree(house.home)
    file, password = folder / "house.mosaic-backup", folder / "password"
    (made,) = objects("restore", file, "--home", house.home, "--password-file", password)
    assert made["keys"]
    house.start()
    # It was in the backup; the hub knew better.
    assert regretted not in held(house)
    assert all(times[each] == its for each, its in received(house).items() if each in set(TOLD["kept"]))
    sync(house, hub, "both")
    for node in (house, hub):
        there = held(node)
        assert set(house.said) <= there
        assert not there & {regretted, *TOLD["deleted"]}
    house.say("anna", "and so we live on")
    until(hub, lambda there: set(house.said) <= there, "who was restored can't write any more")


def received(house: House) -> dict[str, str]:
    """When the house received each record."""
    done = run("export", "-", "--format", "jsonl", "--home", house.home)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["id"]: line["received_ns"] for line in lines if "id" in line}

"""What is written goes out when it can, and until then everybody is told the truth about it.

Whole nodes in a simulated world: an author with three outboxes, and whoever he writes to.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.node.conftest import do, one
from tests.node.test_reading_servers import Village, played, village

from mosaic.cli.output import shown_deliveries
from mosaic.cli.status import shown_status, shown_traffic
from mosaic.core import core_tags
from mosaic.core.bootstrap import Usage
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey
from mosaic.node.control import JsonObject
from mosaic.node.face import Face
from mosaic.node.node import Node
from mosaic.testing.simulation.homes import PERSON, SERVER, SimulatedHome

AT = r"next try at \d\d:\d\d"


async def standing(here: Village, reference: str) -> JsonObject:
    return await one(here.author, "deliveries", reference=reference)


async def told(here: Village) -> list[str]:
    """What `mosaic status` says."""
    return shown_status(await one(here.author, "status", working=True))


async def on_page(here: Village) -> tuple[str, str]:
    """What the page says of the newest post."""
    entry = (await Face(here.author).feed())[0]
    return entry.reached, entry.sent


async def until(look: Callable[[], Awaitable[bool]], most_s: float = 600.0) -> None:
    async with asyncio.timeout(most_s):
        while not await look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(1)


@pytest.mark.claim("C82", "C83")
def test_what_failed_and_what_was_refused_is_told_with_the_code_also_after_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await asyncio.sleep(60)
            away, banning, _ = here.servers
            await away.stop()
            await do(banning.node, "admin_ban", what=here.key.user_text, reason="no reason")
            post = await one(here.author, "post", text="hello")
            assert (post["delivered"], post["standing"]) == (0, "queued for 3 servers")
            assert await on_page(here) == ("some", "queued for 3 servers")
            await asyncio.sleep(60)
            for _ in range(2):
                found = await standing(here, str(post["address"]))
                words = str(found["standing"])
                assert found["delivered"] == 1
                assert words.startswith("1 of 3 servers has it; ")
                assert re.search(rf"1 failed \(not reached\), {AT}", words)
                assert re.search(r"1 (failed|refused it) \(PUBKEY_PERM_BANNED\)", words)
                (reached, sent) = await on_page(here)
                assert reached in {"some", "refused"}
                assert sent.startswith("1 of 3 servers has it; ")
                # A line for each server, and one for all: on the command line, and in the status.
                lines = shown_deliveries({**found, "working": True})
                assert len(lines) == 4
                assert sum("delivered" in line for line in lines) == 1
                assert any(re.search(rf"queued: failed \(not reached\), {AT}", line) for line in lines)
                status = "\n".join(await told(here))
                assert re.search(rf"for {_key(here, away)}, queued: failed \(not reached\), {AT}", status)
                assert "PUBKEY_PERM_BANNED" in status
                await here.author_home.stop()
                await here.author_home.start()
                await asyncio.sleep(30)
            await away.start(listens=True)

            async def has_come() -> bool:
                return (await standing(here, str(post["address"])))["delivered"] == 2

            await until(has_come, 3_600)
            assert str((await standing(here, str(post["address"])))["standing"]).startswith(
                "2 of 3 servers have it; 1 "
            )
            assert (await on_page(here))[0] != "all"

    played(play)


def _key(here: Village, home: SimulatedHome) -> str:
    return next(key.server_text for key, one in here.keys.items() if one is home)


@pytest.mark.claim("C82")
def test_what_is_written_offline_goes_out_when_the_network_is_there_though_the_node_was_stopped(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await asyncio.sleep(60)
            here.world.links.cut_off(here.author_home.address)
            post = await one(here.author, "post", text="from the train")
            await asyncio.sleep(60)
            found = await standing(here, str(post["address"]))
            assert (found["delivered"], found["queued"]) == (0, 3)
            assert re.fullmatch(
                rf"0 of 3 servers have it; 3 failed \(not reached\), {AT}", str(found["standing"])
            )
            assert (await on_page(here))[0] == "some"
            await here.author_home.stop()
            # Nothing runs, and it is still there.
            await here.author_home.start()
            assert (await standing(here, str(post["address"])))["queued"] == 3
            here.world.links.connect_again(here.author_home.address)

            async def has_come() -> bool:
                return (await standing(here, str(post["address"])))["delivered"] == 3

            await until(has_come)
            assert await on_page(here) == ("all", "all 3 servers have it")
            wanted = Filter.of(authors=[here.key])
            for server in here.servers:
                ids = [record.id.text for record in server.node.everything.newest_first(wanted)]
                assert ids.count(str(post["id"])) == 1
            assert "Nothing waits to be sent." in await told(here)

    played(play)


@pytest.mark.claim("C69", "C82")
def test_what_is_said_in_a_room_goes_to_the_servers_that_its_hub_names(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            hub_home = SimulatedHome(here.world, tmp_path / "hub", "10.2.0.3", PERSON)
            chat = SimulatedHome(here.world, tmp_path / "chat", "10.1.0.8", SERVER)
            hub, server = await hub_home.start("hub"), await chat.start(listens=True)
            await do(hub, "servers_add", server_key=server.server_secret.public.server_text)
            await do(hub, "servers_remove", server_key=hub.server_secret.public.server_text)
            first = hub.people.first
            assert first is not None
            key = first.key
            await asyncio.sleep(120)
            await one(here.author, "follow", working=True, person=key.user_text)
            await asyncio.sleep(60)
            assert [each.key for each in here.author.directory.servers(key, Usage.INBOX)] == [
                server.server_secret.public
            ]
            tag = core_tags.notify(key)
            notify = f"{tag.type}:{tag.value.hex()}"
            said = await one(
                here.author, "record", kind="chat", text="anybody here?", tags=[notify], working=True
            )
            await asyncio.sleep(30)
            found = await standing(here, str(said["address"]))
            assert [each["server"] for each in _deliveries(found)] == [
                server.server_secret.public.server_text
            ]
            assert found["standing"] == "the server has it"
            assert _has(server, here.key, str(said["id"]))
            # His own outboxes, which his followers read, are spared it, also when they are compared.
            await here.author.outbox_checks.compare()
            await asyncio.sleep(60)
            assert not any(_has(home.node, here.key, str(said["id"])) for home in here.servers)
            await hub_home.stop()
            await chat.stop()

    played(play)


def _deliveries(found: JsonObject) -> list[JsonObject]:
    deliveries = found["deliveries"]
    assert isinstance(deliveries, list)
    return [each for each in deliveries if isinstance(each, dict)]


def _has(node: Node, author: PublicKey, wanted: str) -> bool:
    return any(
        record.id.text == wanted for record in node.everything.newest_first(Filter.of(authors=[author]))
    )


def test_status_tells_what_passed_to_each_server_and_to_the_dht_apart(tmp_path: Path) -> None:
    async def play() -> None:
        async with village(tmp_path) as here:
            await asyncio.sleep(60)
            await one(here.author, "post", text="hello")
            await asyncio.sleep(30)
            item = await one(here.author, "status", working=True, traffic=True)
            lines = shown_traffic(item)
            for key in here.keys:
                start = lines.index(key.server_text)
                assert "  handing in: " in "\n".join(lines[start : start + 4])
            # The simulated DHT is counted as a whole; a node that is in the real one tells its own part.
            assert item["dht"] is None
            assert "DHT" not in lines
            passed: JsonObject = {"came": 5_000, "packets_came": 12, "went": 1_300, "packets_went": 14}
            assert shown_traffic({**item, "dht": passed})[len(lines) :] == [
                "DHT",
                "  5000 bytes came in 12 packets",
                "  1300 bytes went in 14 packets",
            ]

    played(play)

"""DHT LOOKUP from end to end: a DHT of its own, a server in it, and a client that is in none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.server.world import Client, running

from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.dht.mainline import Mainline
from mosaic.dht.network import WriteOutcome
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.node.in_dht import InDht
from mosaic.node.surroundings import Surroundings
from mosaic.testing import DhtTestnet, Person
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

ALICE, BOB, NOBODY = Person("alice"), Person("bob"), Person("nobody")
ITEMS = (
    DhtItem.sign(BOB.master, USER_SALT, 3, f"U\n1 {ALICE.key.server_text}\n".encode()),
    DhtItem.sign(BOB.master, SERVER_SALT, 5, b"S\nmosaic://203.0.113.7/\n"),
)


async def look_up(client: Client, person: Person, *, server: bool) -> tell.DhtResponse:
    client.send(ask.DhtLookup(7, server, person.key_bytes))
    return await client.take(tell.DhtResponse, 7)


@pytest.mark.claim("C20")
async def test_a_client_gets_what_is_in_the_dht_with_its_proof(tmp_path: Path) -> None:
    testnet = await asyncio.to_thread(DhtTestnet, 6)
    with testnet:
        writer = Mainline(testnet.mode)
        writer.start()
        dht = InDht(testnet.mode, DhtSettings(), MemorySequenceStore(), Surroundings(), lambda: None)
        dht.start()
        try:
            for item in ITEMS:
                assert (await writer.write(item, None)).outcome is WriteOutcome.STORED
            async with running(tmp_path, ALICE, lookups=dht) as world:
                client = await world.connect()
                for item, server in zip(ITEMS, (False, True), strict=True):
                    answer = await look_up(client, BOB, server=server)
                    assert answer.result is ResultCode.SUCCESS
                    found = answer.item()
                    assert DhtItem(BOB.key, item.salt, found.sequence, found.text, found.signature) == item
                assert (await look_up(client, NOBODY, server=False)).result is ResultCode.NOT_FOUND
        finally:
            await dht.stop()
            await writer.stop()

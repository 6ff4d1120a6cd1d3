"""Keys, texts and items for the tests of this room."""

from __future__ import annotations

import asyncio

from mosaic.core.bootstrap import ServerBootstrap, ServerUse, Usage, UserBootstrap
from mosaic.core.dht_item import SERVER_SALT, USER_SALT, DhtItem
from mosaic.core.keys import SecretKey
from mosaic.core.url import ServerUrl
from mosaic.testing.clock import START_NS


def secret(number: int) -> SecretKey:
    return SecretKey.from_seed(number.to_bytes(32, "little"))


def user(number: int) -> UserBootstrap:
    """A bootstrap that names one server."""
    return UserBootstrap((ServerUse(Usage(7), secret(1_000 + number).public),))


def server(number: int) -> ServerBootstrap:
    """A bootstrap with one URL."""
    return ServerBootstrap((ServerUrl.parse(f"mosaic://198.51.100.{number}:1320/"),))


def user_item(key: int, seq: int, number: int | None = None) -> DhtItem:
    """A signed user bootstrap; another `number` is another text."""
    return DhtItem.sign(secret(key), USER_SALT, seq, user(seq if number is None else number).text.encode())


def server_item(key: int, seq: int) -> DhtItem:
    """A signed server bootstrap."""
    return DhtItem.sign(secret(key), SERVER_SALT, seq, server(seq).text.encode())


def loop_ns() -> int:
    """The time of the loop, ns: in virtual time it passes without waiting."""
    return START_NS + round(asyncio.get_running_loop().time() * 1_000_000_000)


def no_chance(length: int) -> bytes:
    """Randomness that is always zero."""
    return bytes(length)

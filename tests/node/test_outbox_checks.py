"""What a server does not give when it is asked for it: withheld, or only replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from mosaic.client.connection import Connection
from mosaic.core import key_schedule
from mosaic.core.keys import SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Address, Id, Reference
from mosaic.core.timestamp import Timestamp
from mosaic.node.outbox_checks import _still_lacking
from mosaic.social import posts
from mosaic.social.signer import Signer

MASTER = SecretKey.from_seed(b"a" * 32)
OLDER, OLD, NEW = (Timestamp(hour * 3_600 * 10**9) for hour in (1, 2, 3))


def schedule(now: Timestamp) -> Record:
    return key_schedule.build(MASTER, [], now)


class Gives:
    """A server that has some records and gives each by its id and by its address."""

    def __init__(self, *records: Record) -> None:
        self._records = records

    async def get(self, references: Sequence[Reference]) -> list[Record]:
        ids = {one for one in references if isinstance(one, Id)}
        places = {one for one in references if isinstance(one, Address)}
        return [one for one in self._records if one.id in ids or one.address in places]


async def lacking(asked: Record, *there: Record) -> list[Record]:
    return await _still_lacking(cast("Connection", Gives(*there)), [asked])


@pytest.mark.claim("C83")
async def test_keys_that_another_device_changed_are_not_withheld() -> None:
    assert await lacking(schedule(OLD), schedule(NEW)) == []


@pytest.mark.claim("C83")
async def test_older_keys_or_none_in_their_place_are_withheld() -> None:
    old = schedule(OLD)
    assert await lacking(old, schedule(OLDER)) == [old]
    assert await lacking(old) == [old]
    assert await lacking(old, old) == []


async def test_a_post_is_withheld_though_a_later_version_is_given() -> None:
    signer = Signer(MASTER.public, MASTER)
    post = posts.post(signer, "hello", now=OLD)
    assert await lacking(post, posts.edit(signer, post, "hello, all", now=NEW)) == [post]

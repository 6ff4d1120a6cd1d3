"""Keys between devices after their pairing: a roll reaches those that remain, and no thief."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.conftest import FAST, one, stored
from tests.node.test_pairing import devices, laptop, paired, phone  # noqa: F401 - fixtures

from mosaic.client import sealing
from mosaic.core import core_tags, encryption, key_handover
from mosaic.core.community_kinds import KEY_HANDOVER, PRIVATE_MESSAGE
from mosaic.core.encryption import EncryptedPayload
from mosaic.core.filter import Filter
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.record import Record
from mosaic.core.reference import Id
from mosaic.errors import Undecryptable
from mosaic.node.home import Home, try_lock
from mosaic.node.key_handing import KeyHanding
from mosaic.node.keys_face import KeysFace
from mosaic.node.node import Node
from mosaic.social.signer import Signer

PASSWORD = "correct horse battery"


@pytest.fixture
async def tablet(tmp_path: Path) -> AsyncIterator[Node]:
    home = Home(tmp_path / "tablet")
    home.make()
    lock = try_lock(home)
    assert lock is not None
    node = await Node.open(home, lock, FAST)
    node.work()
    try:
        yield node
    finally:
        await node.stop()


def anna(node: Node) -> PublicKey:
    return node.people.find(None).key


def boxes(node: Node) -> set[bytes]:
    """The keys to encrypt to whose secrets a device has."""
    return {secret.public for secret in node.people.encryption_secrets(node.people.find(None))}


def wanted(node: Node) -> tuple[bytes, ...]:
    """The keys that others encrypt to."""
    schedule = node.records.schedule(anna(node))
    assert schedule is not None
    return schedule.encryption_keys()


def told(node: Node, device: SecretKey) -> list[Record]:
    found = Filter.of(authors=[anna(node)], signers=[device.public], kinds=[KEY_HANDOVER])
    return list(node.everything.newest_first(found))


def handed(node: Node) -> list[Record]:
    found = Filter.of(authors=[anna(node)], signers=[anna(node)], kinds=[KEY_HANDOVER])
    return list(node.everything.newest_first(found))


async def know_each_other(one_node: Node, *others: Node) -> None:
    """Until a device knows where others want keys handed over."""
    for other in others:
        device = other.people.find(None).device
        await stored(one_node, lambda device=device: told(one_node, device))  # type: ignore[misc]


def message(to: Node, text: bytes) -> Record:
    """What somebody encrypts to all keys of the newest schedule that `to` knows."""
    schedule = to.records.schedule(anna(to))
    assert schedule is not None
    once, now = SecretKey.from_seed(b"once" * 8), to.clock.now()
    at = b"\x80" + text.ljust(7)[:7]
    head = encryption.record_head(
        nonce=at, kind=PRIVATE_MESSAGE, author=once.public, signer=once.public, timestamp=now
    )
    return Signer(once.public, once).record(
        kind=PRIVATE_MESSAGE,
        nonce=at,
        timestamp=now,
        tags=[core_tags.notify(anna(to))],
        payload=sealing.seal(text, sealing.recipients(schedule, now, now), head),
    )


def opened(node: Node, sent: Record) -> bytes:
    """What a device reads, from its own store. Raises Undecryptable."""
    (record,) = node.everything.at(Id(sent.id.bytes))
    secrets = node.people.encryption_secrets(node.people.find(None))
    return encryption.opened_record(record, anna(node), secrets).rstrip(b"\0")


@pytest.mark.claim("C2", "C66")
async def test_who_rolls_the_encryption_keys_hands_them_to_the_other_device(
    laptop: Node,  # noqa: F811
    phone: Node,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(laptop.people, "_log_n", 4)
    await paired(laptop, phone)
    await know_each_other(laptop, phone)
    before = boxes(laptop)
    await one(laptop, "key_roll", what="encryption", working=True)
    (new,) = wanted(laptop)
    assert new not in before
    await stored(phone, lambda: new in boxes(phone))
    assert boxes(phone) == {*before, new}
    sent = message(laptop, b"hello both")
    await laptop.mirror([sent.data])
    await stored(phone, lambda: phone.everything.at(Id(sent.id.bytes)))
    assert opened(phone, sent) == opened(laptop, sent) == b"hello both"
    assert "pair" not in str((await one(phone, "keys"))["advice"])

    # The other way round, with the master key from its file.
    file = tmp_path / "anna.key"
    await one(laptop, "master_export", path=str(file), new_password=PASSWORD)
    await know_each_other(phone, laptop)
    given = {"master": file.read_text(), "password": PASSWORD}
    await one(phone, "key_roll", given, what="encryption", working=True)
    (newer,) = wanted(phone)
    await stored(laptop, lambda: newer in boxes(laptop))


@pytest.mark.claim("C2", "C66")
async def test_a_stolen_device_gets_no_new_key_and_the_one_that_remains_does(
    laptop: Node,  # noqa: F811
    phone: Node,  # noqa: F811
    tablet: Node,
) -> None:
    await paired(laptop, phone)
    await paired(laptop, tablet)
    await know_each_other(laptop, phone, tablet)
    thief, old = phone.people.find(None).device, boxes(phone)
    await one(laptop, "key_revoke", key=thief.public.user_text, working=True)
    (new,) = wanted(laptop)
    await stored(tablet, lambda: new in boxes(tablet))
    assert old.isdisjoint({new})

    # Whatever the thief has, and were it all that was ever handed over, opens nothing of it.
    stolen = [key_handover.secret_of(thief), *phone.people.encryption_secrets(phone.people.find(None))]
    (record, *_) = handed(laptop)
    with pytest.raises(Undecryptable):
        encryption.opened_record(record, anna(laptop), stolen)
    sent = message(laptop, b"not for thieves")
    with pytest.raises(Undecryptable):
        encryption.opened_record(sent, anna(laptop), stolen)
    await laptop.mirror([sent.data])
    await stored(tablet, lambda: tablet.everything.at(Id(sent.id.bytes)))
    assert opened(tablet, sent) == b"not for thieves"


@pytest.mark.claim("C8")
async def test_keys_are_handed_to_devices_alone_and_never_to_a_persona(
    laptop: Node,  # noqa: F811
    phone: Node,  # noqa: F811
) -> None:
    await one(laptop, "persona_add", label="pen", working=True)
    await paired(laptop, phone)
    await know_each_other(laptop, phone)
    # Every device has the secrets of personas: a thief says with one of them that keys should go to him.
    pen = phone.people.signer(phone.people.find(None), "pen")
    false = pen.record(
        kind=KEY_HANDOVER,
        nonce=key_handover.nonce_of(pen.key, pen.key),
        timestamp=laptop.clock.now(),
        payload=key_handover.secret_of(pen.secret).public,
    )
    await laptop.mirror([false.data])
    assert told(laptop, pen.secret)
    await one(laptop, "key_roll", what="encryption", working=True)
    (record, *_) = handed(laptop)
    (stanza,) = EncryptedPayload.parse(record.payload).stanzas
    assert stanza.key == key_handover.secret_of(phone.people.find(None).device).public


@pytest.mark.claim("C8")
async def test_a_key_that_was_but_given_a_name_here_is_not_taken_for_a_device(
    laptop: Node,  # noqa: F811
    phone: Node,  # noqa: F811
) -> None:
    await paired(laptop, phone)
    await know_each_other(laptop, phone)
    device = phone.people.find(None).device
    book = laptop.people.book
    known = next(own for own in book.keys(anna(laptop)) if own.key == device.public.bytes)
    book.drop(anna(laptop), device.public.bytes)
    await one(laptop, "key_label", key=device.public.user_text, label="whatever it is")
    await one(laptop, "key_roll", what="encryption", working=True)
    assert handed(laptop) == []
    # Once it is surely a device it is thought of, under the name that it was given.
    book.keep(anna(laptop), known.key, known.use, "", None, known.made_ns)
    await one(laptop, "key_roll", what="encryption", working=True)
    assert len(handed(laptop)) == 1
    (now,) = [own for own in book.keys(anna(laptop)) if own.key == known.key]
    assert now.label == "whatever it is"


@pytest.mark.claim("C66")
async def test_a_device_that_nobody_thought_of_says_so_keeps_messages_and_opens_them_once_paired_again(
    laptop: Node,  # noqa: F811
    phone: Node,  # noqa: F811
) -> None:
    await paired(laptop, phone)
    device = phone.people.find(None).device
    laptop.people.book.drop(anna(laptop), device.public.bytes)
    await one(laptop, "key_roll", what="encryption", working=True)
    (new,) = wanted(laptop)
    await stored(phone, lambda: wanted(phone) == (new,))
    for advice in (str((await one(phone, "keys"))["advice"]), str((await KeysFace(phone).shown()).advice)):
        assert "rolled on another device" in advice
        assert "mosaic pair join" in advice
    sent = message(laptop, b"wait for me")
    await laptop.mirror([sent.data])
    await stored(phone, lambda: phone.everything.at(Id(sent.id.bytes)))
    with pytest.raises(Undecryptable):
        opened(phone, sent)

    # A pairing that comes to nothing takes nothing away from a device that had its place before.
    old, again = await paired(laptop, phone, there=False)
    assert (old.state, again.state) == ("failed", "failed")
    assert device.public in devices(laptop)

    old, again = await paired(laptop, phone)
    assert (old.state, again.state) == ("ready", "ready"), (old, again)
    assert phone.people.find(None).device == device
    assert len(phone.people) == 1
    assert opened(phone, sent) == b"wait for me"
    assert "rolled on another device" not in str((await one(phone, "keys"))["advice"])
    # From now on it is thought of.
    await know_each_other(laptop, phone)
    await one(laptop, "key_roll", what="encryption", working=True)
    (newer,) = wanted(laptop)
    await stored(phone, lambda: newer in boxes(phone))


async def test_what_is_no_handover_changes_nothing(laptop: Node, phone: Node) -> None:  # noqa: F811
    await paired(laptop, phone)
    person, known = phone.people.find(None), phone.people.book.keys(anna(phone))
    to = [sealing.Recipient(person.key, key_handover.secret_of(person.device).public)]
    with laptop.people.master(laptop.people.find(None)) as master:
        for number, content in enumerate((b"\xff\xff\xff\xff", b"\x02\0\0\0{}", b"")):
            now, at = laptop.clock.now(), bytes((0x80, *[number] * 7))
            head = encryption.record_head(
                nonce=at, kind=KEY_HANDOVER, author=person.key, signer=person.key, timestamp=now
            )
            sealed = sealing.seal(content, to, head)
            await phone.mirror([master.handover(sealed, now, at).data])
        await phone.mirror([master.handover(b"short", laptop.clock.now(), b"\xff" * 8).data])
    assert KeyHanding(phone).take(person) == 0
    assert phone.people.book.keys(person.key) == known

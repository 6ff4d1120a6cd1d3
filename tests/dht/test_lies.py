"""DHT nodes that lie: each lie is refused, and the truth that others tell is found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mosaic.core.dht_item import MAX_VALUE_BYTES, USER_SALT, DhtItem, signed_bytes
from mosaic.dht.mainline import Mainline
from mosaic.dht.mode import DhtMode
from mosaic.dht.publication import PublicationState
from mosaic.dht.publisher import Publisher
from mosaic.dht.resolver import LookUp, Resolver
from mosaic.dht.sequence_store import MemorySequenceStore
from mosaic.dht.settings import DhtSettings
from mosaic.testing import DhtTestnet
from tests.dht.liar import Answer, Liar, Question
from tests.dht.samples import loop_ns, no_chance, secret, server_item, user, user_item

TRUTH = user_item(1, 5)
KEY = TRUTH.key


@pytest.fixture(scope="module")
def honest() -> Iterator[DhtTestnet]:
    with DhtTestnet(4) as net:
        yield net


class Setting:
    """Our node, which entered by honest nodes and a liar alike."""

    def __init__(self, liar: Liar, network: Mainline) -> None:
        self.liar = liar
        self.network = network
        self.disk = MemorySequenceStore()
        self.resolver = Resolver(network, self.disk, loop_ns)

    async def ask(self) -> list[DhtItem]:
        """Everything that the resolver tells."""
        told = [found.item async for found in self.resolver.user(KEY, fresh=True)]
        assert self.liar.look_ups > 0
        return told


@pytest.fixture
async def among(honest: DhtTestnet) -> AsyncIterator[Callable[..., Awaitable[Setting]]]:
    """Makes our node beside a liar; the honest nodes know the truth, or are not there at all."""
    made: list[Setting] = []

    async def make(answer: Answer, *, alone: bool = False) -> Setting:
        liar = Liar(answer)
        entry = [await liar.start(), *([] if alone else honest.entry_nodes)]
        network = Mainline(DhtMode(on=True, entry_nodes=tuple(entry)), DhtSettings(request_ms=500))
        network.start()
        made.append(Setting(liar, network))
        if not alone:
            await network.write(TRUTH, None)
        return made[-1]

    yield make
    for setting in made:
        await setting.resolver.stop()
        await setting.network.stop()
        setting.liar.stop()


Among = Callable[..., Awaitable[Setting]]


async def refuse(among: Among, answer: Answer) -> None:
    """The lie changes nothing where the truth is told, and is nothing where it stands alone."""
    setting = await among(answer)
    assert await setting.ask() == [TRUTH]
    await refuse_alone(among, answer)


async def refuse_alone(among: Among, answer: Answer) -> None:
    """The lie is no answer."""
    alone = await among(answer, alone=True)
    assert await alone.ask() == []
    assert alone.disk.known(KEY, USER_SALT) is None


async def test_what_it_says_truly_is_taken(among: Among) -> None:
    """The control: answers of this node do arrive."""
    newer = user_item(1, 6)
    setting = await among(lambda question: [question.item(newer)])
    assert (await setting.ask())[-1] == newer
    alone = await among(lambda question: [question.item(newer)], alone=True)
    assert await alone.ask() == [newer]


@pytest.mark.claim("C14")
async def test_a_forged_signature(among: Among) -> None:
    lie = user_item(1, 9)
    forged = bytes([lie.signature[0] ^ 1]) + lie.signature[1:]
    await refuse(among, lambda question: [question.item(lie, sig=forged)])


@pytest.mark.claim("C14")
async def test_another_text_under_a_good_signature(among: Among) -> None:
    lie = user_item(1, 9)
    await refuse(among, lambda question: [question.item(lie, v=user(8).text.encode())])


@pytest.mark.claim("C14")
async def test_another_number_under_a_good_signature(among: Among) -> None:
    await refuse(among, lambda question: [question.item(user_item(1, 9), seq=10)])


@pytest.mark.claim("C22")
async def test_what_the_key_signed_as_a_server(among: Among) -> None:
    await refuse(among, lambda question: [question.item(server_item(1, 9))])


@pytest.mark.claim("C14")
async def test_what_another_key_signed(among: Among) -> None:
    await refuse(among, lambda question: [question.item(user_item(2, 9))])
    await refuse(among, lambda question: [question.item(user_item(2, 9), k=KEY.bytes)])


@pytest.mark.claim("C14")
async def test_an_old_answer(among: Among) -> None:
    setting = await among(lambda question: [question.item(user_item(1, 4))])
    setting.liar.answer, old = (lambda _: []), setting.liar.answer
    assert await setting.ask() == [TRUTH]
    setting.liar.answer = old
    assert await setting.ask() == [TRUTH]
    # It is all that it is told now, and still it counts for nothing.
    alone = await among(old, alone=True)
    resolver = Resolver(alone.network, setting.disk, loop_ns)
    assert [found.item async for found in resolver.user(KEY, fresh=True)] == [TRUTH]


@pytest.mark.claim("C14")
async def test_the_same_number_with_another_text(among: Among) -> None:
    setting = await among(lambda _: [])
    assert await setting.ask() == [TRUTH]
    setting.liar.answer = lambda question: [question.item(user_item(1, 5, 77))]
    assert await setting.ask() == [TRUTH]
    cached = setting.resolver.cached_user(KEY)
    assert cached is not None
    assert cached.item == TRUTH


def long_item(length: int) -> bytes:
    return b"U\n" + b"x" * (length - 2)


@pytest.mark.claim("C14")
@pytest.mark.parametrize("length", [MAX_VALUE_BYTES + 1, 1_000, 1_001, 1_500])
async def test_a_text_that_is_too_long(among: Among, length: int) -> None:
    lie = DhtItem.sign(secret(1), USER_SALT, 9, long_item(MAX_VALUE_BYTES))
    object.__setattr__(lie, "value", long_item(length))
    object.__setattr__(lie, "signature", signature_of(lie))
    await refuse(among, lambda question: [question.item(lie)])


def signature_of(item: DhtItem) -> bytes:
    """What the key itself would sign, also where the rules forbid it."""
    signer = Ed25519PrivateKey.from_private_bytes(secret(1).reveal())
    return signer.sign(signed_bytes(item.salt, item.seq, item.value))


@pytest.mark.parametrize("value", [b"\xff\xfe\x00", b"U\xc3", b"", b"S\nmosaic://198.51.100.1/"], ids=repr)
async def test_a_signed_text_that_is_no_user_bootstrap(among: Among, value: bytes) -> None:
    lie = DhtItem.sign(secret(1), USER_SALT, 9, value)
    await refuse(among, lambda question: [question.item(lie)])


async def test_torn_answers(among: Among) -> None:
    def torn(question: Question) -> list[bytes]:
        whole = question.item(user_item(1, 9))
        return [whole[:kept] for kept in range(0, len(whole), 7)]

    await refuse(among, torn)


def garbage(question: Question) -> list[bytes]:
    """Datagrams that are no answers, many of which have felled somebody's parser."""
    head = b"d1:rd2:id20:" + question.node.id
    tail = b"e1:t%d:%b1:y1:re" % (len(question.transaction), question.transaction)
    return [
        b"",
        b"d" * 2_048,
        b"l" * 2_048,
        head + b"5:token" + b"l" * 1_900,
        head + b"1:v" + b"l" * 900 + b"e" * 900 + tail,
        head + b"1:v" + b"d1:a" * 400 + b"e" * 400 + tail,
        head + b"1:v99999999999999999999:x" + tail,
        head + b"1:v-1:x" + tail,
        head + b"3:seqi99999999999999999999999e" + tail,
        head + b"3:seqi-0e" + tail,
        head + b"3:seq1:x1:v1:x" + tail,
        head + b"1:k3:abc3:seqi1e3:sig3:abc1:v3:abc" + tail,
        b"d1:t0:1:y1:re",
        b"d1:t1000:" + bytes(1_000) + b"1:y1:re",
        bytes(range(256)) * 5,
        question.answer(nodes=b"not 26 bytes each"),
        question.answer(values=[b"x", 5, [], {}]),
        question.item(user_item(1, 9), sig=b"short"),
        question.item(user_item(1, 9), k=b"short"),
        question.item(user_item(1, 9), v=[1, 2, 3]),
        question.item(user_item(1, 9), v={b"a": 1}),
        question.item(user_item(1, 9), v=5),
    ]


async def test_answers_in_no_known_form(among: Among) -> None:
    await refuse(among, garbage)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(22))
async def test_an_answer_in_no_known_form(among: Among, number: int) -> None:
    """Each alone, since the first that has the form of an answer ends the wait for others."""
    await refuse_alone(among, lambda question: [garbage(question)[number]])


async def test_an_error_instead_of_an_answer(among: Among) -> None:
    await refuse(
        among, lambda q: [b"d1:eli301e3:cas" + b"e1:t%d:%b1:y1:ee" % (len(q.transaction), q.transaction)]
    )


@pytest.mark.claim("C14")
async def test_a_flood_of_answers(among: Among) -> None:
    def flood(question: Question) -> list[bytes]:
        answers = [question.item(user_item(1, 9), v=b"U\n%d" % number) for number in range(300)]
        return [*answers, *garbage(question), question.item(user_item(1, 4))]

    await refuse(among, flood)


async def test_ever_nearer_nodes_that_are_not_there(among: Among) -> None:
    asked = 0

    def lead_astray(question: Question) -> list[bytes]:
        nonlocal asked
        nodes = b""
        for _ in range(20):
            asked += 1
            near = question.target[:16] + asked.to_bytes(4, "big")
            # Port 9 of 127.x.y.z: nobody is there.
            nodes += near + bytes([127]) + asked.to_bytes(3, "big") + (9).to_bytes(2, "big")
        return [question.answer(nodes=nodes)]

    await refuse(among, lead_astray)


async def test_a_node_that_says_nothing(among: Among) -> None:
    alone = await among(lambda _: [], alone=True)
    assert await alone.ask() == []
    setting = await among(lambda _: [])
    assert await setting.ask() == [TRUTH]
    assert setting.resolver.last_look_up(KEY, USER_SALT).ended is LookUp.FOUND


async def test_a_node_that_says_stored_and_forgets(among: Among) -> None:
    alone = await among(lambda question: [question.answer()], alone=True)
    publisher = Publisher(alone.network, MemorySequenceStore(), loop_ns, no_chance)
    publisher.set(secret(1), user(1))
    told = await publisher.publish(KEY, USER_SALT)
    assert alone.liar.puts > 0
    assert told.state is PublicationState.FAILED


@pytest.mark.claim("C14")
async def test_a_writer_is_not_led_back_by_an_old_answer(among: Among) -> None:
    setting = await among(lambda question: [question.item(user_item(1, 2))])
    disk = MemorySequenceStore()
    publisher = Publisher(setting.network, disk, loop_ns, no_chance)
    publisher.set(secret(1), user(50))
    told = await publisher.publish(KEY, USER_SALT)
    assert (told.state, told.seq) == (PublicationState.PUBLISHED, 6)
    await setting.network.write(TRUTH, 6)

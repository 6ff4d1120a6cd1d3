"""Variants that break chat, withholding, blobs in parts, browser mode and Server Info."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mosaic.core.authentication import Authentication
from mosaic.core.community_kinds import PASSING_MESSAGE
from mosaic.core.kinds import CHAT_MESSAGE
from mosaic.policy.label import Label
from mosaic.policy.limits import Limits, LimitTable
from mosaic.policy.submission import Submission
from mosaic.policy.verdict import ACCEPT, Accept, Refuse
from mosaic.policy.work import WorkRule, work_bits
from mosaic.protocol.authentication import ServerAuthentication
from mosaic.server import judge
from mosaic.server.blob_book import BlobBook
from mosaic.server.blob_parts import BlobParts
from mosaic.server.identity import Authorities
from mosaic.server.sessions import Sessions
from mosaic.store.partial_blobs import PartialBlobs
from mosaic.testing.exam import wire
from mosaic.transport import Transport
from mosaic.wire.blob_messages import BlobPartResult
from mosaic.wire.result_code import ResultCode
from tests.broken.variant import around, settings, variant
from tests.server.web_memory import prover
from tests.testing import examined

_WS = partial(variant, alone=True, transport=Transport.WS)
_REFUSED = Refuse(ResultCode.UNAUTHORIZED, "")


def _judged(patch: pytest.MonkeyPatch, change: Any) -> None:
    """What the whole policy says of a record is changed."""

    def decide(former: Any, hooks: Any, asked: Any) -> Any:
        verdict = former(hooks, asked)
        return change(asked, verdict) if isinstance(asked, Submission) else verdict

    around(patch, judge, "decide", decide)


# --- chat


@variant(
    "chat.a_room_by_its_root",
    "chat.a_room_live",
    "chat.of_people_served",
    "chat.to_people_served",
)
def chat_messages_are_refused(patch: pytest.MonkeyPatch) -> None:
    _judged(patch, lambda asked, verdict: _REFUSED if asked.kind == CHAT_MESSAGE.bytes else verdict)


@variant("chat.passing_messages")
def passing_messages_are_refused(patch: pytest.MonkeyPatch) -> None:
    _judged(patch, lambda asked, verdict: _REFUSED if asked.kind == PASSING_MESSAGE.bytes else verdict)


@variant("chat.between_strangers", "chat.passing_messages_between_strangers")
def anybody_chats_here(patch: pytest.MonkeyPatch) -> None:
    chat = {CHAT_MESSAGE.bytes, PASSING_MESSAGE.bytes}
    _judged(patch, lambda asked, verdict: ACCEPT if asked.kind in chat else verdict)


# --- what is held back


def _relabelled(patch: pytest.MonkeyPatch, instead: Label) -> None:
    def change(_: Submission, verdict: Any) -> Any:
        held = isinstance(verdict, Accept) and verdict.label & Label.WITHHELD
        return Accept(instead) if held else verdict

    _judged(patch, change)


@variant(
    "withheld.comes_live_to_nobody_else",
    "withheld.its_author_does_not_read",
    "withheld.no_part_of_sync",
    "withheld.nobody_else_reads",
    "withheld.takes_no_place_in_limits",
    withholds=True,
)
def what_is_held_back_is_shown(patch: pytest.MonkeyPatch) -> None:
    _relabelled(patch, Label.NONE)


@variant(
    "withheld.comes_live_to_the_recipient",
    "withheld.recipient_reads",
    withholds=True,
)
def what_is_held_back_is_hidden(patch: pytest.MonkeyPatch) -> None:
    _relabelled(patch, Label.HIDDEN)


@variant("withheld.no_part_of_sync", withholds=True)
def sync_shows_recipients_what_is_held_back(patch: pytest.MonkeyPatch) -> None:
    _relabelled(patch, Label.ONLY_TAGGED)


@variant(
    "withheld.comes_live_to_nobody_else",
    "withheld.members_are_not",
    "withheld.takes_no_place_in_limits",
    withholds=True,
)
def members_are_held_back(patch: pytest.MonkeyPatch) -> None:
    member = examined.MEMBER.key_bytes

    def change(asked: Submission, verdict: Any) -> Any:
        return Accept(Label.WITHHELD) if asked.author == member else verdict

    _judged(patch, change)


# --- blobs in parts


@variant("blob_parts.go_on_over_another_link")
def each_offer_begins_anew(patch: pytest.MonkeyPatch) -> None:
    def begin(former: Any, own: PartialBlobs, blob_hash: bytes, key: bytes) -> Any:
        own.drop(blob_hash, key)
        return former(own, blob_hash, key)

    around(patch, PartialBlobs, "begin", begin)


@variant("blob_parts.without_an_offer")
def parts_of_members_need_no_offer(patch: pytest.MonkeyPatch) -> None:
    def came(former: Any, own: BlobParts, peer: Any, event: Any) -> None:
        if peer.at_home:
            peer.offers.setdefault(event.hash, 300_000)
        former(own, peer, event)

    around(patch, BlobParts, "came", came)


@variant("blob_parts.out_of_turn")
def parts_go_where_the_last_one_ended(patch: pytest.MonkeyPatch) -> None:
    def append(former: Any, own: PartialBlobs, blob_hash: bytes, key: bytes, _: int, data: bytes) -> Any:
        return former(own, blob_hash, key, own._at(own._path(blob_hash, key)).held, data)

    around(patch, PartialBlobs, "append", append)


@variant("blob_parts.false_hash")
def hashes_of_parts_are_believed(patch: pytest.MonkeyPatch) -> None:
    def finish(own: PartialBlobs, blob_hash: bytes, key: bytes) -> None:
        path = own._path(blob_hash, key)
        own._running.pop(path, None)
        own._blobs.path(blob_hash).parent.mkdir(parents=True, exist_ok=True)
        path.rename(own._blobs.path(blob_hash))

    patch.setattr(PartialBlobs, "finish", finish)


@variant("blob_parts.more_than_was_offered")
def parts_may_be_longer_than_the_blob(patch: pytest.MonkeyPatch) -> None:
    def append(former: Any, own: BlobParts, part: Any, length: int, *rest: Any) -> Any:
        if part.offset + len(part.data) > length:
            return ResultCode.SUCCESS, length
        return former(own, part, length, *rest)

    around(patch, BlobParts, "_append", append)


@variant("blob_parts.of_what_is_there")
def what_is_there_may_be_offered(patch: pytest.MonkeyPatch) -> None:
    def begin(former: Any, own: BlobParts, *given: Any) -> Any:
        answer = former(own, *given)
        return (ResultCode.SUCCESS, 0) if answer[0] is ResultCode.DUPLICATE else answer

    around(patch, BlobParts, "_begin", begin)


@variant("blob_parts.of_a_stranger")
def anybody_offers_blobs(patch: pytest.MonkeyPatch) -> None:
    def offered(former: Any, own: BlobParts, peer: Any, event: Any) -> None:
        with pytest.MonkeyPatch.context() as here:
            here.setattr(BlobBook, "refusal", lambda *_: None)
            former(own, peer, event)

    around(patch, BlobParts, "offered", offered)


@variant(
    "blob_parts.are_given",
    "blob_parts.go_on_over_another_link",
    "blob_parts.make_a_whole",
    "blob_parts.out_of_turn",
)
def the_last_part_is_as_others(patch: pytest.MonkeyPatch) -> None:
    def append(former: Any, own: BlobParts, *given: Any) -> Any:
        result, held = former(own, *given)
        return (ResultCode.SUCCESS if result is ResultCode.ACCEPTED else result), held

    around(patch, BlobParts, "_append", append)


@variant("blob_parts.are_given")
def parts_are_said_to_begin_at_the_beginning(patch: pytest.MonkeyPatch) -> None:
    def head(former: Any, blob_hash: bytes, _: int, length: int, size: int) -> Any:
        return former(blob_hash, 0, length, size)

    former = BlobPartResult.head
    patch.setattr(BlobPartResult, "head", staticmethod(partial(head, former)))


@variant("blob_parts.of_what_is_not_there")
def parts_of_what_is_not_there_are_empty(patch: pytest.MonkeyPatch) -> None:
    def encode(former: Any, own: BlobPartResult) -> Any:
        if own.result is ResultCode.NOT_FOUND:
            return former(BlobPartResult(own.hash, ResultCode.SUCCESS, own.offset, 0))
        return former(own)

    around(patch, BlobPartResult, "encode", encode)


# --- browsers


@_WS("browser.false_signature")
def keys_of_browsers_are_believed(patch: pytest.MonkeyPatch) -> None:
    def answered(former: Any, own: ServerAuthentication, *given: Any) -> None:
        former(own, *given)
        own._proven = True

    around(patch, ServerAuthentication, "answered", answered)


@_WS("browser.another_authority", "browser.other_names")
def every_name_is_the_servers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Authorities, "__contains__", lambda *_: True)


@_WS(
    "browser.client_proves_its_key",
    "browser.false_signature",
    "browser.hello_in_the_head",
    "browser.server_proves_its_key",
)
def the_server_proves_nothing(patch: pytest.MonkeyPatch) -> None:
    def unproven(server: Any) -> Any:
        made = prover(server)
        return type(made)(made.key, lambda _: bytes(64), made.entropy)

    patch.setattr(examined, "prover", unproven)


@_WS("browser.server_proves_its_key", "browser.client_proves_its_key", "browser.false_signature")
def proofs_in_messages_forget_the_clients_nonce(patch: pytest.MonkeyPatch) -> None:
    def challenged(former: Any, own: Any, message: Any, now_ns: int) -> Any:
        asked = former(own, message, now_ns)
        if not isinstance(asked, Authentication):
            return asked
        return Authentication(
            asked.server_key, asked.client_key, bytes(32), asked.server_nonce, asked.authority
        )

    around(patch, ServerAuthentication, "challenged", challenged)


@_WS("browser.client_proves_its_key")
def proven_keys_of_browsers_count_for_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sessions, "_key_proven", lambda *_: None)


# --- Server Info


def _says(patch: pytest.MonkeyPatch, change: Any) -> None:
    """The server says something else about itself than what is."""
    former = examined.say

    async def say(running: Any, said: Any, now_ns: int) -> None:
        if (instead := change(said)) is not None:
            await former(running, instead, now_ns)

    patch.setattr(examined, "say", say)


@variant(
    "server_info.asks_the_work_it_says",
    "server_info.can_be_read",
    "server_info.for_everybody",
    "server_info.of_nobody_else",
    "server_info.tells_its_roles",
)
def nothing_is_said_about_the_server(patch: pytest.MonkeyPatch) -> None:
    _says(patch, lambda _: None)


@variant("server_info.tells_its_roles")
def the_inbox_is_not_told(patch: pytest.MonkeyPatch) -> None:
    def change(said: Any) -> Any:
        return type(said)(roles=tuple(role for role in said.roles if role != "inbox"))

    _says(patch, change)


def _asks(patch: pytest.MonkeyPatch, bits: int) -> None:
    row = Limits(work_bits=bits)
    settings(patch, limits=LimitTable(anonymous=row, stranger=row))
    patch.setattr(wire, "PAUSES_S", (0.01,))


@variant("server_info.asks_the_work_it_says", "server_info.tells_its_roles", alone=True)
def more_work_is_asked_than_is_said(patch: pytest.MonkeyPatch) -> None:
    _asks(patch, 9)
    _says(patch, lambda said: type(said)(roles=said.roles))


@variant("server_info.asks_no_work_of_members", alone=True)
def members_work_too(patch: pytest.MonkeyPatch) -> None:
    _asks(patch, 7)
    patch.setattr(WorkRule, "done", lambda _, record, bits, __: work_bits(record) >= bits)


@variant("server_info.asks_the_work_it_says", alone=True)
def work_is_said_and_not_asked(patch: pytest.MonkeyPatch) -> None:
    _asks(patch, 7)
    patch.setattr(WorkRule, "done", lambda *_: True)

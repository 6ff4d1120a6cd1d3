"""Records and posts as objects for people's programs: what `--json` prints.

64-bit integers are strings, keys and references stand in their human form,
and every time has its ISO 8601 form beside it.

Source: human_encodings.md; edition §5 (J1); this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mosaic.client.queue import Delivery, State
from mosaic.client.traffic import Traffic
from mosaic.core import human, kinds, social_kinds
from mosaic.core.core_tags import Target
from mosaic.core.keys import PublicKey
from mosaic.core.record import Record
from mosaic.core.server_info import ServerInfo
from mosaic.core.timestamp import Timestamp
from mosaic.dht.network import DhtPassed
from mosaic.errors import InvalidContent
from mosaic.node import sent
from mosaic.node.clock import Clock
from mosaic.node.control import Json, JsonObject
from mosaic.node.deliveries import Waiting
from mosaic.node.my_servers import MyServer, Trouble
from mosaic.node.states import DhtState, ServerState
from mosaic.node.synced import SyncState
from mosaic.node.unaddressed import Letter
from mosaic.social import posts
from mosaic.social.feeds import Post
from mosaic.wire.result_code import ResultCode

NameOf = Callable[[PublicKey], str | None]


def time_fields(timestamp: Timestamp, prefix: str = "time") -> JsonObject:
    """`time` in ns as a string, and `time_iso`."""
    return {prefix: str(int(timestamp)), f"{prefix}_iso": timestamp.iso()}


def record_object(record: Record) -> JsonObject:
    """A valid record, whatever its kind."""
    shown: JsonObject = {
        "id": record.id.text,
        "address": record.address.text,
        "kind": record.kind.bytes.hex(),
        "kind_name": kinds.name(record.kind),
        "author": record.author.user_text,
        "signer": record.signer.user_text,
        **time_fields(record.timestamp),
        "flags": record.flags.hex(),
        "tags": [{"type": tag.type, "value": tag.value.hex()} for tag in record.tags],
        "bytes": len(record),
    }
    try:
        shown["text"] = social_kinds.text_of(record)
    except InvalidContent:
        shown["payload"] = record.payload.hex()
    return shown


def server_info_object(record: Record, info: ServerInfo) -> JsonObject:
    """What a server says about itself."""
    return {
        "server": record.author.server_text,
        "name": info.name,
        "serves": info.serves,
        "roles": list(info.roles),
        "inbox": info.inbox,
        "work": dict(info.work),
        "limits": {name: str(value) for name, value in info.limits.items()},
        "rules": list(info.rules),
        "contact": info.contact,
        "terms": info.terms,
        "service_url": info.service_url,
        "id": record.id.text,
        **time_fields(record.timestamp),
    }


def record_text(record: Record) -> str:
    """`morecord0…`: the whole record as one word."""
    return human.encode(human.RECORD, record.data)


def post_object(post: Post, name_of: NameOf) -> JsonObject:
    """A post as a reader sees it, the newest version with the others below it."""
    newest = post.newest
    return {
        "address": post.address.text,
        "id": newest.id.text,
        "kind": newest.kind.bytes.hex(),
        "kind_name": kinds.name(newest.kind),
        "author": post.author.user_text,
        "author_name": name_of(post.author),
        "text": post.text(name_of),
        **time_fields(post.time),
        "edited": post.is_edited,
        **time_fields(newest.timestamp, "edited_time"),
        "reply": _target(posts.parent_of(newest)),
        "root": _target(posts.root_of(newest)),
        "versions": [{"id": version.id.text, **time_fields(version.timestamp)} for version in post.versions],
    }


def _target(target: Target | None) -> Json:
    return None if target is None else target.reference.text


def delivery_object(delivery: Delivery) -> JsonObject:
    """How one record stands towards one server."""
    is_queued = delivery.state is State.QUEUED
    return {
        "server": delivery.server.key.server_text,
        "urls": [str(url) for url in delivery.server.urls],
        "state": str(delivery.state),
        "result": None if delivery.result is None else ResultCode(delivery.result).name,
        "attempts": delivery.attempts,
        "note": delivery.note,
        "standing": sent.of_one(delivery, Clock.time_of_day),
        "next_try_iso": Timestamp(delivery.next_try_ns).iso(0) if is_queued else None,
    }


def deliveries_object(deliveries: Sequence[Delivery]) -> JsonObject:
    """How a record stands towards all servers that it goes to."""
    return {
        "deliveries": [delivery_object(delivery) for delivery in deliveries],
        "queued": sum(delivery.state == "queued" for delivery in deliveries),
        "delivered": sum(delivery.state == "delivered" for delivery in deliveries),
        "refused": sum(delivery.state == "refused" for delivery in deliveries),
        "standing": sent.words(deliveries, Clock.time_of_day),
    }


def waiting_object(waiting: Waiting) -> JsonObject:
    """What waits for one server, and what it refused."""
    return {
        "server": waiting.server.server_text,
        "queued": waiting.queued,
        "refused": waiting.refused,
        "standing": "" if waiting.first is None else sent.of_one(waiting.first, Clock.time_of_day),
        "last_refusal": "" if waiting.last_refusal is None else ResultCode(waiting.last_refusal).name,
        "note": "" if waiting.first is None else waiting.first.note,
        "next_try_iso": None if waiting.first is None else Timestamp(waiting.first.next_try_ns).iso(0),
    }


def letter_object(letter: Letter, note: str) -> JsonObject:
    """A record that waits for a server of its recipient to be found."""
    return {
        "server": None,
        "urls": [],
        "person": letter.person.user_text,
        "state": "queued",
        "result": None,
        "attempts": 0,
        "note": note,
        "standing": "queued until a server is found",
        "next_try_iso": None,
    }


def server_object(state: ServerState) -> JsonObject:
    """How one server does."""
    return {
        "key": state.key,
        "urls": list(state.urls),
        "of": list(state.of),
        "mine": state.mine,
        "state": state.state,
        "via": state.via,
        "detail": state.detail,
    }


def my_server_object(server: MyServer) -> JsonObject:
    """How a server does that somebody uses."""
    return {
        "key": server.key,
        "uses": list(server.uses),
        "urls": list(server.urls),
        "mine": server.mine,
        "health": server.health,
        "score": server.score,
        "latency_ms": server.latency_ms,
        "reached_iso": server.reached_iso,
        "received_bytes": str(server.received),
        "sent_bytes": str(server.sent),
        "waiting": server.waiting,
        "alarms": [trouble_object(each) for each in server.troubles],
    }


def trouble_object(trouble: Trouble) -> JsonObject:
    """What is wrong with a server."""
    return {
        "what": trouble.what,
        "server": trouble.server,
        "words": trouble.words,
        "note": trouble.note,
        "act": trouble.act,
        "since_iso": trouble.since_iso,
    }


def sync_object(state: SyncState) -> JsonObject:
    """How the syncs of one kind with one server do."""
    return {
        "server": state.server,
        "way": state.way,
        "done_iso": Timestamp(state.done_ns).iso(0) if state.done_ns else "",
        "note": state.note,
    }


def traffic_objects(traffic: Traffic) -> list[JsonObject]:
    """What passed to and from each server since the node began, in bytes; None = before a key was proven."""
    return [
        {
            "server": None if server is None else server.server_text,
            "passed": {
                str(purpose): {"came": passed.came, "went": passed.went, "messages": passed.messages}
                for purpose, passed in purposes.items()
            },
            "twice": 0 if server is None else traffic.twice.get(server, 0),
        }
        for server, purposes in traffic.by_server().items()
    ]


def dht_traffic_object(passed: DhtPassed | None) -> JsonObject | None:
    """What passed to and from the DHT since the node began; None where it is off or nothing is counted."""
    if passed is None:
        return None
    return {
        "came": passed.came,
        "packets_came": passed.packets_came,
        "went": passed.went,
        "packets_went": passed.packets_went,
    }


def dht_object(state: DhtState) -> JsonObject:
    """How the DHT does."""
    return {
        "mode": state.mode,
        "state": state.state,
        "detail": state.detail,
        "published_iso": state.published_iso,
    }

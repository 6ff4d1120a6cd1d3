"""A node that remembers what the page asked of it, and a browser in front of its page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx

from mosaic.errors import InvalidText, MosaicError
from mosaic.node.keys_face import ShownKey
from mosaic.node.storage_face import ShownKept, ShownShare, ShownStorage
from mosaic.web.app import create_app
from mosaic.web.face import (
    DhtState,
    Entry,
    FollowedPerson,
    MyServer,
    ServerState,
    Service,
    Sheet,
    ShownKeys,
    ShownPairing,
    Status,
    Trouble,
    Unlocking,
)
from mosaic.web.settings import WebSettings

TIME = "2026-01-02T03:04:05.000000000Z"
TOKEN = "correct-horse"
HOST = "127.0.0.1:8123"
ORIGIN = f"http://{HOST}"


class Keys:
    """Keys that remember what the page asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.under_way = ShownPairing()
        self.where = "home"
        self.refusal: MosaicError | None = None
        self.keys = [
            ShownKey("mopub0laptop", "device", "<i>laptop</i>", "active", "", mine=True, used_iso=TIME),
            ShownKey("mopub0phone", "device", "phone", "active", "", mine=False),
            ShownKey("mopub0pen", "persona", "pen", "active", "", mine=False),
            ShownKey("boxkey", "encryption", "", "active", "", mine=False),
            ShownKey("mopub0gone", "device", "gone", "revoked", TIME, mine=False),
        ]

    def place(self) -> str:
        return self.where

    def pairing(self) -> ShownPairing:
        return self.under_way

    async def shown(self) -> ShownKeys:
        return ShownKeys(self.keys, self.where, ["Say `mosaic key list`."], self.under_way)

    def _ask(self, *what: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(what)

    async def label(self, key: str, label: str) -> str:
        self._ask("label", key, label)
        return "It is called so."

    async def retire(self, key: str, opening: Unlocking) -> str:
        self._ask("retire", key, opening.sealed or "", opening.password or "")
        return "It is out of use."

    async def revoke(self, key: str, since: str, opening: Unlocking, *, keep_personas: bool) -> str:
        kept = ("personas stay",) if keep_personas else ()
        self._ask("revoke", key, since, opening.sealed or "", opening.password or "", *kept)
        return "The key is <revoked>."

    async def roll(self, what: str, opening: Unlocking) -> str:
        self._ask("roll", what, opening.password or "")
        return "There is a new key."

    async def persona(self, label: str, opening: Unlocking) -> str:
        self._ask("persona", label, opening.password or "")
        return "There is a persona."

    async def pair(self, opening: Unlocking) -> None:
        self._ask("pair", opening.sealed or "", opening.password or "")

    def join(self, code: str, label: str) -> None:
        self._ask("join", code, label)

    async def sheet(self, password: str, opening: Unlocking) -> Sheet:
        self._ask("sheet", password, opening.password or "")
        return Sheet("ana", "MOSAIC <SHEET>", "mocryptsec0abc", "it is short")

    def put_off(self) -> bool:
        self._ask("put_off")
        return True

    async def restore(self, sheet: str, password: str) -> None:
        self._ask("restore", sheet, password)

    def agree(self, *, same: bool) -> None:
        self.asked.append(("agree", str(same)))

    async def stop(self) -> None:
        self.asked.append(("stop",))


class Storage:
    """What is on a machine; remembers what the page asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.refusal: MosaicError | None = None

    async def shown(self) -> ShownStorage:
        return ShownStorage(
            stays=[ShownShare("mine", 3, 1_200_000)],
            cache=[ShownShare("of people followed", 1, 500)],
            cache_bytes=500,
            keep_bytes=20_000_000_000,
            blobs=2,
            blob_bytes=4_000,
            own_blob_bytes=1_000,
            free_bytes=10**11,
            kept=[
                ShownKept("mopub0friend", "<b>friend</b>", is_person=True, records=7, bytes=700),
                ShownKept("moref0post", "", is_person=False, records=1, bytes=300),
            ],
        )

    async def keep(self, what: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(("keep", what))

    def keep_no_longer(self, what: str) -> None:
        self.asked.append(("no longer", what))


class Node:
    """A node that remembers what the page asked of it."""

    def __init__(self, name: str = "ana") -> None:
        self.keys = Keys()
        self.storage = Storage()
        self.name = name
        self.entries: list[Entry] = []
        self.followed: list[FollowedPerson] = []
        self.asked: list[tuple[str, ...]] = []
        self.servers: list[ServerState] = []
        self.dht = DhtState("off", "off", "The DHT is off.", "")
        self.waiting = 0
        self.told = Service(
            name="The <b>choir</b>",
            key="mosrv0me",
            urls=["mosaictcp://choir.example/"],
            who="Everybody.",
            roles=[("Outbox", "Keeps what people publish.")],
            rules=["Be kind & brief."],
            always=["You may leave at any time."],
            limits=[("Longest record", "1 MiB")],
            contact="Write to https://choir.example/contact",
            terms="https://choir.example/terms",
            account="",
            version="0.1.0",
        )
        self.refusal: MosaicError | None = None
        self.mine: list[MyServer] = []
        self.troubles: list[Trouble] = []
        self.sheet = ""
        self.key_gone = False

    def service(self) -> Service:
        return self.told

    def status(self) -> Status:
        return Status(
            self.name,
            "mopub0me",
            "mosrv0me",
            ("mosaictcp://127.0.0.1:1/",),
            self.waiting,
            self.servers,
            self.dht,
            "mopub0me",
            "mosaic:mopub0me?follow",
            self.troubles,
            self.sheet,
            self.key_gone,
        )

    async def begin(self, name: str) -> Status:
        self._refuse()
        self.name = name
        return self.status()

    async def feed(self, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        self.asked.append(("feed", before))
        return self.entries[:limit]

    async def wall(self, person: str, *, before: str = "", limit: int = 30) -> Sequence[Entry]:
        if not person.startswith("mopub0"):
            raise InvalidText("this is no key")
        return [entry for entry in self.entries if entry.author == person]

    async def thread(self, reference: str) -> Sequence[Entry]:
        return [e for e in self.entries if reference in {e.reference, e.answers}]

    async def entry(self, reference: str) -> Entry | None:
        return next((e for e in self.entries if e.reference == reference), None)

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def post(self, text: str) -> Entry:
        self._refuse()
        self.asked.append(("post", text))
        self.entries.insert(0, entry(text, f"moref0{len(self.entries)}"))
        return self.entries[0]

    async def reply(self, reference: str, text: str) -> Entry:
        self.asked.append(("reply", reference, text))
        return await self.post(text)

    async def follow(self, person: str, *, server: str = "", server_key: str = "") -> FollowedPerson:
        self._refuse()
        self.asked.append(("follow", person, server, server_key))
        return FollowedPerson(person, "", (server,), "connecting")

    async def unfollow(self, person: str) -> None:
        self.asked.append(("unfollow", person))

    def my_servers(self) -> Sequence[MyServer]:
        return self.mine

    async def check_servers(self) -> None:
        self._refuse()
        self.asked.append(("check_servers",))

    def people(self) -> Sequence[FollowedPerson]:
        return self.followed

    async def changes(self) -> AsyncIterator[None]:
        yield None
        yield None


def entry(
    text: str, reference: str = "moref0a", author: str = "mopub0me", name: str = "ana", answers: str = ""
) -> Entry:
    mine = author == "mopub0me"
    return Entry(reference, author, name, text, "2026-01-02T03:04:05.000000000Z", False, answers, mine)


def browser(node: Node, *, logged_in: bool = True, settings: WebSettings | None = None) -> httpx.AsyncClient:
    app = create_app(node, settings or WebSettings(), token=TOKEN, hosts=[HOST, "localhost:8123"])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)
    if logged_in:
        client.cookies.set("mosaic_8123", TOKEN, domain="127.0.0.1")
    return client

"""Writing without a home: posts, replies, edits, Deletions and profiles, signed here.

Source: microblog.md, reply_comment.md, profile.md; edition §4 (edits, replies, Deletion).
"""

from __future__ import annotations

import contextlib
from typing import Final

from mosaic.api.links import Links
from mosaic.api.publishing import Publishing
from mosaic.api.reading import Reading
from mosaic.core import nonce, reference
from mosaic.core.keys import SecretKey
from mosaic.core.profile import Profile
from mosaic.core.record import Record
from mosaic.errors import MasterAway, MosaicError, UsageError
from mosaic.node.arguments import Arguments, parse_kind, parse_tag
from mosaic.node.control import Act, Items, JsonObject
from mosaic.node.entropy import entropy
from mosaic.node.master import Master
from mosaic.social import posts, profiles

_SETTLE_S: Final = 10.0
# Records of one's own whose deliveries can be asked about.
_REMEMBERED: Final = 10_000


class Writing:
    """The acts of who speaks.

    Args:
        links: Reaches others.
        reading: Finds what is answered or edited.
    """

    def __init__(self, links: Links, reading: Reading) -> None:
        self._links = links
        self._reading = reading
        self._publishing = Publishing(links)

    def table(self) -> dict[str, Act]:
        """These acts by their names."""
        return {
            "post": self.post,
            "reply": self.reply,
            "edit": self.edit,
            "delete": self.delete,
            "record": self.record,
            "deliveries": self.deliveries,
        }

    async def post(self, given: JsonObject) -> Items:
        """As the node's act `post`."""
        arguments, who = Arguments(given), self._links.who
        kind = parse_kind(arguments.optional_text("kind") or "post")
        yield await self._publishing.publish(
            posts.post(who, arguments.text("text"), now=self._links.clock.now(), kind=kind)
        )

    async def reply(self, given: JsonObject) -> Items:
        """As the node's act `reply`."""
        arguments, who = Arguments(given), self._links.who
        parent = await self._named(arguments)
        yield await self._publishing.publish(
            posts.reply(who, parent, arguments.text("text"), now=self._links.clock.now())
        )

    async def edit(self, given: JsonObject) -> Items:
        """As the node's act `edit`."""
        arguments, who = Arguments(given), self._links.who
        newest = await self._reading.find((await self._named(arguments)).address)
        yield await self._publishing.publish(
            posts.edit(who, newest, arguments.text("text"), now=self._links.clock.now())
        )

    async def delete(self, given: JsonObject) -> Items:
        """As the node's act `delete`."""
        found, who = await self._named(Arguments(given)), self._links.who
        at = nonce.random(entropy(nonce.NONCE_LENGTH))
        yield await self._publishing.publish(
            posts.delete(who, found, now=self._links.clock.now(), at=at), found
        )

    async def record(self, given: JsonObject) -> Items:
        """As the node's act `record`, its payload in hexadecimal digits."""
        arguments, now = Arguments(given), self._links.clock.now()
        place = arguments.optional_text("at")
        record = posts.other(
            self._links.who,
            parse_kind(arguments.text("kind")),
            bytes.fromhex(arguments.text("payload")),
            now=now,
            at=nonce.from_time(now) if place is None else nonce.from_string(place.encode()),
            tags=[parse_tag(text) for text in arguments.texts("tags")],
        )
        yield await self._publishing.publish(record)

    async def set_profile(self, given: JsonObject) -> Items:
        """As the node's act `profile` that sets fields.

        Raises:
            MasterAway: the identity has a device's key.
            UsageError: a new profile is given no name.
        """
        who, changes = self._links.who, given.get("set")
        assert isinstance(changes, dict)
        if who.key != who.author:
            raise MasterAway(
                "a profile is signed by the master key, and this identity has a device's",
                hint="Change the profile in the home: Client.home(…).set_profile(…)",
            )
        with contextlib.suppress(MosaicError):
            await self._reading.learn_names([who.author])
        before = self._reading.profile_of(who.author)
        if before is None and not isinstance(changes.get("name"), str):
            raise UsageError("a profile begins with a name", hint="Give one: set_profile(name=…)")
        changed = profiles.changed(before or Profile(name=str(changes.get("name"))), changes)
        with Master(SecretKey.from_seed(who.secret.reveal())) as master:
            record = master.profile(changed, self._links.clock.now())
        yield await self._publishing.publish(record)
        self._reading.forget_profile(who.author)

    async def deliveries(self, given: JsonObject) -> Items:
        """As the node's act `deliveries`, of what this client published itself."""
        yield self._publishing.stands(reference.parse(Arguments(given).text("reference")))

    # --- inside -----------------------------------------------------------------------------------

    async def _named(self, arguments: Arguments) -> Record:
        return await self._reading.find(reference.parse(arguments.text("reference")))

"""A readable archive: a folder that any browser opens, with all records and files in open formats beside it.

    DIR/index.html            whose posts, month by month
    DIR/posts/KEY/2026-11.html
    DIR/blobs/HASH.png        each file by the hash of what is in it
    DIR/records.jsonl         the records, as `mosaic export` writes them

Made again in the same folder it is brought up to date: files that are there are
not copied again, pages and records are replaced when the new ones are whole.

Source: this project's own design, docs/architecture.md "What stays, what goes".
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.core.keys import PublicKey
from mosaic.core.timestamp import Timestamp
from mosaic.errors import HomeDamaged, UsageError
from mosaic.node.control import Items, JsonObject
from mosaic.node.records import OwnRecords
from mosaic.node.steps import in_thread
from mosaic.social import archive_pages, feeds, profiles
from mosaic.social.archive_pages import Attachment, Months
from mosaic.social.feeds import Post
from mosaic.store.blob_ledger import blobs_named
from mosaic.store.record_source import RecordSource

if TYPE_CHECKING:
    from mosaic.node.node import Node

RECORDS: Final = "records.jsonl"
_INDEX: Final = "index.html"
_MARK: Final = ".mosaic-archive"
_SOME: Final = 200
_KEY_LETTERS: Final = 20
_HEAD_BYTES: Final = 12
_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
)


class Archive:
    """One archive. `prepare` first, then `records.jsonl` is written there, then `fill`.

    Args:
        node: The open home.
        folder: Where it goes.
        people: Whose posts are shown.
    """

    def __init__(self, node: Node, folder: Path, people: Sequence[PublicKey]) -> None:
        self._node = node
        self._folder = folder
        self._people = people
        self._records = OwnRecords(RecordSource(node.store), lambda: None)
        self._blobs: dict[bytes, Attachment] = {}
        self.posts = 0

    @property
    def files(self) -> int:
        """How many blobs are in it so far."""
        return sum(bool(each.path) for each in self._blobs.values())

    @property
    def lacking(self) -> int:
        """How many blobs its records name that are not at hand."""
        return len(self._blobs) - self.files

    def prepare(self) -> Path:
        """Makes the folder; where the records go.

        Raises:
            UsageError: it holds something else.
            HomeDamaged: it can't be written.
        """
        folder = self._folder
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if not (folder / _MARK).exists() and any(folder.iterdir()):
                raise UsageError(
                    f"{folder} is no archive and not empty", hint="Name a new folder, or an earlier archive."
                )
            (folder / _MARK).write_text("1\n", "ascii")
        except OSError as error:
            raise _not_written(folder, error) from error
        return folder / RECORDS

    def fill(self, records: int) -> Generator[int]:
        """Writes pages and files; gives the number of posts now and then. Runs in a thread.

        Args:
            records: How many records `records.jsonl` has.

        Raises:
            HomeDamaged: something can't be written.
            StoreError: the store failed.
        """
        try:
            shown = []
            for person in self._people:
                pages: list[tuple[str, str, int]] = []
                yield from self._person(person, pages)
                for blob in self._node.ledger.brought_by(person.bytes):
                    self._attachment(blob)
                shown.append(Months(person, self._name(person) or "", pages))
            now = Timestamp(self._node.clock.now_ns()).iso(0)
            page = archive_pages.index_page(now, shown, records, self.files, self.lacking)
            _write(self._folder / _INDEX, page)
        except OSError as error:
            raise _not_written(self._folder, error) from error
        yield self.posts

    def _person(self, person: PublicKey, pages: list[tuple[str, str, int]]) -> Generator[int]:
        folder = Path("posts") / person.user_text[len("mopub0") :][:_KEY_LETTERS]
        (self._folder / folder).mkdir(parents=True, exist_ok=True)
        name = self._name(person) or person.user_text
        # A post stands where its first version stands, so months come one after another.
        for month, written in itertools.groupby(self._posts(person), lambda post: post.time.iso(0)[:7]):
            some = list(written)
            page = archive_pages.month_page(month, name, some, self._name, self._attached, f"../../{_INDEX}")
            path = folder / f"{month}.html"
            _write(self._folder / path, page)
            pages.append((month, path.as_posix(), len(some)))
            self.posts += len(some)
            yield self.posts

    def _posts(self, person: PublicKey) -> Iterator[Post]:
        before = None
        while True:
            page = feeds.page(self._records, [person], limit=_SOME, before=before)
            yield from page.posts
            before = page.next
            if before is None:
                return

    def _name(self, person: PublicKey) -> str | None:
        return profiles.name_of(self._records, person)

    def _attached(self, post: Post) -> list[Attachment]:
        return [self._attachment(blob) for blob in dict.fromkeys(blobs_named(post.newest.data))]

    def _attachment(self, blob: bytes) -> Attachment:
        if blob not in self._blobs:
            self._blobs[blob] = self._file(blob)
        return self._blobs[blob]

    def _file(self, blob: bytes) -> Attachment:
        """A blob in the folder `blobs`, copied if it is not there yet."""
        source, name = self._node.blobs.path(blob), blob.hex()
        try:
            with source.open("rb") as file:
                ending = _ending(file.read(_HEAD_BYTES))
            length = source.stat().st_size
        except FileNotFoundError:
            return Attachment(name, "", is_picture=False)
        target = self._folder / "blobs" / f"{name}{ending}"
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or target.stat().st_size != length:
            part = target.with_name(target.name + ".part")
            shutil.copyfile(source, part)
            part.replace(target)
        return Attachment(name, f"../../blobs/{name}{ending}", is_picture=bool(ending))


async def archived(archive: Archive, records: Items) -> Items:
    """Writes an archive; tells how far it is, and at the end what is in it.

    Args:
        archive: The archive, prepared.
        records: Writes the records, as the act `export` does.
    """
    written = "0"
    async with aclosing(records) as steps:
        async for step in steps:
            written = str(step["records"])
            yield _told(archive, written, done=False)
    async with aclosing(in_thread(archive.fill(int(written)))) as filling:
        async for _ in filling:
            yield _told(archive, written, done=False)
    yield _told(archive, written, done=True)


def _told(archive: Archive, records: str, *, done: bool) -> JsonObject:
    return {
        "records": records,
        "posts": str(archive.posts),
        "blobs": str(archive.files),
        "blobs_lacking": str(archive.lacking),
        "done": done,
    }


def _ending(head: bytes) -> str:
    """The ending of a picture's name by its first bytes; empty for everything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    return next((ending for begin, ending in _PICTURES if head.startswith(begin)), "")


def _write(path: Path, text: str) -> None:
    """A page, whole or not at all."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def _not_written(folder: Path, error: OSError) -> HomeDamaged:
    return HomeDamaged(
        f"{folder} can't be written: {error.strerror}",
        hint="Make room, or name a folder that you may write to; what is there already is kept.",
    )

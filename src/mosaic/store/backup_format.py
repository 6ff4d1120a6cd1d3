"""The file of a backup: pieces of files, checksummed, and encrypted unless that was refused.

The head, 32 bytes: `[0:8]` `MOSAICBK`, `[8]` version 1, `[9]` how the key is
made (0: not encrypted, 1: scrypt with log_n 18, r 8, p 1), `[10:16]` zero,
`[16:32]` salt.

Then chunks: 1 MiB of plaintext each, the last one shorter or not, and not
empty. Encrypted ones have 16 bytes more: ChaCha20-Poly1305, nonce = u64 number
of the chunk ‖ u32 (1 on the last chunk, else 0), both big-endian, aad = the head.
So no chunk can be changed, left out, moved or cut off.

The plaintext is frames as in `store.stream`: `[0:4]` length of the body
(little-endian), `[4]` what it is, `[5:8]` zero, the body, zeros to the next
multiple of 8.

    16 manifest   a part of the manifest, JSON: what is in the backup, with lengths and hashes
    17 piece      u32 number of a member ‖ bytes that belong to its end
    3  end        u64 number of frames before ‖ BLAKE3-256 of all plaintext before

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, fields
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mosaic._kernel import _rust
from mosaic.errors import BackupDamaged, UsageError, WrongPassword

MAGIC: Final = b"MOSAICBK"
VERSION: Final = 1
HEAD_BYTES: Final = 32
SALT_BYTES: Final = 16
CHUNK: Final = 1 << 20
PIECE: Final = 1 << 20
"""The most bytes of a member in one frame."""

STEP: Final = 32 << 20
"""About so many bytes pass between two tellings of how far it is."""

_PLAIN, _SCRYPT = 0, 1
_LOG_N: Final = {_SCRYPT: 18}
_TAG: Final = 16
_MANIFEST, _PIECE, _END = 16, 17, 3
_MAX_BODY: Final = 4 + PIECE
_MAX_MANIFEST: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a backup.

    Attributes:
        name: Its path in the home, parts separated by `/`.
        length: In bytes.
        hash: Its BLAKE3-256, hexadecimal.
    """

    name: str
    length: int
    hash: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        program: The version of the program that made it.
        home: The layout of the home.
        server: The server's key, `mosrv0…`.
        made_ns: When it was made (ns, Mosaic time).
        end: The position up to which the log is in it.
        last_received_ns: The greatest received time in it (ns).
        records: How many records were served.
        members: Its files.
    """

    program: str
    home: int
    server: str
    made_ns: int
    end: int
    last_received_ns: int
    records: int
    members: tuple[Member, ...] = field(default=())

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Reads one. Raises BackupDamaged."""
        try:
            form: dict[str, Any] = json.loads(data)
            members = tuple(Member(**member) for member in form.pop("members"))
            manifest = cls(**form, members=members)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise BackupDamaged("the backup's manifest can't be read") from None
        if not (_is_as_declared(manifest) and all(map(_is_as_declared, members))):
            raise BackupDamaged("the backup's manifest holds what is no part of one")
        return manifest


class BackupWriter:
    """Writes a backup.

    Args:
        out: Where to; the caller closes it.
        password: What it is encrypted with; None leaves it readable for everybody.
        salt: 16 random bytes.
    """

    def __init__(self, out: BinaryIO, password: str | None, salt: bytes) -> None:
        self._out = out
        kdf = _PLAIN if password is None else _SCRYPT
        self._head = MAGIC + bytes((VERSION, kdf)) + bytes(6) + salt
        self._cipher = None if password is None else _cipher(password, salt, kdf)
        self._buffer = bytearray()
        self._chunks = 0
        self._frames = 0
        self._hash = _rust.Blake3()
        self._members: list[Member] = []
        self.written = 0
        self._put(self._head)

    def add(self, name: str, source: BinaryIO, length: int | None = None) -> Member:
        """Adds a file: its first `length` bytes, or all of it.

        Raises:
            BackupDamaged: it is shorter.
            OSError: it can't be read, or the backup can't be written.
        """
        number = len(self._members).to_bytes(4, "big")
        running, done = _rust.Blake3(), 0
        while piece := source.read(PIECE if length is None else min(PIECE, length - done)):
            running.update(piece)
            done += len(piece)
            self._frame(_PIECE, number, piece)
        if length is not None and done < length:
            raise BackupDamaged(
                f"{name} has {done:,} bytes, {length:,} were to be there",
                hint="Look at the home with `mosaic check` before you back it up.",
            )
        member = Member(name, done, running.digest().hex())
        self._members.append(member)
        return member

    def finish(self, manifest: Manifest) -> Manifest:
        """Writes what all of it is; the manifest with the members that were added. Raises OSError."""
        form = {**asdict(manifest), "members": tuple(self._members)}
        whole = Manifest(**form)
        data = whole.encode()
        for begin in range(0, len(data), PIECE):
            self._frame(_MANIFEST, data[begin : begin + PIECE])
        digest = self._hash.digest()
        self._frame(_END, self._frames.to_bytes(8, "big"), digest)
        self._chunk(bytes(self._buffer), last=True)
        return whole

    def _frame(self, what: int, *body: bytes) -> None:
        length = sum(map(len, body))
        head = length.to_bytes(4, "little") + bytes((what, 0, 0, 0))
        self._frames += 1
        for part in (head, *body, bytes(-length % 8)):
            self._hash.update(part)
            self._buffer += part
        while len(self._buffer) > CHUNK:
            # What is full goes out, but one byte at least stays for the last chunk.
            self._chunk(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]

    def _chunk(self, data: bytes, *, last: bool) -> None:
        if self._cipher is not None:
            data = self._cipher.encrypt(_nonce(self._chunks, last=last), data, self._head)
        self._chunks += 1
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self.written += len(data)


class BackupReader:
    """Reads a backup piece by piece.

    Args:
        source: Where from, at its beginning.
        password: What it was encrypted with.

    Raises:
        UsageError: it is no backup, or of a newer version; or a password is missing.
        OSError: it can't be read.
    """

    def __init__(self, source: BinaryIO, password: str | None) -> None:
        self._source = source
        self._head = source.read(HEAD_BYTES)
        if len(self._head) < HEAD_BYTES or self._head[:8] != MAGIC:
            raise UsageError("this is no backup", hint="Name a file that `mosaic backup` wrote.")
        version, kdf = self._head[8:10]
        if version != VERSION or kdf not in {_PLAIN, _SCRYPT} or any(self._head[10:16]):
            raise UsageError(
                f"the backup has version {version}, this program knows {VERSION}",
                hint="Restore it with the version of Mosaic that made it, or a newer one.",
            )
        self.encrypted = kdf != _PLAIN
        if self.encrypted and password is None:
            raise UsageError(
                "the backup is encrypted", hint="Name the file with its password: --password-file FILE."
            )
        self._cipher = _cipher(password, self._head[16:32], kdf) if password and self.encrypted else None
        self.manifest: Manifest | None = None

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """The pieces of members, each with its member's number; afterwards `manifest` is there.

        Raises:
            WrongPassword: another password, or not a byte of it is as it was.
            BackupDamaged: something was changed or is missing.
            OSError: it can't be read.
        """
        running, manifest = _rust.Blake3(), bytearray()
        for frames, (what, body, whole) in enumerate(_frames(self._chunks())):
            if what == _END:
                if body != frames.to_bytes(8, "big") + running.digest():
                    raise BackupDamaged("the backup's checksum is not that of what it holds")
                self.manifest = Manifest.parse(bytes(manifest))
                return
            running.update(whole)
            if what == _MANIFEST:
                manifest += body
                if len(manifest) > _MAX_MANIFEST:
                    raise BackupDamaged("the backup's manifest is longer than any")
            elif what == _PIECE and len(body) >= 4:
                yield int.from_bytes(body[:4], "big"), body[4:]
        raise BackupDamaged("the backup ends before it is whole")

    def _chunks(self) -> Iterator[bytes]:
        size = CHUNK + (_TAG if self.encrypted else 0)
        number, chunk = 0, self._source.read(size)
        while chunk:
            following = self._source.read(size)
            yield self._opened(number, chunk, last=not following)
            number, chunk = number + 1, following

    def _opened(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        if self._cipher is None:
            return chunk
        try:
            return self._cipher.decrypt(_nonce(number, last=last), chunk, self._head)
        except InvalidTag:
            if number == 0:
                raise WrongPassword(
                    "the password does not open this backup",
                    hint="Try another one. If it is right, the file is damaged: take another copy.",
                ) from None
            raise BackupDamaged(f"the backup is damaged about byte {number * CHUNK:,}, or cut off") from None


def _is_as_declared(part: Manifest | Member) -> bool:
    """Whether each field is of the type that it is to have."""
    types = {"str": str, "int": int}
    return all(type(getattr(part, each.name)) is types.get(str(each.type), tuple) for each in fields(part))


def _frames(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    """The frames in a row of chunks: what it is, its body, all its bytes. Raises BackupDamaged."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        at = 0
        while len(buffer) - at >= 8:
            length, what = int.from_bytes(buffer[at : at + 4], "little"), buffer[at + 4]
            if length > _MAX_BODY or any(buffer[at + 5 : at + 8]):
                raise BackupDamaged("the backup holds what is no part of one")
            end = at + 8 + length + -length % 8
            if end > len(buffer):
                break
            yield what, bytes(buffer[at + 8 : at + 8 + length]), bytes(buffer[at:end])
            at = end
        del buffer[:at]


def _cipher(password: str, salt: bytes, kdf: int) -> ChaCha20Poly1305:
    key = Scrypt(salt=salt, length=32, n=1 << _LOG_N[kdf], r=8, p=1).derive(password.encode())
    return ChaCha20Poly1305(key)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(8, "big") + int(last).to_bytes(4, "big")


def unpack(reader: BackupReader, folder: Path) -> Generator[int, None, Manifest]:
    """Writes the members of a backup into a folder, durably, each under its number; gives the bytes so far.

    Returns:
        The manifest, when every member was found to be what it says.

    Raises:
        WrongPassword, BackupDamaged: see `BackupReader.pieces`.
        OSError: something can't be read or written.
    """
    found: dict[int, tuple[int, str]] = {}
    done, told = 0, 0
    for number, pieces in groupby(reader.pieces(), key=itemgetter(0)):
        if number in found:
            raise BackupDamaged("the parts of a file in the backup do not stand together")
        running, length = _rust.Blake3(), 0
        with (folder / str(number)).open("xb") as out:
            for _, piece in pieces:
                out.write(piece)
                running.update(piece)
                length += len(piece)
                if done + length - told >= STEP:
                    told = done + length
                    yield told
            out.flush()
            os.fsync(out.fileno())
        found[number] = length, running.digest().hex()
        done += length
    assert reader.manifest is not None
    for number, member in enumerate(reader.manifest.members):
        if not member.length and number not in found:
            (folder / str(number)).touch()
            found[number] = 0, _rust.Blake3().digest().hex()
        if found.get(number) != (member.length, member.hash):
            raise BackupDamaged(f"{member.name} in the backup is not what it was")
    return reader.manifest

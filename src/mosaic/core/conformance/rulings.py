"""Which field of a case decides where the published text and the reference library disagree.

A vector file gives the library's answer, and beside it the text's where they
differ, under a code. `RULINGS` says for each code whose answer holds; it is
the whole judgement, `mosaic conformance --explain` prints it. A code that is
not in the table fails its case.

Source: edition §5 (and §1, §3 where named).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any


class Answer(Enum):
    """Whose answer a case is measured by; the value is how `--explain` words it."""

    LIBRARY = "`valid`, `match` and the values"
    TEXT = "`spec_…` in place of the field of that name"
    ACCEPTED = "accepted, with the values"
    REFUSED = "refused"
    OPEN = "open: neither passed nor failed"


@dataclass(frozen=True, slots=True)
class Ruling:
    """How cases with one code are judged.

    Args:
        code: The code in the case's `disagreement`.
        stated: Whose answer holds where the case has a `spec_…` field.
        silent: Whose answer holds where it has none.
        sentence: The rule behind it, for people.
        operations: Another answer for single operations of cases without a `spec_…` field.
        decided_by: A boolean field of the case that says whether it must be accepted, in place of `silent`.
        set_aside: Fields with the library's value of what is decided otherwise; they are not compared.
    """

    code: str
    stated: Answer
    silent: Answer
    sentence: str
    operations: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))
    decided_by: str = ""
    set_aside: frozenset[str] = frozenset()

    def answer(self, case: Mapping[str, object]) -> Answer:
        """Whose answer holds for this case."""
        if any(name.startswith("spec_") and name != "spec_silent" for name in case):
            return self.stated
        if self.decided_by in case:
            return Answer.ACCEPTED if case[self.decided_by] in (True, "ok") else Answer.REFUSED
        return self.operations.get(str(case.get("op")), self.silent)


def _text(code: str, sentence: str, silent: Answer = Answer.REFUSED, **more: frozenset[str] | str) -> Ruling:
    return Ruling(code, Answer.TEXT, silent, sentence, **more)  # type: ignore[arg-type]


def _settled(code: str, answer: Answer, sentence: str, **more: frozenset[str] | str) -> Ruling:
    return Ruling(code, answer, answer, sentence, **more)  # type: ignore[arg-type]


_PREFIX = frozenset({"prefix_valid", "prefix_error"})
_TIMES = frozenset({"bytes", "inverse_bytes"})

AGREED = Ruling("", Answer.LIBRARY, Answer.LIBRARY, "Text and library agree, or only the library defines it.")
"""For cases without a code."""

RULINGS: Mapping[str, Ruling] = MappingProxyType(
    {
        ruling.code: ruling
        for ruling in (
            _text("K1", "Server keys are written as mosrv0 and read as such."),
            _settled("K2", Answer.REFUSED, "A human encoding is the canonical one: unused bits are zero."),
            _settled("K3", Answer.REFUSED, "A human encoding is the canonical one: no character is missing."),
            _text("K4", "Keys of small order are refused wherever they stand.", set_aside=_PREFIX),
            _text("K5", "Keys that are not canonical are refused wherever they stand.", set_aside=_PREFIX),
            _text("S1", "Signatures are verified by the cofactored equation.", set_aside=_PREFIX),
            _text("S2", "Only A is refused for small order, R need only be canonical."),
            _text("T1", "A leap second counts from the second of its entry on.", set_aside=_TIMES),
            _text("T2", "The clock works on past the end of the leap second table.", set_aside=_TIMES),
            _text("R1", "Flag bytes 3 to 7 are ignored, bytes 1 and 2 must be zero.", set_aside=_PREFIX),
            _text("R2", "LenS must be 64.", set_aside=_PREFIX),
            _settled("R3", Answer.ACCEPTED, "Padding is written as zero and not judged, it is signed."),
            _text("R4", "The nonce begins with a 1 bit.", set_aside=_PREFIX),
            _text("R5", "Reserved bits of a kind and read access 10 are refused.", set_aside=_PREFIX),
            _text(
                "R6",
                "A malformed tags section is refused (`reference_tag_iteration` is not `ok`);"
                " what core tags hold is not judged.",
                decided_by="reference_tag_iteration",
                set_aside=_PREFIX | {"reference_tag_iteration"},
            ),
            _settled("R7", Answer.REFUSED, "A record that ends early is refused like any other."),
            _settled("R8", Answer.REFUSED, "A tags section has at most 65,535 bytes."),
            _settled("R9", Answer.REFUSED, "A payload has at most 1,048,576 - 216 - LenTPad bytes, padded."),
            _settled("R10", Answer.REFUSED, "A record has at least 216 bytes."),
            _settled(
                "J1",
                Answer.REFUSED,
                "Importing JSON verifies everything: `record_valid` decides.",
                decided_by="record_valid",
                set_aside=frozenset({"record", "record_valid"}),
            ),
            _settled("G1", Answer.REFUSED, "A tag's value has at most 65,531 bytes."),
            _text("G2", "A tag's length is at least 4."),
            _text("G3", "URLs of images and videos have at most 248 bytes."),
            _text("G4", "The empty set of tags is valid.", Answer.ACCEPTED),
            _settled(
                "G5",
                Answer.ACCEPTED,
                "A tag of type 0 is padding and is skipped: it is none of the record's `tags`.",
                set_aside=frozenset({"tags"}),
            ),
            _settled("F1", Answer.LIBRARY, "Kinds in filters are big-endian like everywhere."),
            _text("F2", "Exclude leaves out the records whose id begins with a given prefix."),
            _text("F3", "Of a unique element only the first counts."),
            _text("F4", "Zero padding of any length after a tag is fine.", Answer.ACCEPTED),
            _text("F5", "A tag without a value is compared like any other."),
            _text("F6", "An element whose length byte is 0 is refused."),
            _text("F7", "Reserved bytes and padding of a filter are zero, else it is refused."),
            _text("F8", "Without a time of receipt the received elements match.", Answer.LIBRARY),
            _text("F9", "A filter's length field is its exact length: no leftovers, nothing cut."),
            _text("F10", "Exclude holds whole prefixes of 32 bytes."),
            _settled("F11", Answer.REFUSED, "A filter has at most 65,528 bytes."),
            _settled("M1", Answer.LIBRARY, "Messages have the 8-byte header of the library."),
            _settled("M2", Answer.REFUSED, "A HELLO AUTH has exactly 104 bytes."),
            _settled("M3", Answer.ACCEPTED, "Unused bytes of message headers are ignored."),
            _settled("M4", Answer.REFUSED, "Bytes after the content of a message are refused."),
            _settled("M5", Answer.LIBRARY, "The result of a blob submission names the whole 32-byte hash."),
            _settled("M6", Answer.ACCEPTED, "A blob result names the hash that was asked for."),
            _settled("M7", Answer.LIBRARY, "The look-up is the library's."),
            _settled("M8", Answer.ACCEPTED, "Undefined types are decoded, the session answers them."),
            _text("B1", "The usage of a server is one character, 1 to 7."),
            _text("B2", "Usage and key are separated by one space."),
            _text("B3", "A bootstrap has at most 983 bytes."),
            _settled("B4", Answer.ACCEPTED, "Writers must name an outbox and an inbox, readers take any."),
            _text("B5", "An empty or cut line is refused by the strict reader."),
            _text("B6", "A bootstrap without any server is refused by the strict reader."),
            Ruling(
                "U1",
                Answer.TEXT,
                Answer.REFUSED,
                "The schemes are mosaic, mosaictcp and mosaicwss.",
                operations=MappingProxyType({"dht_item": Answer.ACCEPTED}),
            ),
            _text("U2", "A URL's path is / or nothing."),
            _text("U3", "User, password, query and fragment are pruned."),
            _text("U4", "No onion host with the scheme mosaic."),
            _text("U5", "Host and port must be such."),
            _text(
                "Y1",
                "Entries are typed; those of 48 bytes are reported as foreign.",
                Answer.LIBRARY,
            ),
            _text("Y3", "Every rule of a key schedule is verified."),
            _text("Y4", "A key schedule is signed by the master key."),
            _text("P1", "Profiles have text keys and byte strings; the library's own form is refused."),
            _text("P3", "A profile is signed by the master key."),
            _text("P4", "A profile is one CBOR map with nothing after it."),
            _text("E1", "Passwords are normalised to NFKC."),
            _settled("E2", Answer.OPEN, "The secret part has 40 bytes; what log_n 0 means is nowhere said."),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Implied:
    """A code that decides cases which carry none, or another, though they fall under its sentence as well.

    Args:
        file: The vector file, without its ending.
        operation: The cases' operation.
        code: The code by which they are judged.
        condition: What such a case holds, for people.
        holds: Whether a case that the library accepts holds it.
    """

    file: str
    operation: str
    code: str
    condition: str
    holds: Callable[[Mapping[str, Any]], bool]

    def applies(self, file: str, case: Mapping[str, Any]) -> bool:
        """Whether a case of `file` falls under it."""
        here = (file, case.get("op")) == (self.file, self.operation)
        return here and case.get("valid", True) is True and "spec_valid" not in case and self.holds(case)


def _own_scheme(field: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda case: re.search(r"(?im)^(wss|https):", str(case.get(field))) is not None


def _reserved_kind(case: Mapping[str, Any]) -> bool:
    flags = [int(str(kind)[-4:], 16) for kind in case.get("kinds", ())]
    return any(flag & 0xFFE0 or flag & 0x0C == 0x08 for flag in flags)


def _address_of_reserved_kind(case: Mapping[str, Any]) -> bool:
    data = str(case.get("bytes", case.get("input")))
    return data[:1] in "89abcdef" and _reserved_kind({"kinds": [data[16:32]]})


_RESERVED = "the kind in its address has a reserved bit or read access 10"

IMPLIED: tuple[Implied, ...] = (
    Implied("addresses", "from_parts", "R5", _RESERVED, _address_of_reserved_kind),
    Implied("addresses", "from_bytes", "R5", _RESERVED, _address_of_reserved_kind),
    Implied("references", "valid", "R5", _RESERVED, _address_of_reserved_kind),
    Implied("references", "from_bytes", "R5", _RESERVED, _address_of_reserved_kind),
    Implied("urls", "parse", "U1", "`input` has one of the library's own schemes", _own_scheme("input")),
    Implied("server_bootstraps", "parse", "U1", "`text` has the library's own schemes", _own_scheme("text")),
    Implied("profiles", "reference_form", "P1", "it is in the library's own form", lambda _: True),
    Implied("filters", "element", "R5", "`kinds` has a reserved bit or read access 10", _reserved_kind),
)


def ruling_for(file: str, case: Mapping[str, Any]) -> Ruling | None:
    """The ruling by which a case is judged; None if its code is unknown."""
    implied = (entry.code for entry in IMPLIED if entry.applies(file, case))
    code = next(implied, case.get("disagreement"))
    return AGREED if code is None else RULINGS.get(str(code))


def explain() -> Iterator[str]:
    """The table as lines of text: code, what decides, and the rule."""
    yield f"{'none':<5}{AGREED.silent.value}. {AGREED.sentence}"
    for ruling in RULINGS.values():
        if ruling.decided_by:
            decides = f"`{ruling.decided_by}`"
        elif ruling.stated == ruling.silent:
            decides = ruling.silent.value
        else:
            decides = f"{ruling.stated.value}; without one: {ruling.silent.value}"
        for operation, answer in ruling.operations.items():
            decides += f"; in {operation}: {answer.value}"
        if ruling.set_aside:
            decides += f"; not compared: {', '.join(sorted(ruling.set_aside))}"
        yield f"{ruling.code:<5}{decides}. {ruling.sentence}"
    for entry in IMPLIED:
        yield f"{entry.code:<5}also in {entry.file} ({entry.operation}) where {entry.condition}."

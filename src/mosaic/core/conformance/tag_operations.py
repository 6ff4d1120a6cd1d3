"""What the operations of tags.json and tag_sets.json mean here.

Source: tags.md, core_tags.md; edition §5 (G1 to G5).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from mosaic.core import core_tags, reference, tag
from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.conformance.error_names import ERROR_NAMES
from mosaic.core.core_tags import TagType, Target
from mosaic.core.keys import PublicKey
from mosaic.core.kind import Kind
from mosaic.core.record import padded
from mosaic.core.tag import Tag
from mosaic.errors import FormatError, InvalidTag

_SEGMENT: Final = "CONTENT_SEGMENT_"


def op_type(case: Case) -> Values:
    """The number of a core tag's type."""
    name = case["constant"].removeprefix(_SEGMENT)
    return {"code": int(TagType["NOTIFY" if name == "NOTIFY_PUBLIC_KEY" else name])}


def _key(case: Case) -> PublicKey:
    return PublicKey.from_bytes(bytes.fromhex(case["public_key"]))


def _target(case: Case) -> Target:
    return Target(Kind(bytes.fromhex(case["kind"])), reference.from_bytes(bytes.fromhex(case["reference"])))


_CORE: Final[MappingProxyType[str, Callable[[Case], Tag]]] = MappingProxyType(
    {
        "notify_public_key": lambda case: core_tags.notify(_key(case)),
        "reply": lambda case: core_tags.reply(*_target(case)),
        "root": lambda case: core_tags.root(*_target(case)),
        "nostr_sister": lambda case: core_tags.nostr_sister(bytes.fromhex(case["nostr_id"])),
        "subkey": lambda case: core_tags.subkey(_key(case)),
        "content_segment_user_mention": lambda case: core_tags.user_mention(_key(case), case["offset"]),
        "content_segment_server_mention": lambda case: core_tags.server_mention(_key(case), case["offset"]),
        "content_segment_quote": lambda case: core_tags.quote(*_target(case), case["offset"]),
        "content_segment_url": lambda case: core_tags.url(case["url"], case["offset"]),
        "content_segment_image": lambda case: core_tags.image(case["url"], case["offset"]),
        "content_segment_video": lambda case: core_tags.video(case["url"], case["offset"]),
    }
)


def op_core(case: Case) -> Values:
    """A core tag made of its parts, and the parts read back."""
    made = _CORE[case["tag"]](case)
    values: dict[str, object] = {
        "bytes": made.encode().hex(),
        "type": int(made.type),
        "value": made.value.hex(),
        "url": core_tags.url_of(made),
        "offset": core_tags.offset_of(made),
    }
    if (key := core_tags.key_of(made)) is not None:
        values["public_key"] = key.bytes.hex()
    if (target := core_tags.target_of(made)) is not None:
        values["kind"], values["reference"] = target.kind.bytes.hex(), target.reference.bytes.hex()
    if (nostr_id := core_tags.nostr_id_of(made)) is not None:
        values["nostr_id"] = nostr_id.hex()
    return values


def op_generic(case: Case) -> Values:
    """Any tag."""
    return {"bytes": Tag(case["type"], bytes.fromhex(case["value"])).encode().hex()}


def op_generic_len(case: Case) -> Values:
    """A tag with a value of zero bytes: its length and type."""
    return {"header": Tag(case["type"], bytes(case["value_len"])).encode()[: tag.HEADER_LENGTH].hex()}


def op_parse(case: Case) -> Values:
    """The first tag of some bytes."""
    read = Tag.from_bytes(bytes.fromhex(case["bytes"]))
    return {"tag_len": read.length, "type": read.type, "value": read.value.hex()}


def op_accessors(case: Case) -> Values:
    """What can be read from a damaged core tag: one reader after the other."""
    read = Tag.from_bytes(bytes.fromhex(case["bytes"]))
    return {
        "get_public_key": _outcome(case["get_public_key"], lambda: core_tags.key_of(read)),
        "get_reference": _outcome(case["get_reference"], lambda: core_tags.target_of(read)),
        "get_url": _outcome(case["get_url"], lambda: core_tags.url_of(read)),
    }


def _outcome(given: dict[str, str | None], reader: Callable[[], object]) -> dict[str, object]:
    """What a reader gives, or the library's name of the error where ours is of that family."""
    try:
        value = reader()
    except FormatError as refusal:
        name = given.get("error") or ""
        family = (InvalidTag,) if name == "Utf8" else ERROR_NAMES.get(name, ())
        return {"error": name if isinstance(refusal, family) else refusal.code}
    if isinstance(value, PublicKey):
        return {"ok": value.bytes.hex()}
    return {"ok": value.reference.bytes.hex() if isinstance(value, Target) else value}


def op_tag_set(case: Case) -> Values:
    """Tags to a section, with and without padding, and back."""
    tags = [Tag(number, bytes.fromhex(value)) for number, value in case["tags"]]
    section = tag.section(tags)
    length = padded(len(section))
    return {
        "tags": _pairs(tag.tags_from_section(section)),
        "bytes": section.hex(),
        "len": len(section),
        "padded_len": length,
        "padded": section.ljust(length, b"\0").hex(),
    }


def op_set_parse(case: Case) -> Values:
    """A section to its tags."""
    return {"tags": _pairs(tag.tags_from_section(bytes.fromhex(case["bytes"])))}


def _pairs(tags: tuple[Tag, ...]) -> list[list[object]]:
    return [[entry.type, entry.value.hex()] for entry in tags]


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("tags", "type"): Operation(op_type),
        ("tags", "core"): Operation(op_core, library=library_forms.segment_url),
        ("tags", "generic"): Operation(op_generic),
        ("tags", "generic_len"): Operation(op_generic_len),
        ("tags", "parse"): Operation(op_parse),
        ("tags", "accessors"): Operation(op_accessors),
        ("tag_sets", "tag_set"): Operation(op_tag_set),
        ("tag_sets", "parse"): Operation(op_set_parse),
    }
)

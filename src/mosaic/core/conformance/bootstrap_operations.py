"""What the operations of user_bootstraps.json and server_bootstraps.json mean here.

Parsing is that of the strict reader.

Source: bootstrap.md; edition §3 (strict reader), §5 (B1 to B6, K1).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core import human
from mosaic.core.bootstrap import DhtItem, ServerBootstrap, ServerUse, Usage, UserBootstrap, next_write
from mosaic.core.conformance import library_forms
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.dht_item import signed_bytes
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import ServerUrl


def op_user_format(case: Case) -> Values:
    """Entries to the text of a user bootstrap."""
    entries = tuple(
        ServerUse(Usage(usage), PublicKey.from_bytes(bytes.fromhex(key))) for usage, key in case["entries"]
    )
    text = UserBootstrap(entries).text
    return {"text": text, "len": len(text.encode())}


def op_user_parse(case: Case) -> Values:
    """The text of a user bootstrap to its entries, and written again."""
    bootstrap = UserBootstrap.parse(case["text"])
    return {
        "entries": [[int(entry.usage), entry.key.bytes.hex()] for entry in bootstrap.entries],
        # The library writes server keys with the prefix of users (K1).
        "rewritten": bootstrap.text.replace(human.SERVER_KEY, human.USER_KEY),
    }


def op_server_format(case: Case) -> Values:
    """URLs to the text of a server bootstrap."""
    text = ServerBootstrap(tuple(map(ServerUrl.parse, case["urls"]))).text
    return {"text": text, "len": len(text.encode())}


def op_server_parse(case: Case) -> Values:
    """The text of a server bootstrap to its URLs, and written again."""
    text = case["text"]
    bootstrap = ServerBootstrap.parse(text)
    return {
        "len": len(text.encode()),
        "urls": list(map(str, bootstrap.urls)),
        "rewritten": bootstrap.text,
    }


def op_dht_item(case: Case) -> Values:
    """A text to its signed item in the DHT."""
    secret = SecretKey.from_seed(bytes.fromhex(case["seed"]))
    salt, seq, value = case["salt"].encode(), case["seq"], case["text"].encode()
    item = DhtItem.sign(secret, salt, seq, value)
    return {
        "valid": item.verify(),
        "public_key": item.key.bytes.hex(),
        "value": item.value.hex(),
        "signed_bytes": signed_bytes(salt, seq, value).hex(),
        "signature": item.signature.hex(),
        "target": item.target.hex(),
    }


def op_write_plan(case: Case) -> Values:
    """How to write over a sequence number."""
    plan = next_write(case["current_seq"])
    return {"cas": plan.cas, "new_seq": plan.seq}


_NOT_OF_THE_TEXT: Final = frozenset({"seq"})  # where the text was found, which parsing never sees

OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("user_bootstraps", "format"): Operation(op_user_format),
        ("user_bootstraps", "parse"): Operation(
            op_user_parse, _NOT_OF_THE_TEXT, library_forms.user_bootstrap
        ),
        ("user_bootstraps", "dht_item"): Operation(op_dht_item),
        ("user_bootstraps", "write_plan"): Operation(op_write_plan),
        ("server_bootstraps", "format"): Operation(op_server_format, library=library_forms.server_text),
        ("server_bootstraps", "parse"): Operation(op_server_parse, library=library_forms.server_bootstrap),
        ("server_bootstraps", "dht_item"): Operation(op_dht_item),
        ("server_bootstraps", "write_plan"): Operation(op_write_plan),
    }
)

"""Nothing that holds a secret shows it when it is printed."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator

import mosaic

SECRET = re.compile(r"secret|passw|passphrase|seed|token|sealed|\bcode\b|login|random|private_key|nsec", re.I)
HARMLESS_TYPES = ("Path", "SecretKey", "X25519Secret", "NostrSecret", "Unlocking", "bool", "int")
"""Their own reprs show nothing, or they are none."""
HARMLESS = {
    "mosaic.core.encryption.Stanza.sealed": "what is encrypted",
    "mosaic.core.conformance.rulings.Ruling.code": "the name of an error",
    "mosaic.core.conformance.rulings.Implied.code": "the name of an error",
    "mosaic.node.operating_settings.BackupSettings.password_file": "the name of a file",
}


def shown_fields() -> Iterator[tuple[str, str]]:
    """Each field that the repr of a dataclass shows, and its type."""
    for module in pkgutil.walk_packages(mosaic.__path__, "mosaic."):
        if module.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
                continue
            # Made by `dataclass`, and not written by hand.
            if kind.__module__ == module.name and hasattr(vars(kind).get("__repr__"), "__wrapped__"):
                for field in dataclasses.fields(kind):
                    if field.repr:
                        yield f"{module.name}.{kind.__name__}.{field.name}", str(field.type)


def test_no_dataclass_shows_a_secret() -> None:
    fields = dict(shown_fields())
    assert len(fields) > 500
    shown = {
        name
        for name, kind in fields.items()
        if SECRET.search(name.rpartition(".")[2]) and not any(each in kind for each in HARMLESS_TYPES)
    }
    assert shown == set(HARMLESS)

"""Nothing is signed but where it is said to be: read from the source, so that a new place fails here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "mosaic"

# What makes a signature, by the module that defines it and its name there.
SIGNING = {
    "mosaic.core.builder": {"build", "seal"},
    "mosaic.core.deletion": {"build"},
    "mosaic.core.dht_item": {"DhtItem.sign"},
    "mosaic.core.key_schedule": {"build", "attest"},
    "mosaic.core.profile": {"build"},
    "mosaic.core.schedule_entry": {"attest"},
    "mosaic.core.server_act": {"build"},
    "mosaic.core.server_info": {"build"},
    "mosaic.core.vouch": {"build"},
}
KERNEL = {"seal_record", "sign_attestation", "sign_authentication"}

PLACES = {
    "social/signer.py": "records of devices, personas and servers",
    "node/master.py": "what a master key signs",
    "dht/writer.py": "where a server listens, in the DHT, by the server's own key",
}
"""Who may call it, beside `core`, where it is defined, and `testing`, which makes people up."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(("core/", "testing/", "_kernel/")):
            yield name, ast.parse(path.read_text("utf-8"))


def names(tree: ast.Module) -> dict[str, str]:
    """What each name in a module stands for: `mosaic.core.builder`, or `mosaic.core.key_schedule.attest`."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update({each.asname or each.name: f"{node.module}.{each.name}" for each in node.names})
        elif isinstance(node, ast.Import):
            found.update({each.asname or each.name: each.name for each in node.names})
    return found


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def uses(tree: ast.Module) -> Iterator[str]:
    """The signing functions that a module names, called or handed on."""
    known = names(tree)
    signing = {f"{module}.{name}" for module, some in SIGNING.items() for name in some}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, _, rest = dotted(node).partition(".")
            whole = f"{known.get(head, head)}.{rest}".rstrip(".")
            if whole in signing:
                yield whole
            if isinstance(node, ast.Attribute) and node.attr in KERNEL and "_kernel" in whole:
                yield whole


@pytest.mark.claim("C2", "C3")
def test_records_are_signed_in_their_places_alone() -> None:
    found = {name for name, tree in modules() if any(uses(tree))}
    assert found == set(PLACES)


@pytest.mark.claim("C3")
def test_the_master_signs_nothing_but_its_own_kinds() -> None:
    tree = ast.parse((SOURCE / "node" / "master.py").read_text("utf-8"))
    (master,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Master")
    methods = {node.name for node in master.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in methods if not name.startswith("_")}
    signs = {"schedule", "profile", "vouch", "handover", "invitation", "sign"}
    assert public == signs | {"secret", "erase", "recovery"}


@pytest.mark.parametrize(
    "text",
    [
        "from mosaic.core import builder\nbuilder.build(secret)",
        "from mosaic.core import builder as b\nb.seal(secret)",
        "from mosaic.core.builder import build\nbuild(secret)",
        "from mosaic.core.key_schedule import attest as say\nmap(say, secrets)",
        "from mosaic.core.dht_item import DhtItem\nDhtItem.sign(secret)",
        "from mosaic.core import vouch\nvouch.build(secret)",
        "from mosaic._kernel import _rust\n_rust.seal_record(secret)",
    ],
)
def test_a_new_place_is_found(text: str) -> None:
    assert list(uses(ast.parse(text)))


def test_other_calls_are_not_taken_for_signing() -> None:
    text = "from mosaic.core import builder\nfrom x import attest\nbuilder.signed_data()\nattest()\nit.sign()"
    assert not list(uses(ast.parse(text)))

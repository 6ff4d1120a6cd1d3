"""`mosaic test-server` against `mosaic serve`: an operator adds the exam's member, and every check passes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback.processes import Node, Testnet, environment, one

from mosaic.core import encrypted_secret_key
from mosaic.core.community_kinds import DELETION, PRIVATE_DELETION
from mosaic.core.keys import SecretKey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(700), pytest.mark.claim("C33", "C90")]
TRANSPORTS = ("tcp", "quic", "ws")
DELETIONS = {DELETION.bytes.hex(), PRIVATE_DELETION.bytes.hex()}


@pytest.fixture(scope="module")
def dht() -> Iterator[str]:
    with Testnet() as testnet:
        yield testnet.entry


@pytest.fixture
def served(tmp_path: Path, dht: str) -> Iterator[tuple[Node, Path]]:
    """A node with every role, and the file of a key that its operator has listed."""
    node = Node(tmp_path / "operator", "operator", over=TRANSPORTS, dht=dht)
    (node.home / "mosaic.toml").write_text("[roles]\nchat = true\n", encoding="utf-8")
    with node:
        made = one("key", "new")
        node.do("admin serve", made["key"])
        file = tmp_path / "member.txt"
        file.write_text(f"{made['secret']}\n", encoding="utf-8")
        yield node, file


def examined(node: Node, *more: str | Path) -> tuple[int, list[str]]:
    urls = [str(node.line[transport]) for transport in TRANSPORTS]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mosaic",
            "test-server",
            *urls,
            "--key",
            str(node.line["server"]),
            *map(str, more),
        ],
        capture_output=True,
        env=environment(),
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout.decode().splitlines()


def test_our_server_passes_over_all_transports(served: tuple[Node, Path]) -> None:
    node, file = served
    code, lines = examined(node, "--member", file)
    wrong = [line for line in lines if not line.startswith("passed")]
    assert (code, wrong[:-1]) == (0, []), lines
    passed = int(lines[-1].split()[0])
    assert lines[-1] == f"{passed} passed, 0 failed, 0 not run, 0 open"
    assert passed > 1_000
    # Nothing stays but the Deletions by which the exam took back what it had written.
    member = SecretKey.parse(file.read_text().strip()).public.user_text
    left = {each["kind"] for each in node.do("query", "--author", member, "--limit", "1000")}
    assert left <= DELETIONS, left


def test_an_inbox_that_holds_back_passes_its_own_checks(served: tuple[Node, Path]) -> None:
    node, file = served
    code, lines = examined(node, "--member", file, "--only", "withheld")
    assert (code, lines) == (1, ["0 passed, 0 failed, 0 not run, 0 open"])  # it does not hold back
    (node.home / "mosaic.toml").write_text("[roles]\nwithhold = true\n", encoding="utf-8")
    node.do("admin reload")
    code, lines = examined(node, "--member", file, "--only", "withheld", "--only", "server_info")
    assert (code, lines[-1].partition(" passed")[2]) == (0, ", 0 failed, 0 not run, 0 open"), lines
    assert int(lines[-1].split()[0]) == 3 * (8 + 6)


def test_without_a_member_it_says_what_was_left_out(
    served: tuple[Node, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, file = served
    code, lines = examined(node, "--only", "roles", "--transport", "tcp", "--json")
    objects = [json.loads(line) for line in lines]
    left = [each for each in objects if each.get("outcome") == "not run"]
    assert code == 1
    assert left
    assert all("--member" in each["detail"] and each["claims"] and each["rule"] for each in left)
    assert objects[-1]["not run"] == len(left)
    secret = SecretKey.parse(file.read_text().strip())
    text = encrypted_secret_key.encrypt(secret, "correct horse", salt=bytes(16), rand4=bytes(4), log_n=4)
    locked, password = file.with_name("locked.txt"), file.with_name("password.txt")
    locked.write_text(text, encoding="utf-8")
    password.write_text("correct horse\n", encoding="utf-8")
    monkeypatch.setenv("MOSAIC_PASSWORD_FILE", str(password))
    code, lines = examined(node, "--only", "roles", "--member", locked, "--transport", "tcp")
    assert (code, lines[-1].partition(",")[2]) == (0, " 0 failed, 0 not run, 0 open")

"""docs/library.md: each example is run by itself against a node, and passes a strict type check."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback.processes import PATIENCE_S, SOURCE, Node, environment, one

import mosaic.api
from mosaic import Identity

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("library") / "home", "anna") as anna:
        one("init", "--home", anna.home, "--name", "ben")
        yield anna


@pytest.fixture(scope="module")
def bot(node: Node) -> Identity:
    """The identity of the page's example, whom the node's operator has let in."""
    identity = Identity.open(node.home.parent / "bot.key", PASSWORD)
    node.do("admin serve", identity.key)
    return identity


def run(node: Node, code: str) -> list[str]:
    for placeholder, real in (
        ("mopub0…", node.key),
        ("mosaictcp://example.org/", str(node.line["tcp"])),
        ("mosrv0…", str(node.line["server"])),
    ):
        code = code.replace(placeholder, real)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**environment(), "MOSAIC_HOME": str(node.home), "BOT_PASSWORD": PASSWORD},
        cwd=node.home.parent,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def example(wanted: str) -> str:
    (found,) = [code for code in EXAMPLES if wanted in code]
    return str(found)


@pytest.mark.slow
def test_say_something(node: Node) -> None:
    key, first, second = run(node, example("Good morning"))
    assert key == f"{node.key} kept"
    assert [first, second] == ["anna Good morning, all of you", "anna It is cold today"]


@pytest.mark.slow
def test_read_and_hear(node: Node) -> None:
    lines = run(node, example("Hello from me"))
    assert lines[-1] == "now: Hello from me"
    assert all(re.match(r"\d\d:\d\d anna: ", line) for line in lines[:-1])


@pytest.mark.slow
def test_read_without_a_home(node: Node) -> None:
    node.do("post", "Read me")
    assert run(node, example("client.profile("))[:2] == ["anna", "Read me"]


@pytest.mark.slow
def test_speak_without_a_home(node: Node, bot: Identity) -> None:
    shown, state, where = run(node, example("Rain until noon"))
    assert (shown, state) == (f"Identity({bot.key})", "delivered")
    assert where == f"{node.line['tcp']} delivered"
    assert one("profile", bot.key, "--home", node.home)["name"] == "weather"


@pytest.mark.slow
def test_a_script_without_await(node: Node) -> None:
    assert run(node, example(".blocking()")) == ["['Written by a script']"]


@pytest.mark.slow
def test_records(node: Node) -> None:
    assert run(node, example("temperature")) == ["True b'21.5'", "b'a picture'"]


@pytest.mark.slow
def test_errors(node: Node) -> None:
    (line,) = run(node, example("I am nobody"))
    assert "only reads" in line


def test_all_examples_are_run_here() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    wanted = re.findall(r'example\("(.*?)"\)', tests)
    assert sorted(example(each) for each in wanted) == sorted(EXAMPLES)


def test_the_page_names_what_there_is() -> None:
    for name in re.findall(r"client\.(\w+)\(", PAGE):
        assert hasattr(mosaic.api.Client, name), name
        assert hasattr(mosaic.api.BlockingClient, name), name
    for name in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ", PAGE, re.MULTILINE):
        for error in re.findall(r"`(\w+)`", name):
            assert hasattr(mosaic.errors, error), error


def test_the_blocking_client_has_all_calls_with_the_same_arguments() -> None:
    def calls(name: str) -> dict[str, str]:
        tree = ast.parse((SOURCE / "mosaic" / "api" / name).read_text(encoding="utf-8"))
        (found,) = [
            node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Client")
        ]
        return {
            method.name: ast.unparse(method.args)
            for method in found.body
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and not method.name.startswith("_")
        }

    asynchronous, blocking = calls("client.py"), calls("blocking.py")
    for name in ("home", "blocking"):
        del asynchronous[name]
    assert blocking == asynchronous


@pytest.mark.slow
def test_a_strict_type_check_passes_what_programs_write(tmp_path: Path) -> None:
    files = [ROOT / "examples" / "bot.py"]
    for number, code in enumerate(EXAMPLES):
        files.append(tmp_path / f"example_{number}.py")
        files[-1].write_text(code, encoding="utf-8")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from mosaic import Client, Post\n\n"
        "async def main(client: Client, post: Post) -> int:\n"
        "    await client.post(3)\n"
        "    return post.text\n"
    )

    def check(*given: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", *map(str, given)],
            capture_output=True,
            text=True,
            env={**os.environ, "MYPYPATH": str(SOURCE)},
            cwd=tmp_path,
            timeout=PATIENCE_S * 2,
            check=False,
        )

    done = check(*files)
    assert done.returncode == 0, done.stdout
    lines = check(wrong).stdout.splitlines()
    assert [line.partition("wrong.py:")[2][:1] for line in lines[:2]] == ["4", "5"], lines

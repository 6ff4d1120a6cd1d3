"""The recipe of the image copies what a build needs, and asks of the image what the node in it does."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest

from mosaic.cli.main import mosaic
from mosaic.node.health import HEALTH
from mosaic.node.settings import NodeSettings

ROOT = Path(__file__).parents[1]
RECIPE = (ROOT / "packaging" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
UNIT = (ROOT / "packaging" / "mosaic.service").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))


def copied() -> set[str]:
    """What is copied from the project, each path as it stands there."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", RECIPE, re.MULTILINE)
    return {source for line in lines for source in line.split()[:-1]}


def needed() -> set[str]:
    """What the build reads: the project's file and what it names, the kernel's workspace, the sources."""
    project, maturin = PROJECT["project"], PROJECT["tool"]["maturin"]
    files = {"pyproject.toml", project["readme"], *project["license-files"], "Cargo.toml", "Cargo.lock"}
    kernel = str(Path(maturin["manifest-path"]).parent)
    return {*files, *WORKSPACE["workspace"]["members"], kernel, maturin["python-source"]}


def test_what_the_build_needs_is_copied_and_nothing_else() -> None:
    assert copied() == needed()
    assert all((ROOT / path).exists() for path in copied())


def test_each_is_copied_to_its_own_place() -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", RECIPE, re.MULTILINE):
        *sources, place = line.split()
        assert place in {"./", *sources}
        assert place != "./" or all("/" not in source and (ROOT / source).is_file() for source in sources)


def test_nothing_that_was_built_here_gets_into_the_image() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in "#"]
    assert "target" in ignored
    assert "**/*.so" in ignored
    for path in copied():
        assert not any(fnmatch(path, pattern.removeprefix("**/")) for pattern in ignored)


def test_compiler_and_python_are_new_enough() -> None:
    found = re.search(r"^FROM docker.io/library/rust:(\S+)-slim-(\w+) AS build", RECIPE, re.MULTILINE)
    assert found is not None
    versions = [
        tomllib.loads((ROOT / member / "Cargo.toml").read_text())["package"]["rust-version"]
        for member in WORKSPACE["workspace"]["members"]
    ]
    assert {found[1]} == set(versions)
    # The environment is made in one image and used in another: their Python has to be the same.
    assert f"FROM docker.io/library/debian:{found[2]}-slim" in RECIPE
    assert (found[2], PROJECT["project"]["requires-python"]) == ("bookworm", ">=3.11")


def test_the_health_check_asks_where_the_node_answers() -> None:
    check = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", RECIPE, re.MULTILINE)
    assert check is not None
    url = re.search(r"http://([\d.:]+)(/\w+)", json.loads(check[1])[-1])
    assert url is not None
    assert f"MOSAIC__METRICS__ADDRESS={url[1]}\n" in RECIPE
    assert url[2] == HEALTH
    listen = NodeSettings().listen
    ports = {f"{listen.tcp.port}/tcp", f"{listen.quic.port}/udp", f"{listen.ws.port}/tcp"}
    assert set(re.findall(r"\d+/(?:tcp|udp)", RECIPE.partition("\nEXPOSE ")[2].partition("\n")[0])) == ports


@pytest.mark.parametrize(
    "words",
    [
        *re.findall(r"mosaic (init --name|serve)\b", RECIPE),
        *re.findall(r"^Exec\w+=.*?bin/mosaic ([\w -]+)", UNIT, re.MULTILINE),
    ],
)
def test_commands_that_are_started_are_there(words: str) -> None:
    name, *options = words.split()
    command = mosaic.get_command(click.Context(mosaic), name)
    assert command is not None
    known = {each for option in command.params for each in option.opts}
    assert {option for option in options if option.startswith("--")} <= known

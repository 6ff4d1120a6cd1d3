"""A secret key that is given where something else belongs is not shown again: each place of each command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import click
import pytest

from mosaic.cli.main import mosaic as commands
from mosaic.core.keys import SecretKey

from .conftest import Run

Words: TypeAlias = tuple[str, ...]
KEY = SecretKey.from_seed(bytes(range(50, 82)))
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
STAYING = {
    ("run",),
    ("serve",),
    ("demo",),
    ("dht", "testnet"),
    ("status",),
    ("conformance",),
    ("test-server",),
}
"""Commands that go on until they are stopped, or work for long."""
FOLDERS = {"home", "folder", "file", "path", "target", "output"}
"""A folder or file of such a name is its owner's wish, and told."""


def all_commands(
    group: click.Group, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from all_commands(command, (*before, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield (*before, name), command


def lines(command: click.Command, words: Words, secret: str) -> Iterator[list[str]]:
    """Command lines with the secret in each place in turn, and something harmless in the others."""
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    for place in range(len(arguments) + 1):
        # One more than there should be, at last.
        filled = ["7"] * place + [secret] + ["7"] * (len(arguments) - place - 1)
        if place == len(arguments) or arguments[place].name not in FOLDERS:
            yield [*words, *filled]
    for option in command.params:
        if isinstance(option, click.Option) and not option.is_flag and option.name not in FOLDERS:
            yield [*words, option.opts[0], secret, *["7"] * len(arguments)]
    yield [*words, f"--{secret}"]
    yield [*words, f"--json={secret}"]


ALL = dict(all_commands(commands))


@pytest.mark.slow
@pytest.mark.claim("C11")
@pytest.mark.parametrize("words", [" ".join(words) for words in ALL if words not in STAYING])
def test_no_command_shows_a_secret_key_that_was_given_in_the_wrong_place(
    mosaic: Run, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC__DHT__MODE", "off")
    # In a home, if there is one: most commands look further then.
    mosaic("init", "--name", "anna")
    path = tuple(words.split())
    for secret in (KEY.text, NSEC):
        for line in lines(ALL[path], path, secret):
            done = mosaic(*line)
            assert secret not in done.out + done.err, (line, done)
            assert secret[6:] not in done.out + done.err, (line, done)


def test_unknown_commands_are_not_repeated_if_they_are_keys(mosaic: Run) -> None:
    done = mosaic(KEY.text)
    assert done.code == 2
    assert KEY.text[6:] not in done.err
    assert "(hidden)" in done.err


@pytest.mark.claim("C11")
def test_what_everybody_would_read_takes_no_secret_key(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    for words in (
        ("post", f"my key: {NSEC}"),
        ("init", "--name", KEY.text),
        ("profile", "--set", f"about={KEY.text}"),
        ("key", "persona", "add", KEY.text),
        ("admin", "serve", KEY.public.user_text, "--note", KEY.text),
    ):
        done = mosaic(*words)
        assert done.code == 2, done
        assert "a secret key" in done.err
        assert KEY.text[6:] not in done.out + done.err
    assert mosaic("feed").out == ""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from mosaic.cli import main


@dataclass
class Done:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def objects(self) -> list[dict[str, Any]]:
        assert self.code == 0, self
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        (line,) = self.err.splitlines()
        told = json.loads(line)
        assert isinstance(told, dict)
        return told


Run = Callable[..., Done]


@pytest.fixture
def mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs commands in this process, in a home of their own."""
    monkeypatch.setenv("MOSAIC_KEYRING", "no")
    monkeypatch.setenv("MOSAIC_HOME", str(tmp_path / "home"))

    def run(*arguments: str | Path, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin), encoding="utf-8"))
        code: object = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code
        captured = capfdbinary.readouterr()
        assert isinstance(code, int)
        return Done(code, captured.out.decode("utf-8", "replace"), captured.err.decode(), captured.out)

    return run

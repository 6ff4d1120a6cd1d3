"""The load client: built once for each process that asks, and run."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def load_client() -> str:
    """The path of the load client, built if it is not yet or no longer current.

    Raises:
        RuntimeError: it can't be built; the message tells what cargo said.
    """
    built = subprocess.run(
        ["cargo", "build", "--release", "-p", "mosaic-load", "--message-format=json"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(f"the load client can't be built:\n{built.stderr}")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "mosaic-load":
            return str(message["executable"])
    raise RuntimeError("cargo built no load client; run `cargo build --release -p mosaic-load` to see why")


def load(mode: str, **options: object) -> dict[str, float]:
    """Runs the load client; what it measured.

    Args:
        mode: What it does.
        options: Its options, those that are not None.

    Raises:
        RuntimeError: it failed, or the server refused something.
    """
    command = [load_client(), mode]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the load client failed: {done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    if found.get("refused") or found.get("failed"):
        raise RuntimeError(f"the server refused something: {found}")
    return found

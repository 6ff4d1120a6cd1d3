"""`mosaic`, with a ledger: every secret that comes into being is written down, to be looked for afterwards.

    launcher.py LEDGER SEEN FAULT ARGUMENT…

LEDGER gets a line of JSON for each secret. SEEN is a folder for what the system
shows others of this process at its end. FAULT names a function (MODULE:NAME)
that fails, and quotes in its message whatever it was given and what it should
better keep to itself; `-` for none.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib
import inspect
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mosaic.cli import main as mosaic
from mosaic.core import keys, nostr_key, pairing, x25519
from mosaic.node import vault

LEDGER, SEEN, FAULT = sys.argv[1:4]
sys.argv = ["mosaic", *sys.argv[4:]]
known: list[bytes] = []


def note(what: str, secret: bytes) -> None:
    if secret not in known:
        known.append(secret)
        with Path(LEDGER).open("a") as ledger:
            ledger.write(json.dumps({"what": what, "hex": secret.hex(), "pid": os.getpid()}) + "\n")


def also(owner: Any, name: str, what: Callable[..., None]) -> None:
    """Has a function tell, after its work, of what it was given and what it made."""
    was = getattr(owner, name)

    @functools.wraps(was)
    def tells(*given: Any, **named: Any) -> Any:
        result = was(*given, **named)
        what(result, *given, **named)
        return result

    setattr(owner, name, tells)


def write_down_all() -> None:
    also(keys.SecretKey, "__post_init__", lambda _, key: note("ed25519", bytes(key._seed)))
    also(x25519.X25519Secret, "__init__", lambda _, key, seed: note("x25519", seed))
    also(nostr_key.NostrSecret, "__init__", lambda _, key, secret: note("nostr", secret))
    also(vault.Vault, "__init__", lambda _, vault, password, *given: note("home password", password.encode()))
    also(pairing.PairingCode, "__init__", lambda _, code, *given, **named: note("pairing", code.secret))


def write_down_page() -> None:
    page = importlib.import_module("mosaic.cli.page")
    also(page, "_token", lambda token, node: note("page token", token.encode()))
    also(page.Page, "once", lambda address, self: note("page once", address.rpartition("=")[2].encode()))


def blurted(given: object) -> BaseException:
    """An exception as careless code would raise it."""
    secret = known[-1] if known else bytes(range(32))
    cause = KeyError(secret, secret.hex())
    cause.__cause__ = ValueError(f"what of {secret!r} and {list(secret)}, or {given!r}?")
    cause.add_note(f"it was {secret.hex()}")
    return cause


def fail_in(where: str) -> None:
    module, _, path = where.partition(":")
    *outer, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    was = getattr(owner, name)

    def fails(*given: Any, **named: Any) -> Any:
        raise blurted((given, named))

    async def fails_later(*given: Any, **named: Any) -> Any:
        raise blurted((given, named))

    setattr(owner, name, fails_later if inspect.iscoroutinefunction(was) else fails)


def fail_beside(_number: int, _frame: object) -> None:
    """In a callback, in a task that nobody waits for, and in a thread."""

    def callback(*given: object) -> None:
        raise blurted(given)

    async def task() -> None:
        raise blurted(known)

    loop = asyncio.get_running_loop()
    secret = known[-1].hex()
    loop.call_soon(callback, secret, known[-1])
    forgotten = loop.create_task(task())
    forgotten.add_done_callback(lambda _: None)
    threading.Thread(target=callback, args=(secret,), name="beside").start()


def seen_from_outside() -> None:
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            Path(SEEN, f"{os.getpid()}-end-{name}").write_bytes(Path("/proc/self", name).read_bytes())


def main() -> None:
    Path(SEEN).mkdir(exist_ok=True)
    atexit.register(seen_from_outside)
    write_down_all()
    if FAULT == "beside":
        signal.signal(signal.SIGUSR1, fail_beside)
    elif FAULT != "-":
        fail_in(FAULT)
    else:
        # All that anybody says, before anything is taken out of it.
        raw = logging.FileHandler(Path(SEEN, f"{os.getpid()}-raw-log"))
        raw.setFormatter(logging.Formatter("%(name)s %(message)s"))
        logging.getLogger().addHandler(raw)
        logging.getLogger().setLevel(logging.DEBUG)
    if "serve" in sys.argv:
        write_down_page()
    mosaic()


if __name__ == "__main__":
    main()

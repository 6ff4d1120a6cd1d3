from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

from tests.loopback.processes import environment, objects


async def test_the_list_of_processes_does_not_tell_what_opens_the_page(tmp_path: Path) -> None:
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {seen}.new && mv {seen}.new {seen}\n', "ascii")
    browser.chmod(0o700)
    command = [sys.executable, "-m", "mosaic", "run", "--dht", "off", "--home", str(tmp_path / "home")]
    around = environment() | {"BROWSER": f"{browser} %s"}
    running = await create_subprocess_exec(*command, env=around, stdout=PIPE, stderr=PIPE)
    assert running.stdout is not None
    await running.stdout.readline()
    (told,) = await asyncio.to_thread(objects, "page", "--home", tmp_path / "home")
    page = str(told["address"])
    running.send_signal(signal.SIGTERM)
    await running.communicate()
    address, _, token = page.partition("?token=")
    opened = seen.read_text("ascii").strip()
    assert opened.startswith(address)
    assert token not in opened

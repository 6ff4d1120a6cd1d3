"""A node in a terminal goes in order when the terminal is closed; told so by hand, it reads its settings."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

from tests.loopback.processes import PATIENCE_S, Log, environment


def test_a_closed_terminal_ends_the_node_and_a_signal_alone_does_not(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    home = tmp_path / "home"
    command = ["run", "--no-browse", "--home", str(home), "--dht", "off", "--ws", "off"]
    log = Log(tmp_path / "log")
    with log.end() as stderr:
        node = subprocess.Popen(
            [sys.executable, "-m", "mosaic", *command],
            stdin=its,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment(),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - before any thread
        )
    os.close(its)
    try:
        assert node.stdout is not None
        assert json.loads(node.stdout.readline())["server"]
        (home / "mosaic.toml").write_text("x = 1\n")
        node.send_signal(signal.SIGHUP)
        log.says("the settings stay as they were")
        assert node.poll() is None
        os.close(ours)
        assert node.wait(PATIENCE_S) == 0
    finally:
        if node.poll() is None:
            node.kill()
        node.communicate()

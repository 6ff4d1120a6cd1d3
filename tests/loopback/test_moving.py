"""Somebody's only server is deleted; a laptop's backup and nothing else brings him back, followers too.

Every node is a process of its own, and so is the DHT. The follower is told nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.loopback.processes import Node, Testnet, run, status_when, watching

HUB = '[serves]\nwho = "everyone"\n'
PASSWORD = b"of the backup\n"


def connected(status: dict[str, Any]) -> list[str]:
    return [server["key"] for server in status["servers"] if server["state"] == "connected"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.claim("C64", "C2")
def test_back_on_a_new_server_with_a_backup_and_nothing_else(tmp_path: Path) -> None:
    with Testnet() as net, Node(tmp_path / "ben", "ben", dht=net.entry) as ben:
        config = tmp_path / "hub.toml"
        config.write_text(HUB)
        for_all = ["--config", str(config)]
        first = Node(tmp_path / "first", "first", dht=net.entry, more=for_all)
        second = Node(tmp_path / "second", "second", dht=net.entry, more=for_all)
        # Behind a router: nobody reaches it, so it publishes no address of its own.
        laptop = Node(tmp_path / "laptop", "anna", over=(), dht=net.entry)
        with first, second, watching("--home", ben.home, "--author", laptop.key, "--kind", "post") as at_ben:
            laptop.start()
            laptop.do("servers add", str(first.line["server"]), "--url", str(first.line["tcp"]))
            laptop.do("post", "before")
            ben.do("follow", laptop.key)
            at_ben.until(lambda item: item.get("text") == "before")
            backup = tmp_path / "laptop.mosaic-backup"
            secret = tmp_path / "password"
            secret.write_bytes(PASSWORD)
            made = run("backup", "--home", laptop.home, str(backup), "--password-file", secret)
            assert made.returncode == 0, made

            # The laptop and the server are gone, with all that was on them.
            laptop.kill()
            first.kill()
            shutil.rmtree(laptop.home)
            shutil.rmtree(first.home)

            back = tmp_path / "new laptop"
            restored = run("restore", backup, "--home", back, "--password-file", secret)
            assert restored.returncode == 0, restored
            laptop.home = back
            with laptop:
                old, new = str(first.line["server"]), str(second.line["server"])
                *_, moved = laptop.do("servers move", old, new, "--url", str(second.line["tcp"]))
                assert (moved["step"], moved["reached"], moved["lacking"]) == ("keep", False, 0)
                laptop.do("post", "after")
                at_ben.until(lambda item: item.get("text") == "after")
                status_when(ben, lambda now: new in connected(now))

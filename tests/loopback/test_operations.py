"""A serving process as its operator's programs see it: numbers, health, settings read again, systemd."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx
import pytest
from tests.loopback.processes import PATIENCE_S, Node, run


def test_a_node_at_work_is_watched_reloaded_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = str(tmp_path / "notify")
        manager.bind(path)
        manager.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        node = Node(tmp_path / "ana", "ana")
        settings = node.home / "mosaic.toml"
        settings.write_text('[metrics]\naddress = "127.0.0.1:0"\n[log]\nformat = "json"\n')
        with node:
            at = f"http://{node.line['metrics']}"
            assert manager.recv(1000).startswith(b"READY=1\n")
            assert httpx.get(f"{at}/health").json()["ok"] is True
            assert "mosaic_links 0.0" in httpx.get(f"{at}/metrics").text
            assert httpx.get(f"{at}/other").status_code == 404

            settings.write_text('[metrics]\naddress = "127.0.0.1:0"\n[server]\nconections = 3\n')
            assert node.process is not None
            node.process.send_signal(signal.SIGHUP)
            node.told.says("did you mean `connections`?")
            assert "mosaic_settings_wrong 1.0" in httpx.get(f"{at}/metrics").text
            (warning,) = node.do("status")[0]["warnings"]
            assert "did you mean `connections`?" in warning
            assert warning in httpx.get(f"{at}/health").json()["warnings"]
            assert f"Warning: {warning}" in run("status", "--home", node.home).stdout.decode()

            settings.write_text('[metrics]\naddress = "127.0.0.1:0"\n[server]\nconnections = 3\n')
            # Nobody says so: the file is looked at every two seconds.
            node.told.says("new settings hold: server.connections")
            assert "mosaic_settings_wrong 0.0" in httpx.get(f"{at}/metrics").text
            assert node.do("admin reload") == [{"taken": [], "restart": []}]
            assert node.do("admin drain", "--for", "1s")[0]["draining"] is True
            assert node.process.wait(PATIENCE_S) == 0
            told = b"\n".join(manager.recv(1000) for _ in range(7))
            assert told.count(b"RELOADING=1") == 3
            assert told.rpartition(b"READY=1")[2].count(b"STOPPING=1") == 1

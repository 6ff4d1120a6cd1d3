"""systemd is told what the node does; and the unit and the image say what the program knows."""

from __future__ import annotations

import configparser
import re
import socket
from pathlib import Path

import pytest

from mosaic.cli.configuring import VARIABLE
from mosaic.cli.main import mosaic
from mosaic.node.service_manager import ServiceManager
from mosaic.node.setting_entries import entries
from mosaic.node.settings import NodeSettings

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"


def test_it_is_told_in_its_words(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(path)
        heard.settimeout(5)
        manager = ServiceManager({"NOTIFY_SOCKET": path})
        manager.ready("Serving\nall")
        assert heard.recv(1000) == b"READY=1\nSTATUS=Serving all"
        manager.reloading()
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", heard.recv(1000))
        manager.stopping()
        assert heard.recv(1000).startswith(b"STOPPING=1\n")


def test_nobody_there_is_no_fault(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        ServiceManager(environment).ready("x")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_sockets_without_a_file_are_known() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0mosaic-test-notify")
        heard.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": "@mosaic-test-notify"}).ready("x")
        assert heard.recv(100).startswith(b"READY=1")


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(PACKAGING / "mosaic.service", encoding="utf-8")
    return parser


def commands(text: str) -> set[str]:
    return set(re.findall(r"mosaic (\w+)", re.sub(r"(?m)^\s*#.*$", "", text)))


def test_the_unit_waits_for_ready_and_reloads_and_stops_in_order() -> None:
    service = unit()["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert "-HUP" in service["ExecReload"]
    assert service["KillSignal"] == "SIGTERM"
    assert VARIABLE in service["Environment"]
    for hardening in ("NoNewPrivileges", "ProtectSystem", "PrivateTmp", "SystemCallFilter"):
        assert service[hardening]


def test_unit_and_image_run_commands_that_there_are() -> None:
    known = set(mosaic.list_commands(None))  # type: ignore[arg-type]
    text = unit()["Service"]["ExecStart"] + unit()["Service"]["ExecStartPre"]
    assert commands(text) == {"serve", "init"}
    image = (PACKAGING / "Containerfile").read_text(encoding="utf-8")
    found = commands(image.rpartition("CMD [")[2])
    assert found == {"serve", "init"}
    assert found <= known
    variables = {entry.path.replace(".", "__").upper() for entry in entries(NodeSettings()).values()}
    assert set(re.findall(r"^ENV MOSAIC__(\w+)=", image, re.MULTILINE)) <= variables
    ports = {str(place.port) for place in (NodeSettings().listen.tcp, NodeSettings().listen.ws)}
    assert set(re.findall(r"(\d+)/(?:tcp|udp)", re.findall(r"EXPOSE (.+)", image)[0])) == ports

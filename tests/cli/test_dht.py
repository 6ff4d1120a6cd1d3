"""`mosaic dht`: publish and resolve against a DHT on this machine, and that DHT itself."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.loopback.processes import environment

from mosaic.testing import DhtTestnet

URL = "mosaictcp://127.0.0.1:1320/"


@pytest.fixture(scope="module")
def testnet() -> Iterator[DhtTestnet]:
    with DhtTestnet(4) as net:
        yield net


@pytest.fixture
def entry(testnet: DhtTestnet) -> str:
    return testnet.entry_nodes[0]


@pytest.fixture
def anna(mosaic: Run) -> dict[str, str]:
    (person,) = mosaic("init", "--name", "anna", "--json").objects
    return person


@pytest.mark.claim("C14", "C18", "C22")
def test_publish_and_resolve(mosaic: Run, anna: dict[str, str], entry: str) -> None:
    user, server = anna["key"], anna["server"]
    told = mosaic("dht", "publish", "--dht", entry, "--public", URL, "--json").objects
    assert [(one["kind"], one["key"], one["published"], one["seq"]) for one in told] == [
        ("server", server, True, "1"),
        ("user", user, True, "1"),
    ]
    (found,) = mosaic("dht", "resolve", user, "--dht", entry, "--json").objects
    assert found == {"kind": "user", "key": user, "seq": "1", "bootstrap": f"U\n7 {server}"}
    shown = mosaic("dht", "resolve", server, "--dht", entry)
    assert (shown.code, shown.out) == (0, f"S\n{URL}\n")
    # A bare key may be either.
    (bare,) = mosaic("dht", "resolve", server.removeprefix("mosrv0"), "--dht", entry, "--json").objects
    assert bare["kind"] == "server"


def test_publishing_again_and_at_another_address(mosaic: Run, anna: dict[str, str], entry: str) -> None:
    def publish(url: str) -> list[tuple[str, str]]:
        done = mosaic("dht", "publish", "--dht", entry, "--public", url, "--json")
        return [(one["kind"], one["seq"]) for one in done.objects]

    assert publish(URL) == [("server", "1"), ("user", "1")]
    assert publish(URL) == [("server", "1"), ("user", "1")]
    assert publish("mosaic://127.0.0.1:9/") == [("server", "2"), ("user", "1")]
    (one,) = mosaic("dht", "publish", anna["key"], "--dht", entry, "--public", URL, "--json").objects
    assert (one["kind"], one["key"], one["seq"]) == ("user", anna["key"], "1")
    words = mosaic("dht", "publish", anna["server"], "--dht", entry, "--public", URL)
    assert words.code == 0
    assert re.fullmatch(rf"{anna['server']}  number 3: published; \d+ nodes of the DHT keep it\n", words.out)


@pytest.mark.claim("C19")
def test_another_keys_bootstrap_is_kept_alive(
    mosaic: Run, anna: dict[str, str], entry: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    mosaic("dht", "publish", "--dht", entry, "--public", URL)
    (other,) = mosaic("init", "--home", elsewhere, "--name", "ben", "--json").objects
    kept = mosaic("dht", "publish", anna["key"], "--home", elsewhere, "--dht", entry, "--json").objects
    assert [(one["kind"], one["published"], one["seq"]) for one in kept] == [
        ("user", True, "1"),
        ("server", False, "0"),
    ]
    nothing = mosaic("dht", "publish", other["key"], "--dht", entry, "--json")
    assert nothing.code == 3


def test_nothing_to_publish(mosaic: Run, anna: dict[str, str], entry: str) -> None:
    done = mosaic("dht", "publish", "--dht", entry, "--json")
    assert (done.code, done.error["code"]) == (2, "usage_error")
    assert "--public" in done.error["hint"]


@pytest.mark.parametrize("command", ["publish", "resolve"])
def test_a_dht_that_is_off_or_nowhere(mosaic: Run, anna: dict[str, str], command: str) -> None:
    with DhtTestnet(1) as net:
        gone = net.entry_nodes[0]
    done = mosaic("dht", command, anna["key"], "--dht", gone, "--json")
    assert done.code == 3
    assert done.err.splitlines()[-1].count("hint") == 1
    assert mosaic("dht", command, anna["key"], "--dht", "off", "--json").code in {2, 3}
    assert mosaic("dht", command, anna["key"], "--dht", "nowhere", "--json").code == 2
    assert mosaic("dht", command, "mopub0x", "--dht", gone, "--json").code == 2


def test_nobody_has_published(mosaic: Run, anna: dict[str, str], entry: str) -> None:
    done = mosaic("dht", "resolve", anna["key"], "--dht", entry)
    assert (done.code, done.out) == (3, "")
    assert "nobody has published" in done.err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_testnet_prints_one_line_and_stays(mosaic: Run, stop: signal.Signals) -> None:
    command = [sys.executable, "-m", "mosaic", "dht", "testnet", "--nodes", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as net:
        assert net.stdout is not None
        entry = net.stdout.readline().decode()
        assert re.fullmatch(r"127\.0\.0\.1:\d+\n", entry)
        mosaic("init", "--name", "anna")
        told = mosaic("dht", "publish", "--dht", entry.strip(), "--public", URL, "--json").objects
        assert [one["published"] for one in told] == [True, True]
        net.send_signal(stop)
        assert net.communicate(timeout=30) == (b"", b"")
        assert net.returncode == 0


@pytest.mark.parametrize("nodes", ["0", "257", "-1", "many"])
def test_a_testnet_of_no_such_size(mosaic: Run, nodes: str) -> None:
    assert mosaic("dht", "testnet", "--nodes", nodes).code == 2

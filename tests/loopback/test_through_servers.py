"""People are found through servers that look into the DHT, by a node that is in none; and through a proxy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.loopback.processes import Node, Testnet, environment, objects, status_when, watching
from tests.transport.socks import Proxy


@pytest.mark.slow
@pytest.mark.claim("C19", "C20")
def test_a_node_without_a_dht_finds_somebody_by_key_through_a_server_that_has_one(tmp_path: Path) -> None:
    with (
        Testnet() as net,
        Node(tmp_path / "anna", "anna", dht=net.entry) as anna,
        Node(tmp_path / "cara", "cara", dht=net.entry) as cara,
        Node(tmp_path / "ben", "ben", more=("--private-addresses",)) as ben,
    ):
        # By her address: her server is one that Ben knows from then on.
        ben.do("follow", cara.key, *cara.where)
        anna.do("post", "found through Cara's server")
        with watching("--home", ben.home, "--author", anna.key, "--kind", "post") as watch:
            ben.do("follow", anna.key)
            assert watch.until(lambda item: item.get("text") == "found through Cara's server")

        def connected(now: dict[str, object]) -> bool:
            return f"found through {cara.line['server']}" in str(now)

        now = status_when(ben, connected)
        (server,) = [one for one in now["servers"] if one["of"] == [anna.key]]
        assert server["key"] == anna.line["server"]
        assert "servers are asked" in now["dht"]["detail"]


@pytest.mark.slow
@pytest.mark.claim("C20", "C82")
def test_an_invite_link_is_all_it_takes_where_no_dht_is_reached(tmp_path: Path) -> None:
    with (
        Testnet() as net,
        Node(tmp_path / "anna", "anna", dht=net.entry) as anna,
        Node(tmp_path / "ben", "ben", more=("--private-addresses",)) as ben,
    ):
        (made,) = anna.do("invite")
        assert [server["urls"] for server in made["servers"]] == [[anna.line["tcp"]]]
        status_when(anna, lambda now: now["dht"]["published_iso"])
        anna.do("post", "found by the link")
        with watching("--home", ben.home, "--author", anna.key, "--kind", "post") as watch:
            ben.do("follow", made["link"])
            assert watch.until(lambda item: item.get("text") == "found by the link")
        # Her server, of which the link spoke, gave what she has signed about her servers.
        status_when(ben, lambda now: f"found through {anna.line['server']}" in str(now))
        (found,) = ben.do("find", anna.key)
        assert found["inboxes"] == found["outboxes"]


@pytest.mark.claim("C52")
def test_a_command_goes_through_the_proxy_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Node(tmp_path / "anna", "anna") as anna, Proxy(login=(b"me", b"se:cret")) as proxy:
        monkeypatch.setenv("MOSAIC_PROXY", f"socks5://me:se%3Acret@127.0.0.1:{proxy.port}")
        assert objects("query", *anna.where, "--author", anna.key, "--kind", "profile")
    assert proxy.logins == [(b"me", b"se:cret")]
    assert [port for _, _, port in proxy.asked] == [anna.ports["tcp"]]


@pytest.mark.slow
@pytest.mark.claim("C52")
def test_a_node_behind_a_proxy_reads_through_it_and_leaves_the_dht(tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_text("me:secret\n")
    with Node(tmp_path / "anna", "anna") as anna, Proxy(login=(b"me", b"secret")) as proxy:
        options = ("--proxy", f"127.0.0.1:{proxy.port}", "--proxy-login", str(login))
        with Node(tmp_path / "ben", "ben", dht="", more=options) as ben:
            assert ben.line["dht"] == "off"
            anna.do("post", "read through a proxy")
            with watching("--home", ben.home, "--author", anna.key, "--kind", "post") as watch:
                ben.do("follow", anna.key, *anna.where)
                assert watch.until(lambda item: item.get("text") == "read through a proxy")
            (now,) = ben.do("status")
            assert "proxy" in now["dht"]["detail"]
    assert proxy.logins == [(b"me", b"secret")]


@pytest.mark.parametrize(
    "options",
    [
        ("--proxy", "me:secret@127.0.0.1:1"),
        ("--proxy", "127.0.0.1:1,x=y"),
        ("--proxy-onion-only",),
        ("--proxy", "127.0.0.1:nothing"),
    ],
)
def test_a_password_on_the_command_line_and_half_a_proxy_are_refused(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mosaic", "serve", "--home", str(tmp_path), *options],
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    assert b"secret" not in done.stderr
    assert b"Traceback" not in done.stderr

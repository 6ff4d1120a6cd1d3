"""`mosaic serve` and `mosaic run` as processes: what they print, how they stop, what they never tell."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.loopback.processes import PATIENCE_S, Node, environment, objects, run

from mosaic.core.keys import PublicKey
from mosaic.core.url import ServerUrl
from mosaic.node.home import Home, try_lock
from mosaic.node.node import Node as OpenHome

pytestmark = pytest.mark.slow


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "anna", "anna") as node:
        yield node


def fetch(url: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    connection.request(
        "GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers or {}
    )
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_one_line_says_where_everything_is(anna: Node) -> None:
    line = anna.line
    PublicKey.parse_server(line["server"])
    url = ServerUrl.parse(line["tcp"])
    assert (url.host, line["tcp"]) == ("127.0.0.1", f"mosaictcp://127.0.0.1:{url.port}/")
    assert line["web"].startswith("http://127.0.0.1:")
    assert line["urls"] == [line["tcp"], line["web"]]
    assert anna.page.startswith(f"{line['web']}?token=")
    assert stat.S_IMODE((anna.home / "node.sock").stat().st_mode) == 0o600


def test_the_page_opens_with_its_whole_address_and_not_without(anna: Node) -> None:
    whole = anna.page
    first = fetch(whole)
    assert first.status == 303
    cookie = str(first.getheader("set-cookie")).partition(";")[0]
    base = anna.line["web"]
    assert fetch(base + "feed", {"Cookie": cookie}).status == 200
    assert fetch(base + "feed").status == 403
    # An open page survives a restart on the same port.
    token = whole.partition("token=")[2]
    anna.stop()
    anna.start()
    assert anna.page.partition("token=")[2] == token


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(anna: Node, number: int) -> None:
    anna.do("post", "before")
    assert anna.stop(number) == 0
    assert not (anna.home / "node.sock").exists()
    assert [item["text"] for item in anna.do("feed")] == ["before"]
    assert "Traceback" not in anna.log


def test_after_a_kill_commands_and_a_new_node_find_their_way(anna: Node) -> None:
    anna.do("post", "before")
    anna.kill()
    # The socket of the dead node is still there.
    assert (anna.home / "node.sock").exists()
    anna.do("post", "in between")
    anna.start()
    anna.do("post", "after")
    assert [item["text"] for item in anna.do("feed")] == ["after", "in between", "before"]


def test_a_port_that_is_taken_is_told_and_lets_go_of_the_home(anna: Node, tmp_path: Path) -> None:
    other = Node(tmp_path / "ben", "ben")
    for option in ("--tcp", "--quic", "--ws", "--web"):
        kind = socket.SOCK_DGRAM if option == "--quic" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if option != "--quic":
                taken.listen()
            where = dict.fromkeys(("--tcp", "--quic", "--ws", "--web"), "127.0.0.1:0")
            where |= {"--dht": "off", option: f"127.0.0.1:{taken.getsockname()[1]}"}
            named = [word for pair in where.items() for word in pair]
            done = run("serve", "--home", other.home, *named, "--json")
        assert done.returncode == 4, done
        told = json.loads(done.stderr.splitlines()[-1])
        assert told["code"] == "listen_failed"
        assert option in told["hint"]
        host, _, port = where[option].partition(":")
        assert host in told["error"]
        assert port in told["error"]
        assert done.stdout == b""
    lock = try_lock(Home(other.home))
    assert lock is not None
    lock.release()


@pytest.mark.parametrize("command", ["serve", "run"])
def test_what_opens_the_page_is_printed_in_a_terminal_and_into_no_file(tmp_path: Path, command: str) -> None:
    home, log = tmp_path / "new", tmp_path / "log"
    assert run("init", "--home", home, "--name", "ana").returncode == 0
    arguments = ["--home", str(home), "--dht", "off", "--tcp", "127.0.0.1:0", "--quic", "off", "--ws", "off"]
    arguments += ["--no-browse"] if command == "run" else []
    started = [sys.executable, "-m", "mosaic", command, *arguments]
    with (
        log.open("wb") as out,
        subprocess.Popen(started, stdout=subprocess.PIPE, stderr=out, env=environment()) as node,
    ):
        assert node.stdout is not None
        printed = node.stdout.readline()
        (page,) = objects("page", "--home", home)
        node.terminate()
        printed += node.stdout.read()
        assert node.wait(PATIENCE_S) == 0
    bare, _, token = str(page["address"]).partition("?token=")
    assert json.loads(printed)["web"] == bare
    assert token not in printed.decode() + log.read_text()
    assert "`mosaic page`" in log.read_text()

    ours, its = pty.openpty()
    with subprocess.Popen(started, stdout=its, stderr=subprocess.DEVNULL, env=environment()) as node:
        os.close(its)
        with open(ours, closefd=False) as terminal:
            assert f"?token={token}" in json.loads(terminal.readline())["web"]
        node.terminate()
        assert node.wait(PATIENCE_S) == 0
    os.close(ours)


def test_the_page_is_told_by_a_node_alone(tmp_path: Path) -> None:
    assert run("init", "--home", tmp_path / "home", "--name", "ana").returncode == 0
    told = run("page", "--home", tmp_path / "home")
    assert told.returncode == 2
    assert b"`mosaic serve` starts it" in told.stderr
    with Node(tmp_path / "silent", "ben", more=("--web", "off")) as node:
        told = run("page", "--home", node.home)
        assert (told.returncode, b"shows no page" in told.stderr) == (2, True)


def test_run_makes_a_home_and_shows_its_page(tmp_path: Path) -> None:
    home = tmp_path / "new"
    with subprocess.Popen(
        [sys.executable, "-m", "mosaic", "run", "--no-browse", "--dht", "off", "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        (page,) = objects("page", "--home", home)
        cookie = str(fetch(page["address"]).getheader("set-cookie")).partition(";")[0]
        # Nobody lives there yet: the page asks for a name.
        assert fetch(line["web"], {"Cookie": cookie}).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def seen_from_outside(pid: int) -> str:
    """What the system tells others about a process, where it does."""
    running = Path(f"/proc/{pid}")
    if not running.exists():
        return ""
    shown = (running / "cmdline").read_text()
    # The environment is shown to the superuser alone.
    with contextlib.suppress(PermissionError):
        shown += (running / "environ").read_text()
    return shown


@pytest.mark.claim("C11")
async def test_no_secret_is_told_by_logs_processes_or_output(tmp_path: Path) -> None:
    node = Node(tmp_path / "anna", "anna")
    home = Home(node.home)
    lock = try_lock(home)
    assert lock is not None
    opened = await OpenHome.open(home, lock)
    (person,) = opened.people
    secrets = [person.device, opened.people.master(person).secret(), opened.server_secret]
    await opened.stop()
    forms = [form for key in secrets for form in (key.text, key.reveal().hex(), repr(key.reveal()))]
    forms.append(home.unlock_file.read_text().strip())

    told = ""
    with node:
        assert node.process is not None
        for command in ("whoami", "key list", "following", "feed", "queue", "profile"):
            done = run(*command.split(), "--home", node.home, "--json")
            told += (done.stdout + done.stderr).decode()
        node.do("post", "hello")
        told += seen_from_outside(node.process.pid)
        assert node.stop() == 0
    told += json.dumps(node.line) + node.log
    assert not [form for form in forms if form in told]

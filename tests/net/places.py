"""Where processes of the network test live: in network namespaces of their own, or all at the loopback.

With namespaces each has an address of its own at a bridge, as machines at a switch: a cable can be pulled,
and what passes each is counted by the kernel. They need root. The bridge lies in a namespace as well, so that
nothing of the machine's own network is touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_HUB = "hub"
_DEVICES = Path("/proc/net/dev")


class Place(Protocol):
    """Where one process lives."""

    address: str

    def command(self, *words: str) -> list[str]:
        """A command that runs there."""

    def pull(self) -> None:
        """Pulls the cable: nothing comes or goes."""

    def plug(self, address: str) -> None:
        """Puts it in again, with an address."""


class Places(Protocol):
    """All places of a test."""

    how: str

    def place(self, name: str, address: str) -> Place:
        """A new place."""

    def bytes_passed(self) -> tuple[int, int]:
        """What has passed: at places whose name does not begin with `dht`, and at those (bytes)."""


class Loopback:
    """Everything at 127.0.0.1; ports tell who is who, and no cable can be pulled."""

    how = "processes on this machine's loopback"

    class _Here:
        def __init__(self, address: str) -> None:
            self.address = address

        def command(self, *words: str) -> list[str]:
            return list(words)

        def pull(self) -> None:
            """There is no cable: the process alone will be gone."""

        def plug(self, address: str) -> None:
            self.address = address

    def place(self, name: str, address: str) -> Place:
        del name, address
        return self._Here("127.0.0.1")

    def bytes_passed(self) -> tuple[int, int]:
        counts = _counters(_DEVICES.read_text("ascii")) if _DEVICES.exists() else {}
        return counts.get("lo", (0, 0))[0], 0


class Namespaces:
    """A namespace for each place, and one with the bridge to which all are connected.

    Args:
        prefix: Begins the names of all, so that several tests don't meet.
    """

    how = "processes, each in a network namespace of its own"

    class _Namespace:
        def __init__(self, name: str, number: int, address: str, hub: str) -> None:
            self.name = name
            self.address = address
            _ip("netns", "add", name)
            _ip("link", "add", f"v{number}", "netns", hub, "type", "veth", "peer", "eth0", "netns", name)
            _ip("-n", hub, "link", "set", f"v{number}", "master", "br0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
            self.plug(address)

        def command(self, *words: str) -> list[str]:
            return ["ip", "netns", "exec", self.name, *words]

        def pull(self) -> None:
            _ip("-n", self.name, "link", "set", "eth0", "down")

        def plug(self, address: str) -> None:
            self.address = address
            _ip("-n", self.name, "addr", "flush", "dev", "eth0")
            _ip("-n", self.name, "addr", "add", f"{address}/8", "dev", "eth0")
            _ip("-n", self.name, "link", "set", "eth0", "up")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names: list[str] = []
        self._hub = f"{prefix}{_HUB}"
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "br0", "up")

    def place(self, name: str, address: str) -> Place:
        self._names.append(name)
        return self._Namespace(f"{self._prefix}{name}", len(self._names), address, self._hub)

    def bytes_passed(self) -> tuple[int, int]:
        counts = _counters(_ip("netns", "exec", self._hub, "cat", str(_DEVICES)))
        sent = to_dht = from_dht = 0
        for number, name in enumerate(self._names, 1):
            # What the hub receives from a place is what that place has sent.
            from_place, to_place = counts[f"v{number}"]
            if name.startswith("dht"):
                from_dht, to_dht = from_dht + from_place, to_dht + to_place
            else:
                sent += from_place
        return sent - to_dht, from_dht + to_dht

    def remove(self) -> None:
        """Takes all namespaces away; no process may be in them any more."""
        for name in [*self._names, _HUB]:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "del", f"{self._prefix}{name}")


@contextlib.contextmanager
def places(*, namespaces: bool) -> Iterator[Places]:
    """Namespaces where they are wanted and can be had, else the loopback."""
    if not (namespaces and can_have_namespaces()):
        yield Loopback()
        return
    made = Namespaces(f"m{os.getpid()}")
    try:
        yield made
    finally:
        made.remove()


def can_have_namespaces() -> bool:
    """Whether this machine lets us make network namespaces."""
    if shutil.which("ip") is None:
        return False
    name = f"m{os.getpid()}try"
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "add", "br0", "type", "bridge")
    except (subprocess.CalledProcessError, OSError):
        return False
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", name)
    return True


def _counters(devices: str) -> dict[str, tuple[int, int]]:
    """The bytes that each device has received and sent, as the kernel lists them."""
    found: dict[str, tuple[int, int]] = {}
    for line in devices.splitlines():
        name, colon, counts = line.partition(":")
        if colon:
            fields = counts.split()
            found[name.strip()] = (int(fields[0]), int(fields[8]))
    return found


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout

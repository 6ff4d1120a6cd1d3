"""A Chromium as somebody uses it who sees text and has a keyboard.

It is steered over its DevTools protocol. What is waited for is waited for
inside the page, by its own observer of changes: nothing here sleeps or polls.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

PATIENCE_S = 60.0

_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--mute-audio",
)
_KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Space": ("Space", 32, " "),
}
_SEE = """(wanted, there) => new Promise((resolve) => {
  const look = () => document.readyState === "complete" && document.body.innerText.includes(wanted) === there;
  if (look()) return resolve(true);
  const end = () => { if (look()) { watcher.disconnect(); resolve(true); } };
  const watcher = new MutationObserver(end);
  watcher.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  addEventListener("load", end);
})"""
_FOCUS = """() => new Promise((resolve) => {
  const look = () => document.activeElement && document.activeElement !== document.body;
  look() ? resolve(true) : document.addEventListener("focusin", () => resolve(true), { once: true });
})"""
# A page that is left takes what was asked of it along.
_GONE = ("context was destroyed", "navigated or closed", "Cannot find context", "Promise was collected")


def executable() -> str:
    """Where Chromium is; the test is skipped without one, or fails if everything is required."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("MOSAIC_REQUIRE_ALL") == "1":
        pytest.fail("Chromium is not installed, and every test is required here")
    pytest.skip("Chromium is not installed: nobody looks at the page")


class Trouble(AssertionError):
    """The browser refused what it was asked, or did not answer in time."""


class Tab:
    """One tab: what it shows, and the keyboard in front of it."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._number = 0
        self._events: list[dict[str, Any]] = []
        for room in ("Page", "Network", "Runtime", "Log", "Accessibility"):
            self.call(f"{room}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Asks the browser for something."""
        self._number += 1
        self._link.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        give_up = time.monotonic() + PATIENCE_S
        while True:
            message = self._next(give_up - time.monotonic(), method)
            if message.get("id") != self._number:
                continue
            if "error" in message:
                raise Trouble(f"{method}: {message['error']['message']}")
            result = message["result"]
            assert isinstance(result, dict)
            return result

    def _next(self, patience_s: float, waiting_for: str) -> dict[str, Any]:
        try:
            message = json.loads(self._link.recv(timeout=max(0.0, patience_s)))
        except TimeoutError:
            raise Trouble(f"{waiting_for} took longer than {PATIENCE_S} s") from None
        assert isinstance(message, dict)
        if "method" in message:
            self._events.append(message)
        return message

    def run(self, script: str, *arguments: object) -> Any:
        """What a function of JavaScript gives in this page."""
        values = ", ".join(json.dumps(argument) for argument in arguments)
        result = self.call(
            "Runtime.evaluate",
            expression=f"({script})({values})",
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in result:
            raise Trouble(str(result["exceptionDetails"].get("exception", result["exceptionDetails"])))
        return result["result"].get("value")

    # --- eyes ------------------------------------------------------------------------------------

    def open(self, address: str) -> None:
        """Goes to an address, as by the address bar, and waits until it is there."""
        self.call("Page.navigate", url=address)
        self.see("")

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """Waits until a page is there to which what is done in the block leads."""
        before = len(self._events)
        yield
        give_up = time.monotonic() + PATIENCE_S
        while not any(event["method"] == "Page.loadEventFired" for event in self._events[before:]):
            self._next(give_up - time.monotonic(), "the next page")

    def see(self, text: str) -> None:
        """Waits until a text is to be seen."""
        self._wait(text, there=True)

    def miss(self, text: str) -> None:
        """Waits until a text is no longer to be seen."""
        self._wait(text, there=False)

    def _wait(self, text: str, *, there: bool) -> None:
        while True:
            try:
                assert self.run(_SEE, text, there)
            except Trouble as trouble:
                if any(words in str(trouble) for words in _GONE):
                    continue  # the next page may show it
                raise Trouble(f"{text!r} is {'not ' * there}in:\n{self.text}") from trouble
            return

    @property
    def text(self) -> str:
        """All that is to be seen."""
        return str(self.run("() => document.body.innerText"))

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.run("() => location.href"))

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """Keeps what it looks like."""
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(taken["data"]))

    # --- hands -----------------------------------------------------------------------------------

    def press(self, key: str, *, modifiers: int = 0) -> None:
        """Presses a key: `Tab`, `Enter`, `Escape`, `Space`, or a letter. Modifiers: 2 Ctrl, 8 Shift."""
        code, number, text = _KEYS.get(key, ("", ord(key[0].upper()), key))
        common = {"key": " " if key == "Space" else key, "code": code, "modifiers": modifiers}
        common["windowsVirtualKeyCode"] = number
        if modifiers & 2:
            text = ""
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Types a text where the focus is."""
        self.call("Input.insertText", text=text)

    def led_to(self) -> str:
        """As `focused`, once the page has put the focus anywhere by itself."""
        assert self.run(_FOCUS)
        return self.focused()

    def focused(self) -> str:
        """Role and name of what has the focus, as a screen reader says them, such as `button Post`."""
        found = self.call("Runtime.evaluate", expression="document.activeElement")["result"]
        if "objectId" not in found:
            return ""  # between two pages
        tree = self.call("Accessibility.getPartialAXTree", objectId=found["objectId"], fetchRelatives=False)
        node = tree["nodes"][0]
        return f"{node['role']['value']} {node.get('name', {}).get('value', '')}".strip()

    def tab_to(self, name: str) -> None:
        """Presses Tab until the focus is on what a screen reader calls so."""
        passed = []
        for _ in range(150):
            self.press("Tab")
            passed.append(self.focused())
            if passed[-1] == name:
                return
        raise Trouble(f"Tab does not reach {name!r}, but {list(dict.fromkeys(passed))}")

    # --- what went on ----------------------------------------------------------------------------

    def requests(self) -> list[str]:
        """The addresses of everything that this tab asked for so far."""
        self.run("() => 0")
        found = [
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return found + [
            event["params"]["url"] for event in self._events if event["method"] == "Network.webSocketCreated"
        ]

    def hosts(self) -> set[str]:
        """The HOST:PORT of all requests."""
        return {urlsplit(address).netloc for address in self.requests()}

    def complaints(self) -> list[str]:
        """What the browser or a script complained about: errors, content that the page's policy forbids."""
        self.run("() => 0")
        found = []
        for event in self._events:
            about = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(about["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and about["entry"]["level"] == "error":
                found.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        return found


@contextlib.contextmanager
def chromium(folder: Path, *flags: str) -> Iterator[Tab]:
    """A Chromium of one tab, with a fresh profile in `folder`."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [executable(), *_FLAGS, *sandbox, f"--user-data-dir={folder}", *flags, "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    told: list[str] = []
    base = ""
    for line in process.stderr:
        told.append(line)
        if found := re.search(r"DevTools listening on ws://([^/]+)/", line):
            base = found[1]
            break
    # What it says from here on is of no use, but its pipe must not fill.
    drain = threading.Thread(target=_drain, args=(process.stderr,), daemon=True)
    drain.start()
    try:
        assert base, "".join(told)
        address = f"ws://{base}/devtools/page/{_first_page(base)}"
        with connect(address, max_size=None, open_timeout=PATIENCE_S) as link:
            yield Tab(link)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        drain.join()
        process.stderr.close()


def _drain(lines: Any) -> None:
    for _ in lines:
        pass


def _first_page(base: str) -> str:
    with urllib.request.urlopen(f"http://{base}/json/list", timeout=PATIENCE_S) as answer:
        pages: Sequence[dict[str, str]] = json.load(answer)
    return next(page["id"] for page in pages if page["type"] == "page")

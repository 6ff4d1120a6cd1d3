"""What docs/keys.md tells to do when a laptop is stolen, command by command, each a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loopback.processes import Node, objects, one, run


@pytest.mark.slow
@pytest.mark.claim("C2", "C3", "C4", "C8")
def test_a_laptop_is_stolen(tmp_path: Path) -> None:
    laptop, desk, file, password = (tmp_path / name for name in ("laptop", "desk", "anna.key", "password"))
    password.write_text("correct horse battery\n")
    given = ("--password-file", password)
    with Node(tmp_path / "hub", "hub") as hub, Node(tmp_path / "ben", "ben") as ben:
        used = (hub.line["server"], "--url", hub.line["tcp"])
        anna = one("init", "--home", laptop, "--name", "anna")
        hub.do("admin serve", anna["key"])
        objects("servers", "add", *used, "--home", laptop)
        one("key", "master", "export", file, "--new-password-file", password, "--home", laptop)
        one("key", "master", "forget", file, *given, "--home", laptop)
        one("key", "persona", "add", "pen", "--master", file, *given, "--home", laptop)
        one("post", "mine", "--home", laptop)
        # The queue runs with every edit of the keys, where no node does.
        one("key", "merge", "--master", file, *given, "--home", laptop)
        one("key", "add", "encryption", "--master", file, *given, "--home", laptop)
        ben.do("follow", anna["key"], "--server", hub.line["tcp"], "--key", hub.line["server"])

        # Nobody is told who has the file without the password.
        wrong = tmp_path / "wrong"
        wrong.write_text("something else\n")
        at = ("--server", hub.line["server"], "--url", hub.line["tcp"], "--home", desk)
        refused = run("key", "join", file, "--name", "anna", "--password-file", wrong, *at)
        assert refused.returncode == 4
        assert b"does not open" in refused.stderr
        joined = one("key", "join", file, "--name", "anna", *given, *at)
        assert joined["key"] == anna["key"]
        assert joined["delivered"] == 1
        (listed,) = objects("key", "list", "--home", desk)
        assert {anna["device"], joined["device"]} <= {each["key"] for each in listed["keys"]}
        assert listed["master"] == "away"
        revoke = ("key", "revoke", anna["device"], "--since", "0s", "--master", file, *given, "--home", desk)
        revoked = one(*revoke)
        assert revoked["delivered"] == 1
        # The post; and the key of her list, where the server has not yet what took its place.
        assert revoked["vouched"] in {1, 2}
        found = hub.do("query", "--author", anna["key"], "--kind", "post")
        assert [each["text"] for each in found] == ["mine"]
        states = {each["key"]: each["state"] for each in one("key", "list", "--home", desk)["keys"]}
        assert states[anna["device"]] == "revoked since"
        assert states[joined["device"]] == "active"
        # The thief's own home hears of it, and can do nothing more.
        late = run("key", "roll", "--home", laptop)
        assert late.returncode == 4

"""What somebody does with keys in the course of years, command by command."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.faults.secrets.forms import nsec
from tests.faults.secrets.world import Started, World

from mosaic.core import human
from mosaic.core.keys import PublicKey, SecretKey

NOSTR = bytes(range(0x31, 0x51))


class Life:
    """Anna, with a laptop; her friend Ben has a server.

    Args:
        world: Where.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.laptop, self.phone, self.ben = (world.inside / name for name in ("laptop", "phone", "ben"))
        self.at = ("--home", self.laptop)

    # --- parts -------------------------------------------------------------------------------------------

    def is_born(self) -> None:
        """Homes with a talkative log, posts, a persona, rolled keys."""
        for home, name in ((self.laptop, "anna"), (self.ben, "ben")):
            home.mkdir()
            log = self.world.inside / "said" / f"{name}.log"
            (home / "mosaic.toml").write_text(f'[log]\nlevel = "debug"\nfile = "{log}"\n')
            made = self.world.one("init", "--home", home, "--name", name)
            self.names(home, name)
            assert made["key"]
        self.world.run("post", "Good morning", *self.at)
        self.world.run("key", "persona", "add", "pen", *self.at)
        self.world.run("key", "roll", *self.at)
        self.names(self.laptop, "anna")

    def names(self, home: Path, name: str) -> dict[str, Any]:
        """Gives all keys that a home tells of their names."""
        (told,) = self.world.objects("key", "list", "--home", home)
        call = self.world.call
        call(PublicKey.parse_user(told["key"]).bytes, f"master of {name}")
        call(PublicKey.parse_server(told["server"]).bytes, f"server of {name}")
        for number, each in enumerate(told["keys"]):
            text = each["key"]
            if each["use"] == "nostr":
                key = bytes.fromhex(text)
            elif each["use"] == "encryption":
                key = human.decode("", text)
            else:
                key = PublicKey.parse_user(text).bytes
            call(key, f"{each['use']} {number} of {name}")
        return told

    def changes_keys(self) -> None:
        at, world = self.at, self.world
        world.run("key", "add", "encryption", *at)
        world.run("key", "roll", "encryption", *at)
        world.run("key", "nostr", "add", "--label", "old", *at, stdin=nsec(NOSTR) + "\n")
        world.run("post", "--persona", "pen", "by pen", *at)
        world.run("profile", "--set", "about=I bake bread.", *at)
        new = world.one("key", "new")
        world.call(SecretKey.parse(new["secret"]).public.bytes, "new key")
        with world.ledger.open("a") as ledger:
            seed = SecretKey.parse(new["secret"]).reveal().hex()
            ledger.write(json.dumps({"what": "ed25519", "hex": seed, "pid": 0}) + "\n")
        self.names(self.laptop, "anna")

    def puts_the_master_away(self) -> Path:
        """Returns its file."""
        world, at = self.world, self.at
        password = world.text("master password", "four master words together")
        file = world.given / "anna.key"
        world.run("key", "master", "lock", "--new-password-file", password, *at)
        world.run("key", "roll", "--password-file", password, *at)
        world.run(
            "key", "master", "export", file, "--new-password-file", password, "--password-file", password, *at
        )
        world.run("key", "master", "import", file, "--password-file", password, *at)
        world.run("key", "master", "forget", file, "--password-file", password, *at)
        world.run("key", "roll", *at, code=4)
        world.run("key", "roll", "--master", file, "--password-file", password, *at)
        self.names(self.laptop, "anna")
        return file

    def meets(self, laptop: Started, ben: Started) -> None:
        """Follows, is followed, uses a friend's server."""
        world, at, there = self.world, self.at, ("--home", self.ben)
        keys = [world.one("key", "list", "--home", home)["key"] for home in (self.laptop, self.ben)]
        world.run("follow", keys[1], "--server", ben.line["tcp"], "--key", ben.line["server"], *at)
        world.run("follow", keys[0], "--server", laptop.line["tcp"], "--key", laptop.line["server"], *there)
        world.run("admin", "serve", keys[0], *there)
        world.run("servers", "add", ben.line["server"], "--url", ben.line["tcp"], *at)
        world.run("post", "At two places", *at)
        world.run("admin", "ban", "198.51.100.7", *there)
        world.run("servers", "check", *at)
        self.looks_at_the_page(at)

    def looks_at_the_page(self, at: tuple[str, Path]) -> None:
        (page,) = self.world.objects("page", *at)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        bare = page["address"].partition("?")[0]
        wanted = (page["address"], f"{bare}keys", f"{bare}people", f"{bare}servers", f"{bare}feed?token=x")
        for number, where in enumerate(wanted):
            request = urllib.request.Request(where)
            try:
                body = opener.open(request, timeout=60).read()
            except urllib.error.HTTPError as error:
                body = error.read()
            (self.world.inside / "said" / f"page-{self.world.count}-{number}.html").write_bytes(body)

    def pairs(self) -> None:
        """Pairs a phone, and revokes it; a code that was used is worth nothing."""
        world = self.world
        laptop = world.begin("pair", "--json", "--no-qr", *self.at)
        assert laptop.process.stdin is not None
        laptop.process.stdin.write("y\n")
        laptop.process.stdin.flush()
        code = json.loads(laptop.until('"code"'))["code"]
        joined = world.begin("pair", "join", "--json", "--label", "phone", "--home", self.phone)
        new = joined.end(f"{code}\ny\n")
        laptop.end()
        assert (laptop.code, new.code) == (0, 0), (laptop.out, laptop.err, new.out, new.err)
        self.names(self.phone, "phone")
        world.run("post", "From the phone", "--home", self.phone)
        world.run("key", "revoke", "phone", "--since", "0s", *self.at)
        world.run("pair", "join", "--home", world.inside / "late", stdin=f"{code}\ny\n", code=1)
        assert not (world.inside / "late").exists()
        self.names(self.laptop, "anna")

    def prepares_for_the_worst(self) -> None:
        """Sheets, backups, exports; and comes back with them."""
        world, at = self.world, self.at
        sheet_password = world.text("sheet password", "five words for the sheet")
        backup_password = world.text("backup password", "six words for all backups")
        sheet, said = world.given / "sheet.txt", world.inside / "said"
        new = ("--new-password-file", sheet_password)
        world.run("recovery", "sheet", "--text", sheet, "--html", said / "sheet.html", *new, *at)
        # Whoever finds the sheet has the key only with its password, so the sheet is looked through as well.
        (said / "sheet.txt").write_bytes(sheet.read_bytes())
        backup, plain = world.inside / "all.mosaic-backup", world.inside / "plain.mosaic-backup"
        world.run("backup", backup, "--password-file", backup_password, *at)
        world.run("backup", plain, "--plain", *at)
        world.run("backup", "test", backup, "--password-file", backup_password)
        restored = world.inside / "restored"
        world.run("restore", backup, "--home", restored, "--password-file", backup_password)
        world.run("post", "I am back", "--home", restored)
        world.run("restore", plain, "--home", world.inside / "public")
        for name in ("all.mosaic", "all.jsonl"):
            world.run("export", said / name, *at)
        back = world.inside / "back"
        given = ("--password-file", sheet_password, "--offline", "--dht", "off", "--home", back)
        world.run("recovery", "restore", sheet, *given)
        self.names(back, "the one who is back")
        world.run("check", *at)

    def pastes_the_wrong_thing(self) -> None:
        """Secrets, where keys and names of other things belong."""
        world, secret = self.world, SecretKey.from_seed(bytes(range(0x61, 0x81)))
        world.call(secret.public.bytes, "pasted key")
        with world.ledger.open("a") as ledger:
            ledger.write(json.dumps({"what": "ed25519", "hex": secret.reveal().hex(), "pid": 0}) + "\n")
        for text in (secret.text, nsec(secret.reveal())):
            for words in (
                ("follow", text),
                ("init", "--name", text),
                ("post", f"my key is {text}"),
                ("get", text),
            ):
                started = world.begin(*words, *self.at)
                started.end()
                assert started.code in {1, 2, 4}, (words, started.out)
                # What somebody types himself into a command line, everybody sees.
                for file in (world.inside / "seen").glob(f"{started.process.pid}-*-cmdline"):
                    file.unlink()

"""Makes `v1.tar.zst` and `v1.json`: a home as the program wrote it when its layout was version 1.

    python tests/faults/homes/make_v1.py SOURCE

SOURCE is the `src` folder of a program of that time (layout 1, log format 1: the
last was commit dc6b818). The archive is kept, because today's program can't make
it any more; this script tells what is in it and how it came there, by the
program's own commands alone:

* two people, anna and ben, who follow each other;
* posts, a blog post, a reply, a record of notes that was edited twice;
* a post of anna's and a Deletion of it by anna, which layout 1 stored and did
  not understand: the post is still served there, and must not be any more after
  the migration; likewise notes that a Deletion names by their address;
* a post of anna's and a Deletion of it by ben, which never counts;
* three blobs: one that a post names, one that only the deleted post names, one
  that nobody names;
* a reply to somebody whose servers are not known, which waits.

`v1.json` names the keys, the ids and the hashes. The keys are this fixture's and
of no other use; their password lies in the archive, in `home/unlock`.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import zstandard

HERE = Path(__file__).parent
DELETION = "def0843a0001000c"
NOTE = "000000630002000e"
TARGET = "0x4D01"
BLOB = "0x4D03"
POST = "000000010001001c"
STRANGER = "mopub07jfgaa9nutjyixzikb7tgmsf9gkwq7iqz498zr1nd5ig1fng4esy"


class Program:
    """The program of that time, and a home."""

    def __init__(self, source: Path, home: Path) -> None:
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(source),
            "MOSAIC_KEYRING": "no",
            "MOSAIC_HOME": str(home),
        }

    def __call__(self, *arguments: str) -> list[dict[str, object]]:
        code = "from mosaic.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments, "--json"],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]


def main(source: Path) -> None:
    """Makes both files."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        told = make(Program(source, home), Path(folder))
        (home / "lock").unlink(missing_ok=True)
        pack(home, HERE / "v1.tar.zst")
    (HERE / "v1.json").write_text(json.dumps(told, indent=2) + "\n")


def make(run: Program, folder: Path) -> dict[str, object]:
    """Fills the home; what stands in `v1.json`."""
    noise = random.Random(1)
    anna, ben = run("init", "--name", "anna")[0], run("init", "--name", "ben")[0]
    run("follow", text(ben, "key"))
    run("follow", text(anna, "key"), "--as", "ben")
    blobs = []
    for number, size in enumerate((40_000, 3_000, 500)):
        file = folder / f"blob{number}"
        file.write_bytes(noise.randbytes(size))
        blobs.append(text(run("blob", "put", str(file))[0], "hash"))

    def note(content: str, *more: str) -> dict[str, object]:
        return run("record", "--kind", NOTE, "--at", "notes", content, *more)[0]

    kept = [
        run("post", "Good morning")[0],
        run("post", "--blog", "What I did today. " * 200)[0],
        run("record", "--kind", POST, "With a picture", "--tag", blob_tag(blobs[0], 40_000))[0],
        run("post", "Good morning, anna", "--as", "ben")[0],
    ]
    kept.append(run("reply", text(kept[0], "id"), "And to you", "--as", "ben")[0])
    run("post", f"To somebody far away: @{STRANGER}")
    superseded = [note("first"), note("second")]
    kept.append(note("third"))
    deleted = [run("record", "--kind", POST, "I regret this", "--tag", blob_tag(blobs[1], 3_000))[0]]
    deleted.append(run("record", "--kind", NOTE, "--at", "gone", "These notes go")[0])
    kept.append(run("post", "This stays whatever ben says")[0])

    def delete(record: dict[str, object], what: str, *more: str) -> dict[str, object]:
        return run("record", "--kind", DELETION, "--payload", "", "--tag", target_tag(record, what), *more)[0]

    deletions = [
        delete(deleted[0], "id"),
        delete(deleted[1], "address"),
        delete(kept[-1], "id", "--as", "ben"),
    ]
    return {
        "people": {"anna": text(anna, "key"), "ben": text(ben, "key")},
        "server": text(anna, "server"),
        "kept": [text(record, "id") for record in kept + deletions],
        "superseded": [text(record, "id") for record in superseded],
        "deleted": [text(record, "id") for record in deleted],
        "blobs": blobs,
    }


def text(item: dict[str, object], name: str) -> str:
    """A text in a program's answer."""
    return str(item[name])


def target_tag(record: dict[str, object], what: str) -> str:
    """A Target tag: zeros, the kind, the reference by `id` or `address`."""
    reference = human.decode("moref0", text(record, what), 48)
    return f"{TARGET}:{bytes(4).hex()}{record['kind']}{reference.hex()}"


def blob_tag(blob_hash: str, size: int) -> str:
    """A Blob tag: hash, offset, size, no width, height, key or media type."""
    return f"{BLOB}:{blob_hash}{bytes(4).hex()}{size:016x}{bytes(4 + 32 + 1).hex()}"


def pack(home: Path, target: Path) -> None:
    """A tar of the home with nothing of this machine in it, compressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(home.rglob("*")):
            entry = archive.gettarinfo(path, f"home/{path.relative_to(home)}")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            if entry.isfile():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            elif entry.isdir():
                archive.addfile(entry)
    target.write_bytes(zstandard.ZstdCompressor(level=19).compress(out.getvalue()))


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from mosaic.core import human

    main(Path(sys.argv[1]))

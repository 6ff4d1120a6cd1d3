"""Which statements of docs/claims.md have a passing test: `make claims`.

Runs the tests that carry a claim (all of them, or those of `--require`) and
prints how many statements are proven and which are not; `--outcomes FILE` takes
what tests that ran already have written with `--claims-to`. A statement that
is an argument counts when the page and section that argue it exist.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| (C\d+) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
LINK = re.compile(r"\]\((?P<page>[^)#]+)(?:#(?P<section>[^)]+))?\)")


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of docs/claims.md."""

    number: str
    statement: str
    argued_in: str

    def is_argued(self) -> bool:
        """Whether the page that argues it exists and has the section."""
        link = LINK.search(self.argued_in)
        if link is None:
            return False
        page = (ROOT / "docs" / link["page"]).resolve()
        if not page.is_file():
            return False
        headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
        return link["section"] is None or link["section"] in anchors


def read_claims(text: str) -> list[Claim]:
    """The rows of the page, in their order."""
    return [Claim(*match) for match in ROW.findall(text)]


def run_tests(numbers: list[str] | None) -> dict[str, dict[str, list[str]]]:
    """Runs the tests of these claims (all if None): claim → outcome → test names."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "claims.txt"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "claim", "-n", "2", f"--claims-to={result}"]
        if numbers is not None:
            command.append(f"--claims={' '.join(numbers)}")
        subprocess.run(command, cwd=ROOT, check=False)
        return read_outcomes(result)


def read_outcomes(written: Path) -> dict[str, dict[str, list[str]]]:
    """What `--claims-to` wrote: claim → outcome → test names. Empty if no such test ran."""
    lines = written.read_text(encoding="utf-8").splitlines() if written.exists() else []
    outcomes: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        number, outcome, test = line.split("\t")
        outcomes.setdefault(number, {}).setdefault(outcome, []).append(test)
    return outcomes


def main() -> int:
    """Prints the report; 1 if a required statement has no passing test or a failing one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--require", default="", help="numbers that must be proven, separated by blanks")
    parser.add_argument("--outcomes", type=Path, help="what tests wrote with --claims-to: run none")
    options = parser.parse_args()
    required: list[str] = options.require.split()
    claims = {claim.number: claim for claim in read_claims((ROOT / "docs" / "claims.md").read_text("utf-8"))}
    unknown = [number for number in required if number not in claims]
    if unknown:
        print(f"docs/claims.md has no {', '.join(unknown)}")
        return 1
    outcomes = read_outcomes(options.outcomes) if options.outcomes else run_tests(required or None)
    proven = {
        number
        for number, claim in claims.items()
        if (outcomes.get(number, {}).get("passed") and not outcomes[number].get("failed"))
        or claim.is_argued()
    }
    asked = required or list(claims)
    missing = [number for number in asked if number not in proven]
    for number in missing:
        failed = outcomes.get(number, {}).get("failed", [])
        why = f"fails: {failed[0]}" if failed else "no passing test"
        print(f"{number:>4}  {why}: {claims[number].statement}")
    print(f"{len(asked) - len(missing)} of {len(asked)} statements are proven by a test or argued on a page")
    return 1 if required and missing else 0


if __name__ == "__main__":
    raise SystemExit(main())

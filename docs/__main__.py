"""Makes the generated pages again and checks the written ones: `make docs`.

Generated: `commands.md`, every command with its help, and `settings.md`, every setting. `--check` writes
nothing and fails if a generated page is not what it would be, or a link leads nowhere.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def commands_page() -> str:
    """Every command of `mosaic`, in the order of `mosaic --help`, with its own help text."""
    from mosaic.cli.main import mosaic  # noqa: PLC0415 — the page can be checked without the kernel otherwise

    lines = [
        "# Commands",
        "",
        "Made by `make docs` from the commands' own help.",
    ]
    for path, command in _walk(mosaic, "mosaic"):
        context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
        lines += ["", f"## {path}", "", "```", command.get_help(context).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _walk(child, f"{path} {name}")


def settings_page() -> str:
    """Every setting with its default, and the presets."""
    from mosaic.node import configuration, settings_text  # noqa: PLC0415 — as above
    from mosaic.web.settings import WebSettings  # noqa: PLC0415 — as above

    loaded = configuration.load(None, defaults=configuration.SERVING, more={"page": WebSettings()})
    return settings_text.page(loaded)


GENERATED = {"commands.md": commands_page, "settings.md": settings_page}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are usually made from them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links() -> list[str]:
    """A sentence for each link in our pages that leads nowhere."""
    broken = []
    for page in [*ROOT.glob("*.md"), *HERE.rglob("*.md")]:
        for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
            file = (page.parent / target).resolve() if target else page
            if not file.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target} does not exist")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                broken.append(f"{page.relative_to(ROOT)}: {target} has no section #{anchor}")
    return broken


def main() -> int:
    """Writes or checks; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check: bool = parser.parse_args().check
    problems = []
    for name, make in GENERATED.items():
        page = HERE / name
        text = make()
        if check and (not page.exists() or page.read_text(encoding="utf-8") != text):
            problems.append(f"docs/{name} is out of date: run `make docs`")
        elif not check:
            page.write_text(text, encoding="utf-8")
            print(f"docs/{name}")  # noqa: T201
    problems += broken_links()
    for problem in problems:
        print(problem)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The pages say what is so: links, dependencies, rooms, modules, settings."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import docstrings

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "mosaic"


def test_generated_pages_are_current_and_links_lead_somewhere() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_dependency_has_its_reason_and_every_reason_its_dependency() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = {
        name.strip()
        for row in re.findall(r"^\| ([\w\-, ()]+?) \|", page, re.MULTILINE)
        for name in row.split(",")
    }
    listed -= {"package", "crate", "---"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        re.split(r"[<>=~\[]", line)[0]
        for line in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    }
    manifests = [
        tomllib.loads(p.read_text(encoding="utf-8"))
        for p in ROOT.glob("*/**/Cargo.toml")
        if "target" not in p.parts
    ]
    for manifest in manifests:
        wanted |= {name for name, how in manifest["dependencies"].items() if "path" not in how}
        wanted |= {f"{name} (crate)" for name in manifest.get("dev-dependencies", {}) if name not in wanted}
    assert listed == wanted


def test_every_room_is_described() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    layers = ARCHITECTURE.split("## Layers")[1].split("```")[1]
    assert rooms <= set(re.findall(r"\w+", layers))


def test_the_index_of_rules_names_what_exists() -> None:
    index = ARCHITECTURE.split("## Where to find a rule")[1]
    rows = re.findall(r"^\| .+? \| (.+?) \| (.*?) ?\|$", index, re.MULTILINE)[1:]
    assert len(rows) > 15
    for modules, name in rows:
        paths = re.findall(r"`([^`]+)`", modules)
        files = [ROOT / path if path.startswith("kernel/") else PACKAGE / path for path in paths]
        for path, file in zip(paths, files, strict=True):
            assert file.exists(), path
        files = [f for file in files for f in ([file] if file.is_file() else sorted(file.glob("*.*")))]
        for found in re.findall(r"`([\w.]+)`", name):
            assert any(
                re.search(rf"\b{found.split('.')[-1]}\b", f.read_text(encoding="utf-8")) for f in files
            ), found


def test_the_index_of_rules_says_where_tests_stand() -> None:
    index = ARCHITECTURE.split("## Where to find a rule")[1]
    tables = index.split("\n### ")[1:]
    assert tables
    for table in tables:
        named = re.findall(r"`(tests/[^`]+)`", table.split("\n|")[0])
        assert named, table.split("\n")[0]
        for path in named:
            assert (ROOT / path).exists(), path


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_name_has_a_docstring(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module itself"
    nodes: list[ast.AST] = list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not node.name.startswith("_"):
            overload = any("overload" in ast.dump(d) or "setter" in ast.dump(d) for d in node.decorator_list)
            assert overload or ast.get_docstring(node), node.name
            if isinstance(node, ast.ClassDef):
                nodes.extend(node.body)


@functools.cache
def sources() -> list[docstrings.Source]:
    return [docstrings.Source.read(ROOT, module) for module in modules()]


@functools.cache
def tools() -> list[docstrings.Source]:
    folders = ("benchmarks", "examples", "fuzz")
    return [
        docstrings.Source.read(ROOT, m) for folder in folders for m in sorted((ROOT / folder).rglob("*.py"))
    ]


def test_every_docstring_names_the_errors_that_its_function_raises() -> None:
    everything = [*sources(), *tools()]
    package = docstrings.Package(everything)
    problems = [line for source in everything for line in docstrings.unnamed_exceptions(source, package)]
    assert not problems, "\n".join(problems)


def test_every_module_names_the_page_that_its_rules_are_from() -> None:
    headings = set(re.findall(r"^#+ (.+)$", ARCHITECTURE, re.MULTILINE))
    problems = [line for source in sources() for line in docstrings.missing_source(source, headings)]
    assert not problems, "\n".join(problems)


def test_every_number_is_described_and_every_quantity_has_a_unit() -> None:
    problems = [line for source in [*sources(), *tools()] for line in docstrings.missing_units(source)]
    assert not problems, "\n".join(problems)


def test_modules_stay_readable() -> None:
    long = {
        str(m.relative_to(PACKAGE)): n
        for m in modules()
        if (n := len(m.read_text("utf-8").splitlines())) > 450
    }
    assert long == {}


def test_the_compiled_module_is_opened_through_its_package_only() -> None:
    # The layers' tool sees imports of `mosaic._kernel`, but none of the compiled module behind it.
    behind = re.compile(r"mosaic\._kernel\._rust\b")
    assert [str(m) for m in modules() if behind.search(m.read_text("utf-8"))] == []


SETTINGS = {
    "mosaic.client.settings": "ClientSettings",
    "mosaic.node.settings": "NodeSettings",
    "mosaic.server.settings": "ServerSettings",
    "mosaic.transport.settings": "TransportSettings",
    "mosaic.web.settings": "WebSettings",
}


@pytest.mark.parametrize(("module", "name"), SETTINGS.items(), ids=SETTINGS.values())
def test_every_setting_has_a_line_of_help(module: str, name: str) -> None:
    settings = getattr(importlib.import_module(module), name)
    fields = dataclasses.fields(settings)
    assert settings.__dataclass_params__.frozen
    # What holds another room's settings needs no line: each of those has its own.
    own = [field for field in fields if not str(field.type).endswith("Settings")]
    assert own
    assert [field.name for field in own if not field.metadata.get("help")] == []

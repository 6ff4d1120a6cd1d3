"""docs/behavior.md says what the rules do: sentence by sentence, in their order."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from mosaic.node.operating_settings import RoleSettings
from mosaic.policy.introductions import Introductions
from mosaic.policy.roles import Role, roles_of
from mosaic.policy.whole import policy_of
from mosaic.policy.withhold import always

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "behavior.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (.+?) \| `(\S+?)` `(\S+?)` \|$", re.MULTILINE)


def section(title: str) -> list[tuple[str, str, str]]:
    """The rules of a section: sentence, module, function."""
    return ROW.findall(PAGE.split(f"## {title}\n")[1].split("\n## ")[0])


def every_role() -> dict[str, list[Role]]:
    """Each role in each of its forms."""
    introductions = Introductions(lambda key: False, lambda: 0)
    found: dict[str, list[Role]] = {}
    for settings in (
        RoleSettings(chat=True, inbox_readers="recipient"),
        RoleSettings(outbox=False, inbox=False),
    ):
        for role in roles_of(settings, lambda key: False, introductions, always):
            found.setdefault(role.name, []).append(role)
    return found


def maker(rule: object) -> tuple[str, str]:
    """The module and the function that a rule is, or comes from."""
    module = getattr(rule, "__module__", "").removeprefix("mosaic.").replace(".", "/") + ".py"
    return module, getattr(rule, "__qualname__", "").split(".<locals>")[0]


@pytest.mark.claim("C57")
@pytest.mark.parametrize("name", ["outbox", "papers", "encryption", "inbox", "chat"])
def test_each_rule_of_a_role_has_its_sentence_and_each_sentence_its_rule(name: str) -> None:
    rules = {(sentence, *maker(rule)): None for role in every_role()[name] for rule, sentence in role.rules}
    rows = section(name.capitalize())
    assert set(rows) == set(rules)
    for role in every_role()[name]:
        places = [rows.index((sentence, *maker(rule))) for rule, sentence in role.rules]
        assert places == sorted(places), "the page has another order than the role"


def test_no_role_is_left_out() -> None:
    titles = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    assert {name.capitalize() for name in every_role()} <= titles


def test_every_function_that_the_page_names_exists() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) > 25
    for _, module, name in rows:
        found = importlib.import_module("mosaic." + module.removesuffix(".py").replace("/", "."))
        assert hasattr(found, name), f"{module} has no {name}"


def test_what_is_asked_before_the_roles_stands_there() -> None:
    page = {(module, name) for _, module, name in section("Before the roles")}
    whole = policy_of((), lambda key: False)
    assert maker(whole.records[0]) in page

"""Rules of retention as an operator writes them, and what the node makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.core.kinds import MICROBLOG
from mosaic.errors import MosaicError, SettingsInvalid, UsageError
from mosaic.node.configuration import load
from mosaic.node.retention_settings import RetentionSettings, RuleSettings
from mosaic.policy.retention import AuthorClass, RetentionRule

TEXT = """
[[retention.rule]]
kind = "{kind}"
author = "stranger"
older_than = "30d"

[[retention.rule]]
keep_bytes = "10 MiB"
"""


def test_rules_are_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mosaic.toml"
    file.write_text(TEXT.format(kind=MICROBLOG.bytes.hex()))
    assert load(file).settings.retention.rules() == (
        RetentionRule(MICROBLOG, AuthorClass.STRANGER, older_than_ns=30 * 86_400 * 10**9),
        RetentionRule(keep_bytes=10 << 20),
    )


def test_without_rules_everything_is_kept() -> None:
    assert RetentionSettings().rules() == ()


def test_a_rule_that_says_nothing_or_a_kind_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keeps everything"):
        RuleSettings()
    with pytest.raises(MosaicError, match="kind"):
        RuleSettings(kind="bread", older_than_s=1.0)
    file = tmp_path / "mosaic.toml"
    file.write_text(TEXT.format(kind="bread"))
    with pytest.raises(SettingsInvalid):
        load(file)

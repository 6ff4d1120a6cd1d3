"""Numbers for Prometheus: every one there is, without keys and addresses, and `/health` beside them."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections import namedtuple
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.node.conftest import OpenNode, do
from tests.node.test_reload import reload_of

from mosaic.core import kinds
from mosaic.errors import ListenFailed
from mosaic.node.health import Health, create_app, watched
from mosaic.node.host_port import HostPort
from mosaic.node.kind_counts import KindCounts
from mosaic.node.metrics import METRICS, Metrics, Row
from mosaic.node.node import Node
from mosaic.node.operating import Operating
from mosaic.node.operating_settings import BackupSettings
from mosaic.server.metrics import Durations, described
from mosaic.server.metrics import Metrics as Counts

Usage = namedtuple("Usage", "total used free")


def read(node: Node) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = Metrics(node).text().decode()
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_all_numbers_can_be_read_and_count_what_happens(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        before = read(node)
        await do(node, "post", text="hello")
        await do(node, "post", text="again")
        after = read(node)
        assert after["mosaic_records_by_kind_total Microblog Root"] == 2
        assert after["mosaic_submissions_total ACCEPTED"] - before["mosaic_submissions_total ACCEPTED"] == 2
        assert after["mosaic_records_stored_total"] - before["mosaic_records_stored_total"] == 2
        assert after["mosaic_batch_seconds_count"] > before["mosaic_batch_seconds_count"]
        assert after["mosaic_people"] == 1
        assert after["mosaic_store_records"] == before["mosaic_store_records"] + 2
        assert 0 < after["mosaic_disk_free_bytes"] < after["mosaic_disk_bytes"]
        assert after["process_resident_memory_bytes"] > 0
        names = {name.partition(" ")[0].removesuffix("_total") for name in after}
        optional = {"mosaic_door", "mosaic_dht_publish_age_seconds", "mosaic_backup_age_seconds"}
        assert {f"mosaic_{row.name}" for row in METRICS} - optional <= names
        text = Metrics(node).text().decode()
        assert not re.search(r"mopub0|mosrv0|127\.0\.0\.1|::1", text)


async def test_backups_that_never_came_about_have_an_age_too(open_node: OpenNode, tmp_path: Path) -> None:
    name = "mosaic_backup_age_seconds"
    async with open_node("ana") as node:
        assert name not in read(node)
        backup = BackupSettings(str(tmp_path / "none"), plain=True)
        node.live.replace(dataclasses.replace(node.settings, backup=backup))
        os.utime(node.home.version_file, (time.time() - 1_000_000,) * 2)
        assert read(node)[name] > 999_000
        (tmp_path / "none").mkdir()
        assert await node.backups.look()
        assert read(node)[name] < 60


def test_every_counter_of_the_server_is_told_and_described() -> None:
    counted = set(Counts().as_dict())
    assert counted <= set(described())
    assert counted <= {row.name for row in METRICS if row.kind == "counter"}
    assert all(row.help.strip() for row in METRICS)
    assert len({row.name for row in METRICS}) == len(METRICS)


async def test_a_number_that_can_not_be_read_leaves_the_others(
    open_node: OpenNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_node: Node) -> list[tuple[tuple[str, ...], float]]:
        raise OSError

    async with open_node("ana") as node:
        rows = (Row("broken", "gauge", "fails", fails), *METRICS)
        monkeypatch.setattr("mosaic.node.metrics.METRICS", rows)
        told = read(node)
        assert "mosaic_links" in told
        assert "mosaic_broken" not in told


def test_durations_are_counted_in_their_buckets() -> None:
    durations = Durations()
    for ns in (0, 1_000_000, 1_000_001, 10**10, 10**12):
        durations.note(ns)
    assert durations.buckets[:2] == [2, 1]
    assert durations.buckets[-2:] == [1, 1]
    assert durations.sum_ns == 10**12 + 10**10 + 2_000_001


def test_kinds_that_anybody_makes_up_share_one_label() -> None:
    counts = KindCounts()
    for number in range(100):
        counts.note(0, bytes(56) + number.to_bytes(8, "big") + bytes(200))
    counts.note(0, bytes(56) + kinds.PROFILE.bytes + bytes(200))
    assert counts.counts == {"other": 100, "Profile": 1}


async def ask(node: Node, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=create_app(node))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.get(path)


async def test_health_says_yes_and_why_not(
    open_node: OpenNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node("ana") as node:
        node.operating = Operating(node, reload_of(node, tmp_path / "none.toml"))
        answer = await ask(node, "/health")
        assert (answer.status_code, answer.json()["ok"], answer.json()["problems"]) == (200, True, [])
        assert (await ask(node, "/metrics")).headers["content-type"].startswith("text/plain")
        node.operating.reload.fault = "line 3"
        assert "line 3" in " ".join((await ask(node, "/health")).json()["warnings"])
        monkeypatch.setattr("mosaic.node.health.shutil.disk_usage", lambda _folder: Usage(1000, 995, 5))
        answer = await ask(node, "/health")
        assert (answer.status_code, answer.json()["problems"]) == (
            503,
            ["Only 0.5 percent of the disk is free."],
        )
        monkeypatch.undo()
        node.operating.drain(0.1)
        assert (await ask(node, "/health")).json()["problems"] == ["The node is stopping."]


async def test_failed_writes_count_for_a_minute(open_node: OpenNode, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_node("ana") as node:
        now = node.clock.now_ns()
        monkeypatch.setattr(type(node.clock), "now_ns", lambda _clock: now)
        looks = Health(node)
        assert looks.problems() == []
        node.server.metrics.write_failures += 1
        assert looks.problems() == ["Records could not be written within the last minute."]
        now += 59_000_000_000
        assert len(looks.problems()) == 1
        now += 61_000_000_000
        looks.problems()
        now += 61_000_000_000
        assert looks.problems() == []


async def test_an_address_that_is_taken_is_told(open_node: OpenNode) -> None:
    async with open_node("ana") as node:
        async with watched(node) as where:
            assert not where
        settings = node.settings
        object.__setattr__(settings.metrics, "address", HostPort("127.0.0.1", 0))
        async with watched(node) as where:
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"http://{where}/health")).status_code == 200
            object.__setattr__(settings.metrics, "address", where)
            with pytest.raises(ListenFailed, match="the metrics can't listen"):
                async with watched(node):
                    pass
        object.__setattr__(settings.metrics, "address", HostPort("", 0))

"""Figures for Prometheus: what workers do is counted on a page of theirs, what waits on the gateway's, and nobody is in any of them."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import settings
from gateway.counting import shown
from gateway.metrics import Metrics
from tests.docs.test_snippets import ENVIRONMENT
from tests.gateway.town import ANA, TUESDAY, Town, message, number, person

CONVENTION = re.compile(r"tregua_[a-z_]+")


async def figures(town: Town) -> dict[str, float]:
    """Samples of both pages, by name and labels: the gateway's over HTTP, and the worker's own."""
    async with (
        shown(town.house.metrics, "127.0.0.1", 0) as port,
        town.session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = await answer.text()
    _, page, _ = await town.call("GET", "/metrics")
    assert ANA not in text + str(page)
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for source in (text, str(page))
        for family in text_string_to_metric_families(source)
        for sample in family.samples
    }


async def test_what_a_worker_does_is_counted(busy: Town) -> None:
    await busy.set_clock(TUESDAY)
    sent = await busy.send(message())
    await busy.until(sent["id"], "delivered")
    rejected = await busy.send(message(person("bea", "+573001230003")))
    await busy.until(rejected["id"], "failed")
    for _ in range(100):
        found = await figures(busy)
        if found.get("tregua_jobs_total[('ending', 'done'), ('job', 'seal')]", 0) > 0:
            break
        await asyncio.sleep(0.1)
    way = ("provider", "twilio-test")
    assert found[f"tregua_attempts_total[('ending', 'sent'), {way}]"] == 1
    assert found[f"tregua_attempts_total[('ending', 'rejected'), {way}]"] == 1
    assert found[f"tregua_receipts_total[('kind', 'delivered'), {way}]"] == 1
    assert found["tregua_job_seconds_count[('job', 'seal')]"] > 0
    assert found["tregua_workers[]"] == 1
    assert found["tregua_messages_unknown[]"] == 0


async def test_what_waits_is_counted(quiet: Town) -> None:
    await quiet.set_clock(TUESDAY)
    await quiet.send(message(person("ana", number(1))))
    await quiet.call("POST", "/v1/webhooks", {"url": "http://127.0.0.1:9/x", "types": []})
    found = await figures(quiet)
    assert found["tregua_messages_due[]"] == 1
    assert found["tregua_workers[]"] == 0


def test_names_are_by_convention() -> None:
    for family in Metrics().registry.collect():
        if family.name.startswith(("process_", "python_")):
            continue
        assert CONVENTION.fullmatch(family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert family.type != "counter" or not family.name.endswith("_total"), "the library adds it"
        assert "milli" not in family.name, "seconds, always"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("worker_port = 70000", "worker_port"),
        ("worker_port = true", "worker_port"),
        ("worker_host = 1", "worker_host"),
        ("port = 1", "knows only"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, table: str, said: str) -> None:
    file = tmp_path / "tregua.toml"
    file.write_text(f"[metrics]\n{table}\n")
    with pytest.raises(settings.Wrong, match=said):
        settings.read(ENVIRONMENT, file)


def test_a_port_is_read(tmp_path: Path) -> None:
    file = tmp_path / "tregua.toml"
    file.write_text('[metrics]\nworker_host = "0.0.0.0"\nworker_port = 9464\n')
    read = settings.read(ENVIRONMENT, file)
    assert (read.worker_host, read.worker_port) == ("0.0.0.0", 9464)


def test_every_metric_on_the_dashboard_and_in_the_run_books_exists(checkout: Path) -> None:
    known = {sample for family in Metrics().registry.collect() for sample in _samples(family)}
    boards = sorted((checkout / "deploy" / "grafana").glob("*.json"))
    assert boards
    for board in boards:
        named = [
            target["expr"] for panel in json.loads(board.read_text())["panels"] for target in panel.get("targets", [])
        ]
        assert named
        for name in {name for expression in named for name in CONVENTION.findall(expression)}:
            assert name in known, f"{board.name}: {name}"
    for page in (checkout / "docs" / "operations.md", checkout / "deploy" / "prometheus" / "alerts.yaml"):
        for name in set(re.findall(r"tregua_[a-z_]+", page.read_text())) - ROLES:
            assert name in known, f"{page.name}: {name}"


ROLES = {"tregua_owner", "tregua_gateway", "tregua_app", "tregua_tenant", "tregua_eraser"}


def _samples(family: Any) -> set[str]:
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
    return {f"{family.name}{end}" for end in ends}

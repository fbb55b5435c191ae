"""The tour, as a newcomer takes it: one message by each way of ``tregua dev``, an answer on each, and one timeline."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo import CHANNELS
from tests.gateway.test_dev import Newcomer


@pytest.fixture
def newcomer(tmp_path: Path, checkout: Path) -> Iterator[Newcomer]:
    found = Newcomer(tmp_path, checkout)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.stop()


def configured(newcomer: Newcomer) -> dict[str, list[str]]:
    channels = tomllib.loads((newcomer.folder / ".tregua" / "tregua.toml").read_text())["channels"]
    assert isinstance(channels, dict)
    return channels


def toured(newcomer: Newcomer, *words: str) -> tuple[int, dict[str, Any]]:
    done = newcomer.command("demo", "tour", "--json", *words)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return done.returncode, report


@pytest.mark.timeout(300)
def test_one_message_by_each_way_and_an_answer_on_each(newcomer: Newcomer) -> None:
    newcomer.start()
    ways = configured(newcomer)
    assert set(ways) == set(CHANNELS)
    code, report = toured(newcomer)
    legs = {leg["channel"]: leg for leg in report["legs"]}
    assert list(legs) == list(CHANNELS)
    wrong = {channel: leg["why"] for channel, leg in legs.items() if leg["why"] is not None}
    assert (code, wrong) == (0, {})
    for channel, leg in legs.items():
        assert leg["outcome"] == ("came out" if channel in ways else "not configured")
        if channel in ways:
            assert leg["provider"] == ways[channel][0]
    replies = [item["channel"] for item in report["timeline"] if item["type"] == "reply"]
    assert set(replies) == set(ways), "every answer joined one conversation"
    attempts = [item["channel"] for item in report["timeline"] if item["type"] == "attempt"]
    assert sorted(attempts) == sorted(ways)
    assert newcomer.call("GET", "/v1/webhooks")["items"] == [], "the tour leaves no endpoint behind"

    shown = newcomer.command("telegram", "show")
    assert (shown.returncode, "0 wait" in shown.stdout) == (0, True)
    assert newcomer.command("telegram", "delete").returncode == 0
    assert newcomer.command("telegram", "show").returncode == 1
    moved = newcomer.command("telegram", "set", "--json")
    assert json.loads(moved.stdout)["allowed_updates"] == [
        "message",
        "edited_message",
        "callback_query",
        "my_chat_member",
    ]
    assert newcomer.command("telegram", "set", "nobody").returncode == 2

    newcomer.call("POST", "/sandbox/faults", {"provider": "twilio", "fault": "reject"})
    code, report = toured(newcomer, "--only", "sms")
    assert (code, report["held"]) == (1, False)
    assert report["legs"][0]["why"] == "the message is failed"
    said = newcomer.command("demo", "tour", "--only", "telegram")
    assert (said.returncode, "came out" in said.stdout) == (0, True)
    newcomer.stop()

    newcomer.start("--sms", "aggregator-sandbox")
    code, report = toured(newcomer, "--only", "sms")
    assert (code, report["legs"][0]["provider"]) == (0, "aggregator-sandbox"), report
    newcomer.stop()
    nobody = newcomer.command("demo", "tour")
    assert nobody.returncode == 1
    assert "Is `make run` running?" in nobody.stderr

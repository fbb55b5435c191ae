"""Every block of code in the documentation is run, or read by what would read it; the few that cannot be say why."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.kit.discovery import specs
from gateway import asks, settings
from gateway.api.policy import PolicyAsk
from gateway.templates.asks import TemplateAsk
from jurisdictions.house import Policy, policy_of
from jurisdictions.library import load
from tests.docs.snippets import Snippet, every
from tests.gateway.test_dev import Newcomer

EVERY = every()

#: Pages whose ``sh`` blocks are one session against a running sandbox; a ``json`` block after one is what it must answer.
SESSIONS = (
    "docs/quick-start.md",
    "docs/recipes/index.md",
    "docs/recipes/why-not.md",
    "docs/recipes/template.md",
    "docs/recipes/answer.md",
    "docs/recipes/report.md",
    "docs/recipes/webhook.md",
    "docs/operations.md",
    "README.md",
)

#: Blocks that are not run here, each with its reason.
EXCUSED = {
    "README.md#1": "make run is what tests/test_bootstrap.py and tests/gateway/test_dev.py start",
    "README.md#3": "make test is this",
    "docs/quick-start.md#1": "make run is what the rest of the page runs against",
    "docs/adding-a-jurisdiction.md#1": "XX stands for a pack that the reader is about to write",
    "docs/adding-an-adapter.md#1": "one line of a module; tests/adapters/test_every_adapter.py asks every adapter for it",
    "docs/channels/telegram.md#2": "needs a bot at Telegram; tests/gateway/test_tour.py runs each against the simulated one",
    "docs/channels/telegram.md#3": "needs a bot at Telegram; tests/gateway/test_telegram.py asks for the link",
    "docs/channels/voice.md#2": "needs a recording of the reader's; tests/gateway/test_voice.py brings one",
    "docs/campaigns.md#2": "needs the reader's own file; tests/gateway/test_send.py runs both lines on one",
    "docs/registers.md#1": "needs a register of the reader's; tests/gateway/test_registers_command.py reads one",
    "docs/trace.md#1": "a form with its parts named; tests/tracelog reads exports",
    "docs/campaigns.md#1": "an answer with its parts left out; tests/api/test_batch.py reads whole ones",
    "docs/channels/email.md#2": "keys of the reader's own; tests/adapters/test_mail_dkim.py makes some",
}


def of_kind(*kinds: str) -> list[Snippet]:
    return [each for each in EVERY if each.kind in kinds and each.name not in EXCUSED and each.page not in SESSIONS]


def test_nothing_is_excused_that_is_not_there() -> None:
    assert set(EXCUSED) - {each.name for each in EVERY} == set()


def test_every_block_is_of_a_kind_that_something_here_reads() -> None:
    known = {"sh", "json", "toml", "python", "text", "yaml", "sql", "promql"}
    wrong = [each.name for each in EVERY if each.kind not in known and each.name not in EXCUSED]
    # CONTRIBUTING.md draws the floors in a block of its own.
    assert [name for name in wrong if not name.startswith("CONTRIBUTING.md")] == []


def test_no_shell_block_stands_outside_a_session() -> None:
    assert [each.name for each in of_kind("sh")] == []


# ---- json -------------------------------------------------------------------------------------------------------------

#: What reads the JSON of a page; a list where each line is a document.
READERS: dict[str, Any] = {
    "docs/auto.md": PolicyAsk,
    "docs/templates.md": TemplateAsk,
    "docs/channels/web.md": asks.AddressAsk,
    "docs/channels/voice.md": asks.MessageAsk,
}


def documents(text: str) -> list[Any]:
    """The one document, or one a line."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("snippet", of_kind("json"), ids=lambda each: each.name)
def test_json_is_what_the_gateway_would_read(snippet: Snippet) -> None:
    for document in documents(snippet.text):
        if "house_rules" in document:
            assert isinstance(policy_of(document, load()), Policy)
            continue
        kind = READERS.get(snippet.page)
        assert kind is not None, f"{snippet.name}: say in READERS what reads it"
        if kind is asks.MessageAsk:
            document = {"contact": "cli-1001", "purpose": "collection", "debts": ["d1"], **document}
            document = json.loads(json.dumps(document).replace("med_\\u2026", "med_" + "0" * 32))
        msgspec.convert(document, kind)


# ---- toml -------------------------------------------------------------------------------------------------------------

ENVIRONMENT = {
    "TREGUA_DATABASE_URL": "postgresql:///tregua",
    "TREGUA_REDIS_URL": "redis://127.0.0.1/0",
    "TREGUA_PUBLIC_URL": "https://tregua.example",
    "TREGUA_SECRET_KEY": "a secret for tests, of more than thirty-two characters",
}


def filled(text: str) -> str:
    """What stands for a secret of the reader's, filled in."""
    text = (
        text.replace('"AC…"', f'"AC{"0" * 32}"').replace('"SK…"', f'"SK{"0" * 32}"').replace('"+571…"', '"+5716000000"')
    )
    return text.replace('"…"', '"abcdefghijklmnopqrstuvwxyz012345"')


@pytest.mark.parametrize("snippet", of_kind("toml"), ids=lambda each: each.name)
def test_toml_is_what_the_gateway_would_read(snippet: Snippet, tmp_path: Path) -> None:
    text = filled(snippet.text)
    table = tomllib.loads(text)
    if snippet.page == "docs/adding-a-jurisdiction.md":
        from jurisdictions.library import read

        assert read("WL", text.encode()).rules
        return
    if "aggregator" in table.get("channels", {}).get("sms", []):
        text += '\n[providers.aggregator]\nkind = "smtp"\n'  # named beside it, and told on its own page
    file = tmp_path / "tregua.toml"
    file.write_text(text)
    read_settings = settings.read(ENVIRONMENT, file)
    known = specs()
    for name in table.get("providers", {}):
        given = read_settings.providers[name]
        assert known[str(given["kind"])].build(name, given, b"docs").name == name


# ---- python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "snippet",
    [each for each in EVERY if each.kind == "python" and each.name not in EXCUSED],
    ids=lambda each: each.name,
)
def test_python_runs(snippet: Snippet) -> None:
    exec(compile(snippet.text, snippet.name, "exec"), {"now": datetime.now(UTC)})


# ---- sh ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Newcomer]:
    found = Newcomer(tmp_path_factory.mktemp("reader"), checkout)
    found.start()
    yield found
    found.stop()


PRELUDE = """set -euo pipefail
tregua() {{ PYTHONPATH={checkout} {python} -c 'from gateway.cli.main import run; run()' "$@"; }}
curl() {{ command curl --fail --max-time 20 "$@"; }}
"""
MARK = "----- block {} -----"


@pytest.mark.parametrize("page", SESSIONS)
def test_a_page_does_what_it_says(newcomer: Newcomer, page: str) -> None:
    blocks = [each for each in EVERY if each.page == page and each.name not in EXCUSED]
    script = PRELUDE.format(checkout=newcomer.checkout, python=sys.executable)
    for each in blocks:
        if each.kind == "sh":
            script += f"echo; echo '{MARK.format(each.number)}'\n{each.text}\n"
    script = script.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{newcomer.port}")
    done = subprocess.run(
        ["bash", "-c", script], cwd=newcomer.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    parts = re.findall(r"^----- block (\d+) -----$\n(.*?)(?=^----- block|\Z)", done.stdout, re.M | re.S)
    said = {int(number): text for number, text in parts}
    last = None
    for each in blocks:
        if each.kind == "sh":
            last = each.number
        elif each.kind == "json":
            assert last is not None
            (wanted,) = documents(each.text)
            answers = list(values(said[last]))
            assert answers, f"{each.name}: nothing was answered: {said[last]}"
            differs = [difference(wanted, answer, "") for answer in answers]
            assert None in differs, f"{each.name}: {differs[-1]}; answered {answers[-1]}"


def values(text: str) -> Iterator[Any]:
    """Every JSON object and array that was printed, whatever stands between."""
    at = 0
    while (begin := re.search(r"[{\[]", text[at:])) is not None:
        try:
            found, end = json.JSONDecoder().raw_decode(text, at + begin.start())
        except ValueError:
            at += begin.start() + 1
            continue
        yield found
        at = end


def difference(wanted: Any, answered: Any, where: str) -> str | None:
    """Where an answer is not as the page shows it: members that the page leaves out are free, and so is what "…" stands for."""
    if wanted == "…":
        return None
    if isinstance(wanted, dict):
        if not isinstance(answered, dict):
            return f"{where} is no object"
        for name, value in wanted.items():
            if name not in answered:
                return f"{where}/{name} is missing"
            found = difference(value, answered[name], f"{where}/{name}")
            if found:
                return found
        return None
    if isinstance(wanted, list):
        if not isinstance(answered, list) or len(answered) < len(wanted):
            return f"{where} has too few items"
        for index, value in enumerate(wanted):
            # In whatever order they are told.
            if all(difference(value, each, "") for each in answered):
                return difference(value, answered[index], f"{where}/{index}")
        return None if wanted or not answered else f"{where} is not empty: {answered}"
    if isinstance(wanted, str) and wanted.endswith("…") and isinstance(answered, str):
        return None if answered.startswith(wanted[:-1]) else f"{where} is {answered}"
    return None if wanted == answered else f"{where} is {answered!r} and not {wanted!r}"


def test_a_difference_is_found() -> None:
    assert difference({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "") is not None
    assert difference({"a": []}, {"a": [1]}, "") is not None
    assert difference({"a": "msg_…"}, {"a": "evt_1"}, "") is not None
    assert difference({"a": "…", "b": ["x"]}, {"a": 3, "b": ["y", "x"], "c": 0}, "") is None

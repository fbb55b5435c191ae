"""A person is in no line of any log, whatever the house does and whatever goes wrong; and every line is JSON of allowed keys."""

import ast
import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway import logs
from tests.gateway.town import TUESDAY, Town, message, person

CANARY = "Zxqvana"
NUMBER = "+573009998877"
WORDS = "Kwyjibo cuota de Zxqvana"
CANARIES = (CANARY, NUMBER, NUMBER.removeprefix("+"), "Kwyjibo", "Frobozz")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that is logged at the most talkative level, by us and by every library."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(logs.sys, "stderr", stream)
    logs.configure("DEBUG")
    structlog.configure(cache_logger_on_first_use=False)
    root.setLevel(logging.DEBUG)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


async def test_a_busy_town_names_nobody(said: io.StringIO, busy: Town) -> None:
    await busy.set_clock(TUESDAY)
    ana = person(CANARY, NUMBER, name=f"{CANARY} Frobozz")
    sent = await busy.send(message(ana, content={"text": f"{WORDS} Responda BAJA para no recibir más mensajes."}))
    await busy.until(sent["id"], "delivered")
    await busy.reply(f"Kwyjibo {CANARY} no puedo pagar", sender=NUMBER)
    for fault in ("server_error", "hang_up", "forged_receipt", "timeout"):
        with contextlib.suppress(AssertionError):
            await busy.fault(fault, count=1)
        await busy.send(message(person(f"{CANARY}{fault}", NUMBER[:-2] + "99")))
    for path, body in (
        (f"/v1/contacts/{CANARY}", {"name": {"Frobozz": CANARY}}),
        ("/v1/messages", {"contact": CANARY, "content": {"text": WORDS}, "Kwyjibo": NUMBER}),
    ):
        await busy.call("PUT" if "contacts" in path else "POST", path, body, **{"Idempotency-Key": CANARY})
    await busy.call("GET", f"/v1/contacts/{CANARY}/timeline")
    await busy.call("GET", f"/v1/{CANARY}?{CANARY}={NUMBER}")
    await busy.stop_workers()
    logging.getLogger("a.library").warning("could not reach %s", NUMBER)
    structlog.get_logger().warning("ours", person=CANARY, text=WORDS, count=1)
    try:
        raise ValueError(NUMBER)
    except ValueError:
        logging.getLogger("a.library").exception("it broke")
        structlog.get_logger().exception("ours.broke", address=NUMBER)
    lines = said.getvalue().splitlines()
    assert len(lines) >= 4
    for line in lines:
        read = json.loads(line)
        assert set(read) <= logs.ALLOWED, line
        assert [canary for canary in CANARIES if canary in line] == [], line


def test_every_key_that_is_logged_is_one_that_gets_through(checkout: Path) -> None:
    """A key that the list does not know is dropped in silence: whoever wrote it believes that it is there."""
    wrong = []
    for package in ("gateway", "storage", "webhooks", "adapters", "consent", "throttling", "pages"):
        for path in (checkout / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "log"
                ):
                    wrong += [
                        f"{path.relative_to(checkout)}:{node.lineno} {word.arg}"
                        for word in node.keywords
                        if word.arg is not None and word.arg not in logs.ALLOWED and word.arg != "exc_info"
                    ]
    assert wrong == []

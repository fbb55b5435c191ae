"""A new user's day, by the Python client alone: from a key to what it cost, with every step's answer looked at."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.tenants.opening import create_key
from tests.gateway.town import TENANT, Town, number, person
from tests.journeys.conftest import Crm

CLIENT = Path(__file__).parents[2] / "clients" / "python"

TEMPLATE: dict[str, Any] = {
    "default": "es",
    "variables": {
        "name": {"type": "name", "example": "Ana"},
        "amount": {"type": "money", "currency": "COP"},
        "due": {"type": "date"},
    },
    "locales": {
        "es": {
            "sms": {
                "text": "Hola {{name|first}}, su cuota de {{amount}} vence el {{due|date:medium}}. "
                "Responda BAJA para no recibir más mensajes."
            }
        }
    },
}
VARIABLES = {"name": "ANA PÉREZ", "amount": "120000", "due": "2026-12-05"}


@pytest.fixture(autouse=True)
def _importable() -> Iterator[None]:
    sys.path.insert(0, str(CLIENT))
    yield
    sys.path.remove(str(CLIENT))


async def _until(found: Callable[[], bool], what: str) -> None:
    for _ in range(3_000):
        if found():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited for {what}")


async def test_a_new_users_day(busy: Town, crm: Crm) -> None:
    from tregua_client import AsyncTregua, Problem, verified

    address = number(1, 320)
    async with AsyncTregua(busy.url, busy.key) as admin:
        # A key of her own, for what she does.
        made = await admin.create_key({"scopes": ["send", "read", "contacts"], "label": "first day"})
        endpoint = await admin.create_webhook({"url": crm.url, "types": []})
        async with AsyncTregua(busy.url, made["key"]) as gateway:
            # A contact and a debt.
            ana: Any = person("ana", address, name="ANA PÉREZ", locale="es-CO")
            assert (await gateway.put_contact("ana", ana))["id"] == "ana"
            await gateway.put_debt("obl-778", {"creditor": "C1", "contacts": [{"contact": "ana", "role": "debtor"}]})
            # A template, and what it would say and cost.
            kept = await gateway.put_template("cuota", TEMPLATE)  # type: ignore[arg-type]
            assert kept["version"] == 1
            preview = await gateway.preview_template("cuota", {"variables": VARIABLES, "contact": "ana"})
            [shown] = preview["channels"]
            assert shown["text"].startswith("Hola Ana, su cuota de $")
            assert shown["cost"] is not None
            # A dry run: decided, and nothing stored.
            asked: Any = {
                "contact": "ana",
                "channel": "sms",
                "purpose": "collection",
                "debts": ["obl-778"],
                "content": {"template": "cuota", "variables": VARIABLES},
                "metadata": {"campaign": "first"},
            }
            dry = await gateway.decide(asked)
            assert (dry["outcome"], dry["reasons"]) == ("allow", [])
            assert (await gateway.list_messages())["items"] == []
            # Sent, twice by mistake, and it arrives once.
            sent = await gateway.accept_message(asked, idempotency_key="day-1")
            again = await gateway.accept_message(asked, idempotency_key="day-1")
            assert (sent["status"], again["id"]) == ("queued", sent["id"])
            await busy.until(sent["id"], "delivered")
            [arrived] = await busy.arrived(address)
            assert arrived["text"] == shown["text"]
            # She answers, and the law that she sets with it holds at once.
            await busy.reply("ya pagué, gracias", address)
            await busy.reply("BAJA", address)
            refused = await gateway.decide(asked)
            assert refused["outcome"] == "deny"
            # Every event reached the CRM, signed as the standard says, and no other secret opens it.
            await _until(lambda: {"reply.received", "consent.changed"} <= {e["type"] for e in crm.events()}, "events")
            for headers, body in crm.got:
                told = Webhook(endpoint["secret"]).verify(body.decode(), headers)
                assert told == verified(body, headers, endpoint["secret"])
                with pytest.raises(WebhookVerificationError):
                    Webhook("whsec_" + "A" * 43 + "=").verify(body.decode(), headers)
                with pytest.raises(WebhookVerificationError):
                    Webhook(endpoint["secret"]).verify(body.decode() + " ", headers)
            types = [event["type"] for event in crm.events()]
            assert types[:2] == ["message.sent", "message.delivered"]
            assert types.count("reply.received") == 2
            # The whole story, and what it cost.
            timeline = await gateway.show_timeline("ana")
            assert {"message", "decision", "attempt", "receipt", "reply", "statement"} <= {
                item["type"] for item in timeline["items"]
            }
            cost = (await gateway.show_message(sent["id"]))["cost"]
            assert cost is not None
            assert (cost["amount"], cost["segments"]) == (shown["cost"]["amount"], shown["cost"]["segments"])
            sums = await gateway.list_costs(group_by="campaign")
            [campaign] = sums["items"]
            assert (campaign["key"], campaign["messages"]) == ("first", 1)
            assert float(campaign["expected"] or 0) == float(cost["amount"] or 0)
            for by, key in (("debt", "obl-778"), ("contact", "ana"), ("channel", "sms"), ("tenant", TENANT)):
                [one] = (await gateway.list_costs(group_by=by))["items"]  # type: ignore[arg-type]
                assert (one["key"], one["spent"]) == (key, campaign["spent"])
            # Her key may not do what it was not made for.
            with pytest.raises(Problem) as caught:
                await gateway.show_policy()
            assert caught.value.status == 403


async def test_two_secrets_sign_while_one_takes_over(busy: Town, crm: Crm) -> None:
    from tregua_client import AsyncTregua

    async with AsyncTregua(busy.url, busy.key) as gateway:
        endpoint = await gateway.create_webhook({"url": crm.url})
        rotated = await gateway.rotate_secret(endpoint["id"])
        first = await gateway.accept_message(_plain("r1", 2))
        await busy.until(first["id"], "delivered")
        await _until(lambda: len(crm.got) >= 2, "two events")
        for headers, body in crm.got:
            for secret in (endpoint["secret"], rotated["secret"]):
                Webhook(secret).verify(body.decode(), headers)
        # A day later the old one signs no more.
        await busy.rows("UPDATE crm_endpoint SET old_until = now() - interval '1 second'")
        crm.got.clear()
        second = await gateway.accept_message(_plain("r2", 3))
        await busy.until(second["id"], "delivered")
        await _until(lambda: len(crm.got) >= 2, "two more")
        for headers, body in crm.got:
            Webhook(rotated["secret"]).verify(body.decode(), headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(endpoint["secret"]).verify(body.decode(), headers)


async def test_a_key_is_changed_while_messages_are_sent(busy: Town) -> None:
    from tregua_client import AsyncTregua

    key = await create_key(busy.house.database, TENANT, env="test", scopes=["admin"], label="rolling")
    async with AsyncTregua(busy.url, key) as before:
        made = await before.rotate_key(key.split("_")[2], {"overlap_seconds": 60})
        async with AsyncTregua(busy.url, made["key"]) as after:
            sent = [await (before, after)[n % 2].accept_message(_plain(f"k{n}", 10 + n)) for n in range(4)]
    assert len({each["id"] for each in sent}) == 4


def _plain(identity: str, trial: int) -> Any:
    from tests.gateway.town import message

    return message(person(identity, number(trial, 320)))

"""Explanations from a real past: over HTTP, and of a message as it stands now and as each attempt was decided."""

import json
from typing import Any

from tests.gateway.policy_command import tregua
from tests.gateway.town import SUNDAY, Town, message, person

TEXT = message()["content"]["text"]
SECRETS = ("3001234567", "Hola", "cuota")


async def decided(town: Town, **more: Any) -> dict[str, Any]:
    status, answered, _ = await town.call("POST", "/v1/decisions", message(**more))
    assert status == 200, answered
    assert isinstance(answered, dict)
    return answered


async def test_a_decision_is_told_in_the_language_that_was_asked_for(quiet: Town) -> None:
    await quiet.send(message())
    plain = await decided(quiet, at=SUNDAY)
    assert "explanation" not in plain
    told = await decided(quiet, at=SUNDAY, explain="es")
    assert {key: value for key, value in told.items() if key != "explanation"} == plain
    text = "\n".join(told["explanation"])
    assert "CO-HRS-3c (Ley 2300 de 2023, art. 3 inc. 2; Ley 51 de 1983; vinculante; CO@" in text
    assert "domingo 15:04 America/Bogota" in text
    assert "el próximo instante en que puede salir es 2026-11-23T07:00:00-05:00 (lunes)." in text
    assert "CO-CHAN-2 se apoya en la autorización de 2026-01-05 10:00 America/Bogota (lunes)." in text
    assert not [secret for secret in SECRETS if secret in text]
    status, problem, _ = await quiet.call("POST", "/v1/decisions", message(explain="de"))
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/explain"]


async def test_every_channel_asked_is_told_and_a_wish_for_later_is_told_for_then(quiet: Town) -> None:
    body = message(channel=None, explain="en", send_at="2026-11-29T15:00:00-05:00", channels=["sms", "whatsapp"])
    del body["channel"]
    body["contact"]["addresses"].append({"channel": "whatsapp", "address": "+573001234567"})
    status, told, _ = await quiet.call("POST", "/v1/decisions", body)
    assert status == 200, told
    assert [each["channel"] for each in told["decisions"]] == ["sms", "whatsapp"]
    for each in told["decisions"]:
        text = "\n".join(each["explanation"])
        assert "for which the message is wanted, 2026-11-29 15:00 America/Bogota (Sunday)" in text
        assert "Sunday 2026-11-29 America/Bogota closed" in text
    whatsapp = "\n".join(told["decisions"][1]["explanation"])
    assert "no consent for whatsapp" in whatsapp


async def test_a_message_is_explained_as_it_stands_and_as_it_was_decided(busy: Town) -> None:
    event = {
        "type": "contact",
        "at": "2026-11-23T09:30:00-05:00",
        "channel": "sms",
        "outcome": "delivered",
        "debts": ["d1"],
    }
    await busy.call("PUT", "/v1/contacts/ana", person())
    status, answered, _ = await busy.call("POST", "/v1/contacts/ana/events", event)
    assert status == 200, answered
    sent = await busy.send(message())
    await busy.until(sent["id"], "delivered")
    result = await tregua(busy, "explain", sent["id"], "--json")
    assert result.code == 0, result.err
    now, then = (json.loads(line) for line in result.out.splitlines())
    assert (now["entry"], now["traced"]) == (None, None)
    assert then["traced"] == "allow"
    assert now["channels"][0]["verdict"]["answer"] == "defer"
    assert then["channels"][0]["verdict"]["answer"] == "allow"
    before, after = "\n".join(then["sentences"]), "\n".join(now["sentences"])
    assert "as it was decided on 2026-11-24 10:00" in before
    assert "CO-FREQ-3e counts SMS 2026-11-23 09:30 America/Bogota (Monday), delivered." in before
    assert "CO-FREQ-3d counts no contact in its window." in before
    assert "The trace says" not in before
    assert "CO-FREQ-3d counts SMS 2026-11-24 10:00" in after
    assert not [secret for secret in SECRETS if secret in result.out]


async def test_a_message_is_explained_as_of_an_instant_and_in_sentences(quiet: Town) -> None:
    sent = await quiet.send(message())
    result = await tregua(quiet, "explain", sent["id"], "--lang", "pt", "--as-of", SUNDAY)
    assert result.code == 0, result.err
    assert f"O que segue explica {sent['id']} tal como estavam as normas e os fatos em 2026-11-22 15:04" in result.out
    assert "CO-HRS-3c viu: domingo 15:04 America/Bogota." in result.out
    result = await tregua(quiet, "explain", "msg_" + "0" * 32)
    assert (result.code, "there is no message" in result.err) == (1, True)
    result = await tregua(quiet, "explain", sent["id"], "--as-of", "2026-11-22T15:04:00")
    assert (result.code, "offset" in result.err) == (2, True)

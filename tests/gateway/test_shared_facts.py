"""Facts that are not the person's own and count for her all the same: of her household, her debts, the way a message takes."""

from typing import Any

from tests.gateway.town import Town, person

COLLECTOR = {"role": "third_party", "creditor": "C1", "collector": "A1"}


def american(identity: str, address: str, **more: Any) -> dict[str, Any]:
    return person(identity, address, jurisdictions=["US", "US-WA"], zones=["America/Los_Angeles"], **more)


async def asked(town: Town, contact: str, channel: str, **more: Any) -> dict[str, Any]:
    status, decision, _ = await town.call(
        "POST",
        "/v1/decisions",
        {
            "contact": contact,
            "channel": channel,
            "purpose": "collection",
            "debts": [{"id": "wa-1"}],
            "sender": COLLECTOR,
            "content": {"text": "This is A1 collecting a debt. Reply STOP to end texts.", "opt_out_notice": True},
            "at": "2026-11-24T18:00:00-08:00",
            **more,
        },
    )
    assert status == 200, decision
    assert isinstance(decision, dict)
    return decision


def rules(decision: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in decision["reasons"]]


async def test_calls_to_a_spouse_use_up_the_debtors_week_where_the_law_pools_them(quiet: Town) -> None:
    await quiet.set_clock("2026-11-24T19:00:00-08:00")
    for identity, address, household in (
        ("debtor", "+12065550123", "h1"),
        ("spouse", "+12065550124", "h1"),
        ("single", "+12065550125", None),
    ):
        role = "spouse" if identity == "spouse" else "debtor"
        body = american(identity, address, household=household, role=role)
        status, answered, _ = await quiet.call("PUT", f"/v1/contacts/{identity}", body)
        assert status == 200, answered
    calls = [
        {
            "type": "contact",
            "channel": "call_live",
            "outcome": "connected",
            "at": f"2026-11-2{day}T12:00:00-08:00",
            "debts": ["wa-1"],
        }
        for day in (2, 3, 4)
    ]
    status, answered, _ = await quiet.call("POST", "/v1/contacts/spouse/events", calls)
    assert status == 200, answered
    assert (await asked(quiet, "single", "call_live"))["outcome"] == "allow"
    pooled = await asked(quiet, "debtor", "call_live")
    assert pooled["outcome"] == "defer", pooled
    assert any(rule.startswith("WA-") for rule in rules(pooled))


async def test_the_way_a_message_would_take_brings_its_own_rules(quiet: Town) -> None:
    await quiet.call("PUT", "/v1/contacts/far", american("far", "+12065550126"))
    by_sms = await asked(quiet, "far", "sms")
    assert rules(by_sms) == ["PT-DEBT"]
    assert {"pack": "TWILIO", "because": "the message would go by Twilio to a number of US"} in [
        {"pack": used["pack"].partition("@")[0], "because": used["because"]} for used in by_sms["packs"]
    ]
    assert (await asked(quiet, "far", "sms", sender={**COLLECTOR, "role": "creditor"}))["outcome"] == "allow"

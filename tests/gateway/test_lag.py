"""A contact that nobody confirmed may have arrived later than it was recorded: dispatch counts it until then, and says so."""

from datetime import datetime, timedelta

from tests.gateway.town import Town, message, person

CHILEAN = "+56961234577"
FIRST = datetime.fromisoformat("2026-11-10T10:00:00-03:00")  # a Tuesday; no holiday follows within two weeks


def chilean() -> dict[str, object]:
    return person("lag", CHILEAN, jurisdictions=["CL"], zones=["America/Santiago"])


async def test_an_unconfirmed_contact_counts_until_it_can_no_longer_arrive(busy: Town) -> None:
    status, policy, _ = await busy.call(
        "PUT",
        "/v1/policy",
        {
            "sender": {"role": "creditor", "creditor": "C1", "collector": "A1"},
            "readings": {"cl.week": "rolling"},
        },
    )
    assert status == 200, policy
    await busy.set_clock(FIRST.isoformat())
    await busy.fault("drop_receipt", count=1)
    unconfirmed = await busy.send(message(chilean()))
    found = await busy.until(unconfirmed["id"], "sent")
    left = datetime.fromisoformat(found["attempts"][0]["at"])

    await busy.set_clock((FIRST + timedelta(days=3)).isoformat())
    confirmed = await busy.send(message("lag", debts=["d1"]))
    await busy.until(confirmed["id"], "delivered")

    # Seven times 24 hours after the first, to the second: the law counts one in the week, and two are allowed.
    await busy.set_clock((left + timedelta(days=7, seconds=2)).isoformat())
    third = await busy.send(message("lag", debts=["d1"]))
    assert third["status"] == "queued", third["decision"]
    held = await busy.until(third["id"], "deferred")
    assert [reason["rule"] for reason in held["decision"]["reasons"]] == ["HOUSE-LAG"]
    until = datetime.fromisoformat(held["decision"]["until"])
    assert timedelta(seconds=60) <= until - (left + timedelta(days=7)) <= timedelta(seconds=630)

    # Asked without sending, the law alone answers.
    status, decision, _ = await busy.call("POST", "/v1/decisions", message("lag", debts=["d1"]))
    assert (status, decision["outcome"]) == (200, "allow")

    await busy.set_clock(until.isoformat())
    await busy.until(third["id"], "delivered")
    assert len(await busy.arrived(CHILEAN)) == 3

"""What must hold after any campaign, read from the carrier's own list, the database and the trace only."""

import json
from collections import Counter

from tests.campaigns.tally import Tally
from tests.gateway.test_spine import export
from tests.gateway.town import Town
from tracelog.export import Holds, verify

ENDED = ("delivered", "undelivered", "failed", "read", "sent", "blocked", "cancelled", "expired", "unknown", "rejected")


async def hold(
    tally: Tally, found: Town, accepted: dict[str, str], arrived: Counter[str], *, a_day: int | None = 1
) -> None:
    """``accepted``: messages answered with 202, by the text that only they carry. ``arrived``: texts that the carrier delivered."""
    rows = await found.rows("SELECT id, contact, status, resolution FROM message")
    known = {f"msg_{row['id'].hex}": row for row in rows}
    for text, identity in accepted.items():
        tally.hold(identity in known, f"answered with 202 and lost: {identity}")
        tally.hold(arrived[text] <= 1, f"arrived {arrived[text]} times: {identity}")
        if identity in known and known[identity]["status"] == "delivered":
            tally.hold(arrived[text] == 1, f"told as delivered, and never arrived: {identity}")
        if identity in known and arrived[text]:
            status = known[identity]["status"]
            tally.hold(status in ("sent", "delivered", "read", "unknown", "dispatching"), f"arrived, told as {status}")
    if a_day is not None:
        reached = Counter(known[i]["contact"] for text, i in accepted.items() if arrived[text] and i in known)
        over = {contact: count for contact, count in reached.items() if count > a_day}
        tally.hold(not over, f"reached more often than the law allows: {over}")
    reserved = await found.rows("SELECT message, count(*) AS n FROM trace WHERE kind = 'reserved' GROUP BY message")
    tried = await found.rows("SELECT message, count(*) AS n FROM attempt GROUP BY message")
    tally.hold(
        {r["message"]: r["n"] for r in reserved} == {r["message"]: r["n"] for r in tried},
        "attempts and reservations in the trace are not the same",
    )
    verdict = verify(await export(found))
    tally.hold(isinstance(verdict, Holds), f"the trace does not hold: {verdict}")


async def arrivals(found: Town) -> Counter[str]:
    """How often each text arrived, from the carrier's own list."""
    return Counter(line["text"] for line in await found.arrived())


def facts(row: object) -> dict[str, object]:
    """What an entry says."""
    told = json.loads(row)  # type: ignore[arg-type]
    assert isinstance(told, dict)
    return told

"""A message that is decided again and again is held back once by each rule; pure, from entries as the trace has them."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from gateway.console.tally import Known, counted
from storage.console_tally import Told
from tracelog.entry import written

MESSAGE = UUID(int=7)
AT = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)


def decided(idx: int, outcome: str, *rules: str) -> Told:
    reasons = [{"rule": rule, "pack": "CO@x", "effect": outcome} for rule in rules]
    entry = written(
        tenant="t1",
        entry=uuid4(),
        kind="decided",
        at=AT,
        message=MESSAGE,
        facts={"channel": "sms", "outcome": outcome, "packs": ["CO@x"], "reasons": reasons},
    )
    return Told(
        idx=idx, kind="decided", at=AT, message=MESSAGE, header=entry.header, contact="ana", zones=["America/Bogota"]
    )


@pytest.mark.parametrize("before", [False, True], ids=["in one run", "after a run before"])
def test_each_rule_holds_a_message_back_once(before: bool) -> None:
    known = Known(before=frozenset({(MESSAGE, "deferred", ""), (MESSAGE, "A", "defer")}) if before else frozenset())
    figures = counted([decided(1, "defer", "A"), decided(2, "defer", "A", "B")], known, frozenset({"CO"}))
    assert {(rule, n) for (_, rule, _, _, _), n in figures.rules.items()} == (
        {("B", 1)} if before else {("A", 1), ("B", 1)}
    )
    assert sum(figures.hours.values()) == (0 if before else 1)
    assert {(day.isoformat(), hour) for day, hour, *_ in figures.hours} == (set() if before else {("2026-11-23", 22)})

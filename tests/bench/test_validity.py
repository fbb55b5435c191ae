"""Each of W1's claims fails by its own name when it does not hold."""

from dataclasses import replace
from typing import Any

import pytest

from bench.validity import KINDS, Seen, Trace, flaws
from tracelog.export import Broken, Holds

HOLDS = Holds(
    origin="tregua/bench", size=10, root=b"", key_id=b"", public_key=b"", pinned=True, payloads=0, payloads_absent=0
)
WHOLE = Seen(
    asked=2,
    accepted=frozenset({0, 1}),
    arrived=frozenset({0, 1}),
    statuses={"delivered": 2},
    told=2,
    trace=Trace(result=HOLDS, messages=dict.fromkeys(KINDS, 2)),
)


def test_a_whole_round_has_no_flaw() -> None:
    assert flaws(WHOLE) == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"asked": 3}, "2 of 3 messages were accepted"),
        ({"arrived": frozenset({0})}, "1 accepted messages never arrived"),
        ({"arrived": frozenset({0, 1, 7})}, "1 messages arrived that were not accepted"),
        ({"twice": 1}, "1 messages arrived again"),
        ({"strange": 1}, "none of this workload"),
        ({"statuses": {"delivered": 1, "sent": 1}}, "not every message ended delivered"),
        ({"statuses": {"delivered": 1}}, "not every message ended delivered"),
        ({"told": 1}, "the CRM was told of 1 deliveries of 2"),
        ({"forged": 1}, "signature"),
        ({"trace": "it answered 500"}, "no trace to verify: it answered 500"),
        (
            {"trace": Trace(result=Broken(line=3, index=2, why="changed"), messages={})},
            "the trace does not hold: line 3: changed",
        ),
        (
            {"trace": Trace(result=HOLDS, messages=dict.fromkeys(KINDS, 2) | {"receipt": 1})},
            "'receipt' of 1 messages, not of 2",
        ),
        ({"trace": Trace(result=HOLDS, messages={})}, "'accepted' of 0 messages"),
    ],
)
def test_each_claim_fails_by_its_name(changed: dict[str, Any], named: str) -> None:
    found = flaws(replace(WHOLE, **changed))
    assert any(named in flaw for flaw in found), found

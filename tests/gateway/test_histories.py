"""What a person said is read back as it was kept, whatever is left out of it."""

import itertools
import json
from datetime import UTC, datetime
from uuid import uuid4

from storage.history import EventRow, _columns, event_of
from vocabulary.channel import Channel, Purpose
from vocabulary.event import Consented, ConsentState, Event, Instrument

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)
#: Of a row's columns those that an event is read from, by their places in the statement that adds it.
NAMES = {0: "id", 3: "at", 4: "type", 5: "channel", 8: "purpose", 9: "debts", 10: "endpoint", 17: "detail"}


def read_back(event: Event) -> Event:
    columns = _columns(EventRow(id=uuid4(), tenant="t", contact="p", event=event))
    row = {name: columns[place] for place, name in NAMES.items()}
    row["debts"] = None if row["debts"] is None else json.loads(row["debts"])
    read = event_of(row, "p")
    assert read.id == row["id"].hex
    return read


def test_a_consent_is_read_back_as_it_was_kept() -> None:
    several = itertools.product(
        ConsentState,
        (None, *Channel),
        (None, "endpoint"),
        (False, True),
        (None, Purpose.COLLECTION),
        (None, *Instrument),
        (None, "sender", "creditor"),
        (None, "extra_calls"),
        (None, (), ("d1", "d2")),
        (None, 7),
    )
    for number, (state, channel, address, everywhere, purpose, instrument, given_to, grants, debts, days) in enumerate(
        several
    ):
        if number % 37:
            continue  # a prime: every value meets every other one
        said = Consented(
            at=AT,
            state=state,
            channel=channel,
            address=address,
            all=everywhere,
            purpose=purpose,
            instrument=instrument,
            given_to=given_to,
            grants=grants,
            debts=debts,
            for_days=days,
            person="p",
        )
        read = read_back(said)
        assert isinstance(read, Consented)
        assert {name: getattr(read, name) for name in Consented.__slots__ if name != "id"} == {
            name: getattr(said, name) for name in Consented.__slots__ if name != "id"
        }

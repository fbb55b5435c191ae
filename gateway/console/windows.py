"""The hours that a law leaves open in an ordinary week, cell by cell: what contacts by hour are laid against."""

from collections.abc import Mapping
from typing import Final

from jurisdictions.library import Library
from jurisdictions.rule import Hours
from vocabulary.channel import Channel, Purpose

HOUR_SECONDS: Final = 3_600
WEEK: Final = 7


def open_hours(law: Library, code: str, channel: Channel, readings: Mapping[str, str]) -> list[list[bool]]:
    """For each weekday and hour, whether some of it is open to a collection message; holidays and people's own words stand apart."""
    table = [[True] * 24 for _ in range(WEEK)]
    pack = law.packs.get(code)
    if pack is None or not pack.binds:
        return table
    values = law.reading_values(readings)
    for rule in pack.rules:
        clause = rule.under(values)
        if clause is None or clause.shadow or not isinstance(clause.predicate, Hours):
            continue
        applies = clause.applies
        if applies.purposes is not None and Purpose.COLLECTION not in applies.purposes:
            continue
        if applies.channels is not None and channel not in applies.channels:
            continue
        # What binds only some senders, roles or addresses is left out: it closes more for them, never for everybody.
        if any((applies.sender_roles, applies.roles, applies.address_kinds, applies.sectors, applies.debt_kinds)):
            continue
        for weekday, spans in enumerate(clause.predicate.days):
            if spans is None:
                continue
            for hour in range(24):
                begins, ends = hour * HOUR_SECONDS, (hour + 1) * HOUR_SECONDS
                if not any(opens < ends and closes > begins for opens, closes in spans):
                    table[weekday][hour] = False
    return table

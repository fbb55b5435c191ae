"""How much of everything ``make bench`` does: the full form, from which figures may be quoted, and the short one for tests."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """One form of a run. Every round sends to people who were not written to before."""

    #: People whom the gateway knows before the clock starts, each with one debt, a consent and two past contacts.
    contacts: int
    #: Messages of W1, and those sent before them that are checked but not timed (connections, prepared statements).
    messages: int
    warm: int
    #: Requests to each of the two floors; they are quicker, so more of them are needed for as sharp a figure.
    floor_messages: int
    #: Cases of W3 a round.
    engine_cases: int
    #: Batches of W4 a round.
    batches: int
    #: Past contacts and people of W5, which is run once: the full size of the workload is ``python -m bench.audit``.
    audit_rows: int
    audit_contacts: int
    #: How long a gateway at rest is watched.
    idle_seconds: float
    #: Figures are medians over so many rounds; the rounds of all systems alternate.
    rounds: int
    #: How long a round may stand still before whatever is missing counts as lost.
    stall_seconds: float


FULL: Final = Sizes(
    contacts=100_000,
    messages=5_000,
    warm=200,
    floor_messages=20_000,
    engine_cases=25_000,
    batches=20,
    audit_rows=50_000,
    audit_contacts=10_000,
    idle_seconds=20.0,
    rounds=3,
    stall_seconds=30.0,
)
SHORT: Final = Sizes(
    contacts=1_000,
    messages=200,
    warm=20,
    floor_messages=500,
    engine_cases=1_000,
    batches=2,
    audit_rows=300,
    audit_contacts=60,
    idle_seconds=2.0,
    rounds=1,
    stall_seconds=30.0,
)

#: W1 in the words of the workload: these do not change with the form.
SEED: Final = 42
CONNECTIONS: Final = 32
THINK_SECONDS: Final = 0.005
RECEIPT_SECONDS: Final = 0.020
RECEIPTS_OPEN_MAX: Final = 64
TEXT_CHARS: Final = 160
#: A Tuesday, ten in the morning in Bogotá.
BOGOTA: Final = ZoneInfo("America/Bogota")
TUESDAY: Final = datetime(2026, 11, 24, 10, 0, tzinfo=BOGOTA)

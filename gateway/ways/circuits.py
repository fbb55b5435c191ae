"""The state of every way, shared by all workers through Redis and kept by each alone when Redis is away.

Endings are gathered here and told to the others a few times a second: what is shared is courtesy and thrift, never law.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, assert_never

import msgspec
import structlog
from redis.exceptions import RedisError

from throttling.circuit import REASON_CHARACTERS_MAX, Circuit, Ending, Told, Use
from vocabulary.outcome import About, NotSent, Outcome, Rejected, Sent, Unknown, ending_name

log = structlog.get_logger()

KEY_PREFIX: Final = "tregua:way:"
KEPT_SECONDS: Final = 24 * 3600
#: How old may be what is believed about a way that works.
FRESH_SECONDS: Final = 0.25
#: Tries to put our change on top of somebody else's; a later turn carries it otherwise.
KEEPS_MAX: Final = 5

_AWAY = (RedisError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Happened:
    ending: Ending
    at: float
    seconds: float | None
    told: Told


@dataclass(slots=True)
class _Kept:
    circuit: Circuit
    at: float = 0.0


class Circuits:
    """What is known of each way. ``wall`` tells seconds as every process reads them."""

    def __init__(self, redis: Any, *, wall: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._keep_if = redis.register_script(
            resources.files("throttling").joinpath("lua/keep_if.lua").read_text("utf-8")
        )
        self._wall = wall
        self._known: dict[str, _Kept] = {}
        self._happened: dict[str, list[_Happened]] = {}

    def note(self, way: str, outcome: Outcome) -> None:
        """One attempt by a way has ended so."""
        now = self._wall()
        ending, seconds = _read(outcome)
        told = Told(at=now, ending=ending_name(outcome), reason=_reason(outcome))
        self._happened.setdefault(way, []).append(_Happened(ending, now, seconds, told))

    async def room(self, way: str, wanted: int) -> tuple[int, float]:
        """How many sends a way may take, and seconds until it may take more: all, none, or the one that probes it."""
        circuit = await self._current(way)
        now = self._wall()
        match circuit.use(now):
            case Use.CLOSED:
                return wanted, 0.0
            case Use.OPEN | Use.RESTING:
                return 0, circuit.wait_seconds(now)
            case Use.PROBING:
                if wanted <= 0 or circuit.probing_until > now:
                    return 0, circuit.wait_seconds(now)
                mine = await self._change(way, lambda c: c.probe(now) if c.probing_until <= now else None)
                return (1, 0.0) if mine else (0, FRESH_SECONDS)
            case use:
                assert_never(use)

    async def unprobed(self, way: str) -> None:
        """The send that was to probe a way was not made."""
        kept = self._known.get(way)
        if kept is not None and kept.circuit.use(self._wall()) is Use.PROBING:
            await self._change(way, lambda circuit: circuit.unprobed())

    async def all(self, ways: Iterable[str]) -> dict[str, Circuit]:
        """What is known of these ways, as fresh as it can be."""
        return {way: await self._current(way, fresh=False) for way in ways}

    async def _current(self, way: str, *, fresh: bool = True) -> Circuit:
        kept = self._known.get(way)
        happened = self._happened.get(way, [])
        urgent = any(each.ending is not Ending.GOOD for each in happened)
        # The ending of a probe opens the way at once.
        urgent = urgent or (bool(happened) and kept is not None and kept.circuit.trouble)
        if fresh and kept is not None and not urgent and self._wall() - kept.at < FRESH_SECONDS:
            return kept.circuit
        await self._change(way, lambda circuit: circuit)
        return self._known[way].circuit

    async def _change(self, way: str, change: Callable[[Circuit], Circuit | None]) -> bool:
        """Add what happened, and a change, to what all share. False when the change was not wanted any more, or was lost."""
        happened = self._happened.pop(way, [])
        kept = self._known.setdefault(way, _Kept(Circuit()))
        try:
            stands = await self._redis.get(KEY_PREFIX + way)
            for _ in range(KEEPS_MAX):
                before = _decoded(stands)
                changed = change(_added(before, happened))
                after = changed if changed is not None else _added(before, happened)
                if after != before:
                    written = msgspec.json.encode(after)
                    stands = await self._keep_if(keys=[KEY_PREFIX + way], args=[stands or b"", written, KEPT_SECONDS])
                    if stands is not None:
                        continue
                self._known[way] = _Kept(after, self._wall())
                return changed is not None
        except _AWAY:
            # Alone: what this process has seen itself is what it goes by.
            changed = change(_added(kept.circuit, happened))
            self._known[way] = _Kept(changed if changed is not None else _added(kept.circuit, happened), self._wall())
            return changed is not None
        self._happened[way] = [*happened, *self._happened.get(way, [])]
        self._known[way] = _Kept(_decoded(stands), self._wall())
        return False


def _added(circuit: Circuit, happened: Iterable[_Happened]) -> Circuit:
    for each in happened:
        circuit = circuit.after(each.ending, each.at, seconds=each.seconds, told=each.told)
    return circuit


def _decoded(stands: bytes | None) -> Circuit:
    if not stands:
        return Circuit()
    try:
        return msgspec.json.decode(stands, type=Circuit)
    except msgspec.DecodeError:
        # Of another release: it is worked out anew.
        return Circuit()


def _read(outcome: Outcome) -> tuple[Ending, float | None]:
    """What an attempt's ending says of its way."""
    match outcome:
        case Sent() | Rejected():
            return Ending.GOOD, None
        case Unknown():
            return Ending.BAD, None
        case NotSent(about=About.MESSAGE):
            return Ending.GOOD, None
        case NotSent(about=About.PACE):
            return Ending.PACED, outcome.retry_after_seconds
        case NotSent(about=About.ACCOUNT):
            return Ending.REFUSED, outcome.retry_after_seconds
        case NotSent():
            return Ending.BAD, None
        case _:
            assert_never(outcome)


def _reason(outcome: Outcome) -> str | None:
    """Why, in the adapter's own words, which name no person. A rejection's are the provider's: only its code is shown."""
    match outcome:
        case Sent():
            return None
        case Rejected():
            return outcome.code[:REASON_CHARACTERS_MAX]
        case NotSent() | Unknown():
            return outcome.reason[:REASON_CHARACTERS_MAX]
        case _:
            assert_never(outcome)

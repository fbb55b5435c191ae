"""What stands around the house in a run: an operator's settings, the packs, a Redis that is lost and spoilt, a clock that steps."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from gateway.settings import Settings
from jurisdictions.library import Library, load
from storage.database import Connection
from vocabulary.channel import Channel

if TYPE_CHECKING:
    from tests.simulation.town import Town

SECRET = b"the secret of a simulated house, thirty-two bytes"

#: How far the house's clock may stand from the true one: what it says of itself that it bears.
CLOCK_OFF_SECONDS = 2.0

#: Kinds of run, by what goes wrong in them.
FAULTS: dict[str, Callable[[Random], dict[str, float]]] = {
    "none": lambda r: {},
    "slow": lambda r: {"slow": 0.5, "slow_seconds": r.choice((0.3, 1.0, 2.0)), "freeze": 0.02},
    "commits": lambda r: {"slow": 0.2, "lost_commit": 0.05, "unknown_commit": 0.08, "away": 0.02, "deadlock": 0.004},
    "crashes": lambda r: {"slow": 0.2, "crash": 0.002, "crash_at": 0.04, "freeze": 0.02},
    "all": lambda r: {
        "slow": 0.3,
        "slow_seconds": r.choice((0.05, 0.5)),
        "lost_commit": 0.02,
        "unknown_commit": 0.03,
        "away": 0.01,
        "deadlock": 0.002,
        "crash": 0.001,
        "crash_at": 0.02,
        "silent_bell": 0.05,
        "freeze": 0.02,
    },
}


@cache
def settings() -> Settings:
    """An operator's file: two ways for SMS, one for mail."""
    return Settings(
        database_url="postgresql:///simulated",
        redis_url="redis://simulated",
        public_url="https://tregua.example",
        secret_key=SECRET.decode(),
        # The law of a platform binds by the way: the first is one whose maker forbids some of what the others may carry.
        providers={"sms-a": {"kind": "twilio"}, "sms-b": {"kind": "simulated"}, "mail-a": {"kind": "simulated"}},
        channels={Channel.SMS: ("sms-a", "sms-b"), Channel.EMAIL: ("mail-a",)},
    )


@cache
def law() -> Library:
    """The packs, read once."""
    return load()


class Redis:
    """Where circuits are kept: lost, absent and spoilt as drawn."""

    def __init__(self, random: Random, troubled: float, fired: dict[str, int]) -> None:
        self._kept: dict[str, bytes] = {}
        self._random = random
        self._troubled = troubled
        self._fired = fired

    def register_script(self, text: str) -> Any:
        async def keep_if(keys: list[str], args: list[Any]) -> Any:
            self._trouble()
            stands = self._kept.get(keys[0], b"")
            if stands != (args[0] if isinstance(args[0], bytes) else str(args[0]).encode()):
                return stands
            self._kept[keys[0]] = args[1]
            return None

        return keep_if

    async def aclose(self) -> None:
        return None

    async def get(self, key: str) -> bytes | None:
        self._trouble()
        return self._kept.get(key)

    def _trouble(self) -> None:
        if self._troubled and self._random.random() < self._troubled:
            match self._random.randrange(3):
                case 0:
                    self._fired["redis flushed"] = self._fired.get("redis flushed", 0) + 1
                    self._kept.clear()
                case 1:
                    self._fired["redis absent"] = self._fired.get("redis absent", 0) + 1
                    raise ConnectionError("drawn")
                case _:
                    self._fired["redis spoilt"] = self._fired.get("redis spoilt", 0) + 1
                    self._kept = dict.fromkeys(self._kept, b"\xff not what stood here")


class Clock:
    """The database's clock: never further than two seconds from the true one, and stepping."""

    may_go_back = False

    def __init__(self, town: "Town") -> None:
        self._town = town

    async def now(self, connection: Connection, /) -> tuple[datetime, datetime]:
        read = self._town.now() + timedelta(seconds=self._town.off)
        return read, read

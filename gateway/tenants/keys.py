"""API keys: how they are written, what is kept of them, and who holds one that a request carries.

``gwk_<env>_<id>_<secret>_<check>``: 256 random bits, and a CRC-32 over all before it, so that a mistyped key costs no query and a
scanner of repositories can tell a key from noise: ``gwk_[a-z]{2,12}_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}``.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Final
from zlib import crc32

from storage import tenancy
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway
from storage.tenancy import NO_LIMITS, Limits

#: How long a key that was found is believed: a revocation is felt everywhere within this time.
BELIEVED_SECONDS_MAX: Final = 5.0
BELIEVED_MAX: Final = 10_000
#: How often ``last_used_at`` is written, for every key used since.
TOUCH_SECONDS: Final = 10.0

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS: Final = 12
_SECRET_CHARS: Final = 43  # 62^43 > 2^256
_CHECK_CHARS: Final = 6  # 62^6 > 2^32
_SHAPE = re.compile(r"(gwk_[a-z]{2,12}_[0-9A-Za-z]{12}_[0-9A-Za-z]{43})_([0-9A-Za-z]{6})")


class Scope(StrEnum):
    """What a key allows."""

    SEND = "send"
    READ = "read"
    CONTACTS = "contacts"
    AUDIT = "audit"
    ADMIN = "admin"


#: The console's roles, as sets of scopes.
ROLES: Final[dict[str, frozenset[Scope]]] = {
    "officer": frozenset({Scope.READ, Scope.AUDIT}),
    "operator": frozenset({Scope.READ, Scope.CONTACTS, Scope.SEND}),
    "admin": frozenset(Scope),
}


def granted(scopes: Iterable[str]) -> frozenset[Scope]:
    """The scopes that a key carries; ``admin`` carries all. A ValueError names what is no scope."""
    named = frozenset(Scope(scope) for scope in scopes)
    return frozenset(Scope) if Scope.ADMIN in named else named


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A key that was just made. ``text`` is shown once and kept nowhere."""

    id: str
    text: str = field(repr=False)
    digest: bytes = field(repr=False)


def fresh(env: str) -> FreshKey:
    """A new key; ``env`` is 2 to 12 small letters (live, sandbox) that tell people which installation it opens."""
    identity = "".join(secrets.choice(_DIGITS) for _ in range(_ID_CHARS))
    body = f"gwk_{env}_{identity}_{_base62(secrets.randbits(256), _SECRET_CHARS)}"
    text = f"{body}_{_check(body)}"
    digest = digest_of(text)
    if digest is None:
        raise ValueError("the environment's name is 2 to 12 small letters")
    return FreshKey(identity, text, digest)


def installation_of(text: str) -> str:
    """The name of the installation that stands in a key."""
    return text.split("_")[1]


def digest_of(text: str) -> bytes | None:
    """SHA-256 of a key, by which it is found; None when the text is no key or its check digits are wrong."""
    match = _SHAPE.fullmatch(text)
    if match is None or _check(match[1]) != match[2]:
        return None
    return sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a request speaks for."""

    key: str
    tenant: str
    scopes: frozenset[Scope]
    limits: Limits = NO_LIMITS


class Keyring:
    """Finds the holder of a key, believing what it found for a few seconds, and remembers which keys were used."""

    def __init__(self, database: Database, clock: LegalClock) -> None:
        self._database = database
        self._clock = clock
        self._believed: dict[str, tuple[float, Holder]] = {}
        self._asking: dict[str, asyncio.Task[Holder | None]] = {}
        self._used: set[str] = set()

    async def holder(self, text: str) -> Holder | None:
        """The holder of a live key, or None. Raises DatabaseAway when it cannot be known."""
        known = self._believed.get(text)
        if known is not None and known[0] > time.monotonic():
            holder: Holder | None = known[1]
        else:
            digest = digest_of(text)
            if digest is None:
                return None
            asking = self._asking.get(text)
            if asking is None:
                # One question for all who wait for it; a task of its own, so that none of them can cut it short.
                asking = self._asking[text] = asyncio.create_task(self._ask(text, digest))
            holder = await asyncio.shield(asking)
        if holder is not None:
            self._used.add(holder.key)
        return holder

    async def _ask(self, text: str, digest: bytes) -> Holder | None:
        # Counted from before the question: what was revoked meanwhile is believed no longer than it may be.
        until = time.monotonic() + BELIEVED_SECONDS_MAX
        try:
            row = await self._database.read(lambda connection: tenancy.key_by_digest(connection, digest))
        finally:
            del self._asking[text]
        self._believed.pop(text, None)
        if row is None:
            return None
        while len(self._believed) >= BELIEVED_MAX:
            del self._believed[next(iter(self._believed))]
        if row.seconds_left is not None:
            until = min(until, time.monotonic() + row.seconds_left)
        holder = Holder(row.id, row.tenant, granted(row.scopes), row.limits)
        self._believed[text] = (until, holder)
        return holder

    async def touch(self) -> None:
        """Write down, once for all, when the keys used since the last time were used."""
        used, self._used = self._used, set()
        if not used:
            return

        async def write(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await tenancy.touch_keys(connection, dict.fromkeys(sorted(used), real))

        try:
            await self._database.run(write)
        except DatabaseAway:
            self._used |= used

    async def keep_touching(self) -> None:
        """Touch for ever; cancelled when the process stops."""
        while True:
            await asyncio.sleep(TOUCH_SECONDS)
            await self.touch()


def _base62(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))


def _check(body: str) -> str:
    return _base62(crc32(body.encode()), _CHECK_CHARS)

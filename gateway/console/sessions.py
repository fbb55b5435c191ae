"""Who is signed in: a key exchanged for a random cookie, kept as a digest, ended by real time, by sign-out or with its key."""

import hmac
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from aiohttp import web

from gateway.tenants.keys import Holder, Keyring, Scope, granted
from storage import console
from storage.clock import LegalClock
from storage.database import Connection, Database

#: Real time: whoever signed in is asked again after a working day, and after an hour away.
SESSION_HOURS_MAX: Final = 10
IDLE_MINUTES_MAX: Final = 60
#: How seldom it is written down that a session is in use.
SEEN_SECONDS: Final = 60
_RANDOM_BYTES: Final = 32
_FORMS: Final = b"tregua console forms v1\x00"


class Role(StrEnum):
    """What people are called by the scopes of their keys."""

    OFFICER = "officer"
    OPERATOR = "operator"
    ADMIN = "admin"


def role_of(scopes: frozenset[Scope]) -> Role | None:
    """The role that a key signs in as; None for one that may not read."""
    if Scope.ADMIN in scopes:
        return Role.ADMIN
    if Scope.READ not in scopes:
        return None
    if Scope.AUDIT in scopes:
        return Role.OFFICER
    return Role.OPERATOR if {Scope.CONTACTS, Scope.SEND} <= scopes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A live sign-in. ``form`` is the token that every form of it carries."""

    digest: bytes = field(repr=False)
    tenant: str
    key: str
    label: str
    role: Role
    scopes: frozenset[Scope]
    form: str = field(repr=False)

    def may(self, scope: Scope) -> bool:
        """Whether its key carries a scope."""
        return scope in self.scopes


class Sessions:
    """Begins, finds and ends sessions. ``secret`` keys the tokens of forms; ``secure``: the public address is https."""

    def __init__(
        self, *, database: Database, clock: LegalClock, keyring: Keyring, secret: bytes, root: str, secure: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._keyring = keyring
        self._secret = hmac.digest(secret, _FORMS, "sha256")
        self._path = f"{root}/console"
        self._secure = secure
        prefix = "__Secure-" if secure else ""
        self.cookie = f"{prefix}tregua-console"
        self.door_cookie = f"{prefix}tregua-console-door"

    async def begin(self, key: str) -> tuple[str, Session, Holder] | None:
        """Exchange a key for a cookie's value. None when it is no key of ours that may look. Raises DatabaseAway."""
        holder = await self._keyring.holder(key)
        role = None if holder is None else role_of(holder.scopes)
        if holder is None or role is None:
            return None
        value = _fresh()
        digest = _digest(value)

        async def job(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            await console.forget_sessions(connection, real)
            await console.sign_in(
                connection, digest, holder.tenant, holder.key, real, real + timedelta(hours=SESSION_HOURS_MAX)
            )

        await self._database.run(job)
        session = Session(
            digest=digest,
            tenant=holder.tenant,
            key=holder.key,
            label="",
            role=role,
            scopes=holder.scopes,
            form=self.token(value),
        )
        return value, session, holder

    async def find(self, request: web.Request) -> Session | None:
        """The session of a request. Raises DatabaseAway."""
        value = request.cookies.get(self.cookie, "")
        if not 20 <= len(value) <= 64:
            return None
        digest = _digest(value)

        async def read(connection: Connection) -> tuple[console.SessionRow | None, datetime]:
            _, real = await self._clock.now(connection)
            row = await console.session(connection, digest, real, real - timedelta(minutes=IDLE_MINUTES_MAX))
            return row, real

        row, real = await self._database.read(read)
        if row is None:
            return None
        scopes = granted(row.scopes)
        role = role_of(scopes)
        if role is None:
            return None
        if real - row.seen_at > timedelta(seconds=SEEN_SECONDS):
            await self._database.run(lambda connection: console.seen(connection, digest, real))
        return Session(
            digest=digest,
            tenant=row.tenant,
            key=row.key,
            label=row.label,
            role=role,
            scopes=scopes,
            form=self.token(value),
        )

    async def end(self, session: Session) -> None:
        """End a session for good."""
        await self._database.run(lambda connection: console.sign_out(connection, session.digest))

    def give(self, response: web.StreamResponse, name: str, value: str) -> None:
        """Hand a cookie out: to our own pages only, never to a script."""
        response.set_cookie(
            name, value, path=self._path, httponly=True, samesite="Strict", secure=self._secure, max_age=None
        )

    def take(self, response: web.StreamResponse, name: str) -> None:
        """Take a cookie back."""
        response.del_cookie(name, path=self._path, httponly=True, samesite="Strict", secure=self._secure)

    def door(self, request: web.Request) -> str:
        """The value that ties the form of the sign-in to this browser: the one it has, or a fresh one."""
        value = request.cookies.get(self.door_cookie, "")
        return value if 20 <= len(value) <= 64 and value.isascii() else _fresh()

    def token(self, value: str) -> str:
        """The token of forms under a cookie's value."""
        return urlsafe_b64encode(hmac.digest(self._secret, value.encode("utf-8", "replace"), "sha256")[:24]).decode()

    def fits(self, token: str, given: str) -> bool:
        """Whether a form carries the token, compared in constant time."""
        return hmac.compare_digest(token.encode(), given.encode("utf-8", "replace"))


def _fresh() -> str:
    return urlsafe_b64encode(os.urandom(_RANDOM_BYTES)).rstrip(b"=").decode()


def _digest(value: str) -> bytes:
    return sha256(value.encode("utf-8", "replace")).digest()

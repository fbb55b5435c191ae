"""Takes in what witnesses sign under our heads, once each signature is checked, and hands a head out with all of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.refusals import Flaw
from storage import proofs, witnesses
from storage.database import Connection, Database
from storage.witnesses import CosignatureRow
from tracelog.head import ForgedError, Signer, opened
from tracelog.witness import cosignature_in, witness_key

#: Witnesses of one tenant: a note with all of their lines stays far below what a reader of notes takes.
WITNESSES_MAX: Final = 32


class Keys(Protocol):
    """Knows with which key each tenant's heads are signed."""

    def signer(self, tenant: str, /) -> Signer:
        """Whoever signs this tenant's heads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """A head that witnesses signed under: the whole note with their lines, and who they are."""

    size: int
    note: str
    witnesses: tuple[CosignatureRow, ...]


class Witnesses:
    """Keeps cosignatures and shows them."""

    def __init__(self, *, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def take(self, tenant: str, note: str, witness: str) -> Cosigned | Flaw:
        """Keep what a witness (her verifier key) signed under one of our heads, which the note holds; or why it is not kept."""
        try:
            name, public_key = witness_key(witness)
        except ValueError as error:
            return Flaw("/witness", str(error))
        try:
            signed = opened(note, self._keys.signer(tenant).public_key)
            at_seconds, line = cosignature_in(note, signed, name, public_key)
            at = datetime.fromtimestamp(at_seconds, UTC)
        except (ForgedError, ValueError, OverflowError, OSError) as error:
            return Flaw("/note", str(error))
        size = signed.head.size

        async def job(connection: Connection) -> Cosigned | Flaw:
            # Whoever has our key signed it: that it is a head of ours as we signed it is looked up all the same.
            if await proofs.head_at(connection, tenant, size) != signed.note():
                return Flaw("/note", "is no head that this gateway signed")
            known = await witnesses.known(connection, tenant)
            if known.get(name, public_key) != public_key:
                return Flaw("/witness", "has a name that is known with another key")
            if name not in known and len(known) >= WITNESSES_MAX:
                return Flaw("/witness", f"would be one witness more than {WITNESSES_MAX}")
            await witnesses.keep(connection, tenant, size, name, public_key, at, line)
            return await _shown(connection, tenant, size)

        return await self._database.run(job)

    async def under(self, tenant: str, size: int | None) -> Cosigned | None:
        """The head of a size with its cosignatures (None: the largest that has any); None where nobody signed."""

        async def read(connection: Connection) -> Cosigned | None:
            asked = await witnesses.last_size(connection, tenant) if size is None else size
            found = None if asked is None else await _shown(connection, tenant, asked)
            return found if found is not None and found.witnesses else None

        return await self._database.read(read)


async def _shown(connection: Connection, tenant: str, size: int) -> Cosigned:
    note = await proofs.head_at(connection, tenant, size)
    rows = await witnesses.under(connection, tenant, size)
    return Cosigned(size=size, note=(note or "") + "".join(row.line for row in rows), witnesses=tuple(rows))

"""Takes a whole trace out as lines, for the API and the command line alike; what is on disk goes out as it stands.

When the sealer refuses to sign (somebody changed a row), the export goes out all the same under the last head that was signed: whoever
checks it finds the line that was changed, by its index.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.seal import Broken
from storage import chain
from storage.chain import TraceRow
from storage.database import Connection, Database
from tracelog.export import Writer
from tracelog.head import SignedHead, Signer

#: Entries read at a time: no session of the database is held while a slow reader takes them.
PAGE: Final = 1_000


class Sealer(Protocol):
    """Signs what stands in a tenant's trace."""

    async def seal(self, tenant: str, /) -> SignedHead:
        """Seal everything committed so far; the head over all of it. Raises ``gateway.seal.Broken``."""
        ...

    async def last(self, tenant: str, /) -> SignedHead | None:
        """The last head that was signed, or None."""
        ...

    def signer(self, tenant: str, /) -> Signer:
        """Whoever signs this tenant's heads and exports."""
        ...


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is about to be written: the head on its last line, and how many rows stand above it."""

    tenant: str
    head: SignedHead
    rows: int


async def prepared(database: Database, sealer: Sealer, tenant: str) -> Export:
    """Seal what was committed so far. Raises Broken only when nothing was ever signed."""
    try:
        head = await sealer.seal(tenant)
    except Broken:
        last = await sealer.last(tenant)
        if last is None:
            raise
        return Export(tenant, last, await database.read(lambda connection: chain.size(connection, tenant)))
    return Export(tenant, head, head.head.size)


async def lines(database: Database, sealer: Sealer, export: Export) -> AsyncIterator[bytes]:
    """The export in pieces of whole lines, the signed head last."""
    writer = Writer(export.tenant)
    for start in range(0, export.rows, PAGE):
        end = min(export.rows, start + PAGE)

        async def read(connection: Connection, start: int = start, end: int = end) -> list[TraceRow]:
            return [row async for row in chain.rows(connection, export.tenant, start, end)]

        yield b"".join(
            writer.line(
                row.idx,
                kind=row.kind,
                at=row.at,
                subject=row.subject,
                message=row.message,
                header=row.header,
                payload_digest=row.payload_digest,
                leaf=row.leaf,
                nonce=row.nonce,
                ciphertext=row.ciphertext,
            )
            for row in await database.read(read)
        )
    yield writer.last_line(export.head, sealer.signer(export.tenant))

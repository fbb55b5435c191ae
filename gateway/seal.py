"""Seals the trace: re-reads what is on disk, recomputes every leaf and the root, and signs; or refuses and raises the alarm.

It never signs what somebody handed it: a row that was changed after it was written is found here, before a signature
could vouch for it.
"""

from contextlib import suppress
from typing import Final

import structlog

from gateway.audit.proofs import grown
from storage import chain
from storage.clock import LegalClock
from storage.database import Connection, Database
from tracelog.entry import agrees, leaf_hash
from tracelog.export import head_of
from tracelog.head import ForgedError, SeedSigner, SignedHead, Signer, derived_seed, opened, origin_of, sign
from tracelog.tree import Frontier

log = structlog.get_logger()

#: Entries sealed in one transaction.
BATCH_MAX: Final = 50_000

#: Heads looked through for one that is ours, where somebody wrote others over it.
HEADS_MAX: Final = 100


class Broken(Exception):
    """What stands on disk is not what was written: nothing is signed until somebody has looked."""


class Sealer:
    """Signs the heads of every chain. ``secret`` is the installation's; each tenant's key is derived from it."""

    def __init__(self, *, database: Database, clock: LegalClock, secret: bytes) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._signers: dict[str, SeedSigner] = {}

    def signer(self, tenant: str, /) -> Signer:
        """Whoever signs this tenant's heads and exports."""
        if tenant not in self._signers:
            self._signers[tenant] = SeedSigner(derived_seed(self._secret, origin_of(tenant)))
        return self._signers[tenant]

    async def seal(self, tenant: str, /) -> SignedHead:
        """Seal everything committed so far; the head over all of it. Raises Broken."""
        while True:
            head, more = await self._database.run(lambda connection: self._seal(connection, tenant))
            if not more:
                return head

    async def last(self, tenant: str, /) -> SignedHead | None:
        """The last head that was signed, or None: what others put into its place is passed over."""
        notes = await self._database.read(lambda connection: chain.last_heads(connection, tenant, HEADS_MAX))
        for note in notes:
            with suppress(ForgedError):
                return opened(note, self.signer(tenant).public_key)
        return None

    async def seal_all(self) -> int:
        """Seal every chain that grew; how many did."""
        behind = [tenant for tenant, size, sealed in await self._database.read(chain.chains) if size != sealed]
        for tenant in behind:
            try:
                await self.seal(tenant)
            except Broken as error:
                log.critical("trace.broken", tenant=tenant, what=str(error))
        return len(behind)

    async def _seal(self, connection: Connection, tenant: str) -> tuple[SignedHead, bool]:
        # The sealer's own row is locked first and only by sealers: appends go on beside it.
        size, hashes = await chain.lock_seal(connection, tenant)
        end = await chain.size(connection, tenant)
        stop = min(end, size + BATCH_MAX)
        note = await chain.head(connection, tenant)
        frontier, last = _signed(size, hashes, note, self.signer(tenant).public_key)
        if stop == size and last is not None:
            return last, False
        index = size
        leaves: list[bytes] = []
        async for row in chain.written(connection, tenant, size, stop):
            if row.idx != index:
                raise Broken(f"entry {index} is missing")
            whole = agrees(
                row.header, tenant=tenant, kind=row.kind, at=row.at, subject=row.subject, message=row.message
            )
            if not whole or leaf_hash(row.header, row.payload_digest) != row.leaf:
                raise Broken(f"entry {index} was changed")
            frontier.append(row.leaf)
            leaves.append(row.leaf)
            index += 1
        if index != stop:
            raise Broken(f"entry {index} is missing")
        await grown(connection, tenant, size, leaves)
        now, _ = await self._clock.now(connection)
        head = sign(head_of(tenant, frontier), self.signer(tenant))
        await chain.put_seal(connection, tenant, stop, list(frontier.hashes), head.head.root, head.note(), now)
        return head, stop < end


def _signed(size: int, hashes: list[bytes], note: str | None, public_key: bytes) -> tuple[Frontier, SignedHead | None]:
    """Where the sealer goes on, which is what it signed last and nothing else that a row says. Raises Broken.

    Without this, whoever owns the database would rewrite an entry with every hash above it, and the next head would vouch for it.
    """
    try:
        frontier = Frontier(size, hashes)
        last = None if note is None else opened(note, public_key)
    except (ValueError, ForgedError) as error:
        raise Broken(f"what was signed last is not as it was: {error}") from None
    if last is None and size:
        raise Broken(f"no head over the {size} entries that were signed")
    if last is not None and (last.head.size, last.head.root) != (size, frontier.root()):
        raise Broken(f"the hashes kept of {size} entries are not what was signed last")
    return frontier, last

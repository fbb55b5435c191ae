"""The way into PostgreSQL: a pool whose sessions work as ``tregua_app``, and one shape of transaction.

A job is handed to ``Database.run`` and runs inside one transaction; it may be run again from the start after a deadlock, so it
keeps nothing outside it. Nobody holds a connection across a call to the world.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, BinaryIO, ClassVar, Final, Protocol, Self, TypeVar

import asyncpg
from asyncpg.protocol import protocol as _driver

T = TypeVar("T")

CONNECTIONS_MAX: Final = 8
RERUNS_MAX: Final = 8
COMMAND_SECONDS_MAX: Final = 30.0
ACQUIRE_SECONDS_MAX: Final = 10.0


class Overtaken(Exception):
    """What a job read before it held a lock is not so any more. The job is run again from the start."""


#: Serialization failure and deadlock: the transaction did nothing and may be run again. A row that another one names was there
#: when it was looked for and is gone: somebody was erased, and looking again finds her gone.
#: A statement that was prepared before a migration gave its table a column: the driver has dropped its statements and prepares anew.
_RERUN: Final = (
    Overtaken,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.InvalidCachedStatementError,
)

#: Every transaction asks by keys, and one plan suits them all. Left to itself PostgreSQL plans the longest statement anew at each call,
#: and each of them five times in every session. Lists, whose filters may be absent, are read outside of transactions.
_BEGIN: Final = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan"

#: What a broken connection, a stopping, starting, full, overloaded or absent server looks like; also one that cut a statement
#: short by its own clock or at its operator's word, and one that has become a standby's: whoever asks again may be served.
_AWAY: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A farewell of the server's that crosses with our next question.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    TimeoutError,
)


#: As whom the house works, and as whom it works for one tenant: migration 0090 says what each may see.
HOUSE_ROLE: Final = "tregua_app"
TENANT_ROLE: Final = "tregua_tenant"
_BIND: Final = "SELECT set_config('role', $1, false), set_config('tregua.tenant', $2, false)"
_UNBIND: Final = f"SET ROLE {HOUSE_ROLE}; RESET tregua.tenant;"


class Connection(Protocol):
    """What queries need of a session. ``timeout``: seconds for work that may take longer than a request's."""

    async def execute(self, query: str, /, *arguments: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """Run and answer the command tag."""
        ...

    async def fetch(self, query: str, /, *arguments: Any, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109
        """Every row."""
        ...

    async def fetchrow(self, query: str, /, *arguments: Any) -> Any:
        """The first row, or None."""
        ...

    async def fetchval(self, query: str, /, *arguments: Any) -> Any:
        """The first column of the first row, or None."""
        ...

    async def copy_from_query(
        self,
        query: str,
        /,
        *arguments: Any,
        output: BinaryIO,
        timeout: float | None = None,  # noqa: ASYNC109
        **form: str,
    ) -> str:
        """Write every row of a query to a stream, in a form of COPY; the command tag."""
        ...

    async def copy_to_table(
        self,
        table_name: str,
        /,
        *,
        source: BinaryIO,
        timeout: float | None = None,  # noqa: ASYNC109
        **form: str,
    ) -> str:
        """Read rows of a table from a stream, in a form of COPY; the command tag."""
        ...


class DatabaseAway(Exception):
    """PostgreSQL cannot be reached or would not take the work; nothing of the transaction stands."""


class CommitUnknown(DatabaseAway):
    """The connection broke between COMMIT and its answer: the transaction may stand. Only reading back can tell."""


#: Whose request this is, where one tenant's is in hand: sessions then see nothing else's. None: the whole house's work.
_TENANT: ContextVar[str | None] = ContextVar("tenant", default=None)


@contextlib.contextmanager
def of_tenant(tenant: str) -> Iterator[None]:
    """Everything that is asked of the database in here sees one tenant's rows only, whatever the SQL says."""
    token = _TENANT.set(tenant)
    try:
        yield
    finally:
        _TENANT.reset(token)


#: Below it stand the types that PostgreSQL itself is made with (FirstGenbkiObjectId of its access/transam.h).
_OWN_OIDS: Final = 10_000
#: Stands where the driver looks whether its question has taken the place of a statement without a name.
_NOT_ASKED: Final = SimpleNamespace(name="not asked")


# The driver asks each element of an array by abstract classes whether it holds further elements, which takes longer than to encode it.
# The house hands over lists and tuples, which are told by their type.
_driver.IterableABC = (list, tuple)


class _Session(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A session that goes back to the pool as it came.

    What a job changes in its session lasts no longer than its transaction (``SET LOCAL``; a test reads every statement for it),
    but for whose it is. So only that is taken back, and a session that was nobody's needs no further question at its end.
    """

    _bound = False
    #: What PostgreSQL's own types look like, by what was asked: their numbers are the same in every database and release, and the
    #: question costs a session more than all of its statements' plans.
    _types: ClassVar[dict[frozenset[int], Any]] = {}

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncpg's
        """The driver's question about types that it meets for the first time in a session, asked once in a process."""
        asked = frozenset(typeoids)
        if asked in self._types:
            return self._types[asked], _NOT_ASKED
        types, statement = await super()._introspect_types(asked, timeout)
        if all(oid < _OWN_OIDS for oid in asked):
            self._types[asked] = types
        return types, statement

    async def bind(self, role: str, tenant: str) -> None:
        """From here on it sees what ``role`` may see of ``tenant``, until the pool has it back."""
        self._bound = True
        await self.execute(_BIND, role, tenant)

    def get_reset_query(self) -> str:
        """What the pool runs when a session is let go; nothing when it is empty."""
        return _UNBIND if self._bound else ""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        """Take back whose it is."""
        await super().reset(timeout=timeout)
        self._bound = False


class Database:
    """One process's pool. Opened by ``gateway.compose``; sessions carry the role and schema from their first byte."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, *, connections_max: int = CONNECTIONS_MAX) -> Self:
        """Connect. Raises ``DatabaseAway``."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections_max,
                command_timeout=COMMAND_SECONDS_MAX,
                max_inactive_connection_lifetime=0,
                connection_class=_Session,
                server_settings={
                    "search_path": "tregua",
                    "role": HOUSE_ROLE,
                    "timezone": "UTC",
                    # A ceiling, reached by nothing but the recheck, which lays a whole trace out in tables of its own.
                    "temp_buffers": "128MB",
                    # Every statement of a session is kept prepared, and its plan is settled while tables may be nearly empty:
                    # a join by hashing or a whole scan that was cheap then would stay when they hold millions of rows.
                    # Each statement here asks by keys; what reads whole tables switches these on for its own transaction.
                    "enable_seqscan": "off",
                    "enable_hashjoin": "off",
                    "enable_mergejoin": "off",
                    # Before release 18 the server takes a scan that is off for one of enormous cost, and compiles its plan.
                    "jit": "off",
                },
            )
        except _AWAY as error:
            raise DatabaseAway(str(error)) from error
        return cls(pool)

    async def close(self) -> None:
        """Let the sessions end; those that hang are cut."""
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()

    async def run(self, job: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``job`` in one transaction and commit it. Raises ``DatabaseAway`` or ``CommitUnknown``."""
        for rerun in range(RERUNS_MAX):
            try:
                return await self._once(job)
            except _RERUN:
                if rerun == RERUNS_MAX - 1:
                    raise
                await asyncio.sleep(0.005 * (rerun + 1))
        raise AssertionError("unreachable")

    async def _once(self, job: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._acquire()
        done = False
        committing = False
        try:
            await connection.execute(_BEGIN)
            result = await job(connection)
            committing = True
            await connection.execute("COMMIT")
            done = True
        except _AWAY as error:
            if committing:
                raise CommitUnknown(str(error)) from error
            raise DatabaseAway(str(error)) from error
        else:
            return result
        finally:
            await self._hand_back(connection, whole=done)

    async def read(self, job: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``job`` without a transaction of its own, for reads. Raises ``DatabaseAway``."""
        connection = await self._acquire()
        done = False
        try:
            result = await job(connection)
            done = True
        except _AWAY as error:
            raise DatabaseAway(str(error)) from error
        else:
            return result
        finally:
            await self._hand_back(connection, whole=done)

    async def _acquire(self) -> Any:
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS_MAX)
        except _AWAY as error:
            raise DatabaseAway(str(error)) from error
        tenant = _TENANT.get()
        if tenant is not None:
            try:
                # The pool's own reset takes both back before anybody else has the session.
                await connection.bind(TENANT_ROLE, tenant)
            except _AWAY as error:
                await self._hand_back(connection, whole=False)
                raise DatabaseAway(str(error)) from error
            except BaseException:
                await self._hand_back(connection, whole=False)
                raise
        return connection

    async def _hand_back(self, connection: Any, *, whole: bool) -> None:
        try:
            if not whole and not connection.is_closed():
                # A session with an open transaction is never handed on: whatever cut this one short may have left an
                # answer on the wire.
                connection.terminate()
            await self._pool.release(connection)
        except _AWAY:
            # The server ended it while it was tidied up, and the pool has taken it back by itself. What the job did stands or
            # fell before this: a commit that succeeded is never told as anything else.
            return

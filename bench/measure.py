"""Reads what the kernel and PostgreSQL know: processor seconds by process tree, memory in proportion, bytes written."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

PSS_SECONDS: Final = 0.25
_TICKS: Final = os.sysconf("SC_CLK_TCK")
# proc_pid_stat(5), counted from the field behind the name in brackets: ppid, utime, stime, cutime, cstime.
_PPID, _UTIME, _CSTIME_END = 1, 11, 15


def cpu_seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """User and system time of each process with all its descendants, the ended ones too, as far as they were waited for."""
    stats: dict[int, Sequence[str]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            stats[int(entry.name)] = entry.joinpath("stat").read_text().rpartition(")")[2].split()
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(int(stat[_PPID]), []).append(pid)

    def ticks(pid: int) -> int:
        own = sum(int(field) for field in stats[pid][_UTIME:_CSTIME_END]) if pid in stats else 0
        return own + sum(ticks(child) for child in children.get(pid, ()))

    return {name: ticks(pid) / _TICKS for name, pid in roots.items()}


def pss_bytes(pids: Sequence[int]) -> int:
    """Memory of processes, what is shared counted in parts (proc_pid_smaps(5)); 0 where the kernel does not say."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class Peak:
    """The largest memory that some processes had together while it was watched."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = tuple(pids)
        self.bytes = pss_bytes(self._pids)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(PSS_SECONDS)
            self.bytes = max(self.bytes, pss_bytes(self._pids))


@dataclass(frozen=True, slots=True)
class Written:
    """Where a database stands: its size, the write-ahead log's end, and how many transactions it has committed."""

    database_bytes: int
    wal_bytes: int
    commits: int


NOTHING: Final = Written(0, 0, 0)


async def written(connection: "asyncpg.Connection[Any]") -> Written:
    """Read it, by the owner's connection to the database that is measured."""
    row = await connection.fetchrow(
        "SELECT pg_database_size(current_database()) AS size, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal, "
        "(SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits"
    )
    assert row is not None
    return Written(row["size"], row["wal"], row["commits"])


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    model = "unknown"
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    uname = os.uname()
    return {
        "processors": f"{len(os.sched_getaffinity(0))} × {model}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{uname.sysname} {uname.release} {uname.machine}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }

"""C15: many who begin and never finish, and everybody else."""

import asyncio
import contextlib
import resource
import time
from statistics import quantiles

import pytest

from tests.campaigns.tally import counted
from tests.gateway.town import Town
from tests.sizes import SLOW_CALLERS

ASKED = 150


async def _clean(found: Town) -> float:
    """The 95th of a hundred, in seconds, of an ordinary question."""
    took = []
    for _ in range(ASKED):
        started = time.perf_counter()
        status, _, _ = await found.call("GET", "/v1/messages?limit=1")
        assert status == 200
        took.append(time.perf_counter() - started)
    return quantiles(took, n=20)[18]


@pytest.mark.campaign
@pytest.mark.timeout(1200)
async def test_many_who_never_finish_do_not_slow_the_others(quiet: Town) -> None:
    starts = (
        b"",
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        b"POST /hooks/twilio-test/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 900000000\r\n\r\n\x1f\x8b",
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    writers: list[asyncio.StreamWriter] = []
    with counted("C15", "callers who begin and never finish") as tally:
        before = await _clean(quiet)
        try:
            for n in range(SLOW_CALLERS):
                _, writer = await asyncio.open_connection("127.0.0.1", quiet.house.settings.port)
                writer.write(starts[n % len(starts)])
                writers.append(writer)
                tally.faults["left open"] += 1
            during = await _clean(quiet)
        finally:
            for writer in writers:
                with contextlib.suppress(Exception):
                    writer.transport.abort()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        after = await _clean(quiet)
        tally.trials = SLOW_CALLERS
        tally.notes |= {"p95 ms before": round(before * 1000, 2), "during": round(during * 1000, 2)}
        # A machine that does other things as well is given fifty milliseconds.
        tally.hold(during <= 2 * before + 0.05, f"{before:.4f} s before, {during:.4f} s during")
        tally.hold(after <= 2 * before + 0.05, f"{before:.4f} s before, {after:.4f} s after")

"""How long ``tregua trace verify`` takes: ``python -m bench.verify [ENTRIES]``, a million if none are named.

The export is written by the code that writes every export, of entries as a message that was delivered leaves them: accepted, decided,
reserved, settled, two receipts, with her words sealed beside those that have any. The command is started as anybody starts it, with the
key that must have signed, and once more for the same file with one bit changed in its last entry, which it must name.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.house import PROVIDER, TENANT
from bench.processes import CHECKOUT
from bench.sizes import SEED, TUESDAY
from bench.workload import COLLECTOR, CREDITOR, debt_id
from gateway.entries import Scribe
from tracelog.entry import instant
from tracelog.export import Writer, head_of
from tracelog.head import SeedSigner, sign
from tracelog.sealed import fresh_key
from tracelog.tree import Frontier
from vocabulary.ids import new_uuid

ENTRIES: Final = 1_000_000
SECONDS_MAX: Final = 10.0
PEOPLE: Final = 10_000
_ACCEPTED: Final = (
    b'{"text":"' + b"Hola, su cuota de noviembre esta lista para pagar. " * 6 + b'","metadata":{"campaign":"nov"}}'
)
_SID: Final = b'{"provider_id":"SM%032x"}'


def said(scribe: Scribe, entries: int) -> Iterator[tuple[str, dict[str, Any], bytes | None]]:
    """Kind, facts and words of one entry after the other, of messages to people who are drawn."""
    chance = random.Random(SEED)
    token = scribe.token
    made = 0
    while made < entries:
        person, attempt, sid = chance.randrange(PEOPLE), new_uuid().hex, _SID % chance.getrandbits(128)
        at = TUESDAY + timedelta(milliseconds=made)
        parties = {"collector": token(TENANT, COLLECTOR), "creditor": token(TENANT, CREDITOR)}
        verdict = {"channel": "sms", "outcome": "allow", "packs": ["CO@746a390a69b9"], "reasons": [], "until": None}
        debts = [token(TENANT, debt_id(person))]
        receipt = {"attempt": attempt, "error_code": None, "provider": PROVIDER, "repeat": False, "was": "sent"}
        yield from (
            (
                "accepted",
                {**parties, "channels": ["sms"], "debts": debts, "expires_at": instant(at + timedelta(days=30)),
                 "form": "text", "purpose": "collection", "send_at": None, "sender": "creditor"},
                _ACCEPTED,
            ),
            ("decided", verdict, None),
            (
                "reserved",
                {**parties, **verdict, "address_kind": "personal", "address_source": "supplied", "answers": False,
                 "attempt": attempt, "debts": debts, "endpoint": f"{chance.getrandbits(128):032x}", "event": new_uuid().hex,
                 "form": "text", "latest": instant(at + timedelta(minutes=10)), "provider": PROVIDER, "purpose": "collection",
                 "role": "debtor", "sector": None, "sender_role": "creditor", "validity_seconds": 600, "zones": ["America/Bogota"]},
                None,
            ),
            (
                "settled",
                {"attempt": attempt, "outcome": "sent", "provider": PROVIDER, "provider_status": "queued", "was": "dispatching"},
                sid,
            ),
            ("receipt", {**receipt, "kind": "sent", "provider_status": "sent"}, sid),
            ("receipt", {**receipt, "kind": "delivered", "provider_status": "delivered"}, sid),
        )  # fmt: skip
        made += 6


def write(to: Path, entries: int) -> str:
    """An export of so many entries; the key that signed it, in hexadecimal."""
    scribe, writer, frontier, signer = Scribe(b"bench"), Writer(TENANT), Frontier(), SeedSigner(fresh_key())
    key, subject, message = fresh_key(), new_uuid(), new_uuid()
    with to.open("wb", buffering=1 << 20) as out:
        for index, (kind, facts, words) in zip(range(entries), said(scribe, entries), strict=False):
            if kind == "accepted":
                subject, message = new_uuid(), new_uuid()
            at = TUESDAY + timedelta(milliseconds=index)
            row = scribe.entry(
                kind, tenant=TENANT, at=at, facts=facts, subject=subject, message=message, words=words, key=key
            )
            frontier.append(row.entry.leaf)
            sealed = row.entry.sealed
            line = writer.line(
                index,
                kind=kind,
                at=at,
                subject=subject,
                message=message,
                header=row.entry.header,
                payload_digest=row.entry.payload_digest,
                leaf=row.entry.leaf,
                nonce=sealed and sealed.nonce,
                ciphertext=sealed and sealed.ciphertext,
            )
            out.write(line)
        out.write(writer.last_line(sign(head_of(TENANT, frontier), signer), signer))
    return signer.public_key.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One run of the command: wall and processor seconds with all its processes, the largest of them, and what it said."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    code: int
    found: dict[str, Any]


def verified(file: Path, key: str) -> Took:
    """Start the command and wait for it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    ended = subprocess.run(
        [Path(sys.executable).with_name("tregua"), "trace", "verify", str(file), "--key", key, "--json"],
        cwd=CHECKOUT, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(
        seconds=seconds,
        cpu_seconds=cpu,
        peak_bytes=after.ru_maxrss * 1024,
        code=ended.returncode,
        found=json.loads(ended.stdout or b"{}"),
    )


def spoilt(file: Path) -> None:
    """One bit of the last entry's header turned over."""
    with file.open("r+b") as both:
        both.seek(-8_192, os.SEEK_END)
        tail = both.read()
        place = tail.rindex(b'"kind":"', 0, tail.rindex(b'\n{"export"'))
        both.seek(place - len(tail) + 8, os.SEEK_END)
        both.write(bytes([tail[place + 8] ^ 1]))


def measured(folder: Path, entries: int, rounds: int) -> tuple[list[Took], Took, int]:
    """The rounds, the one with a changed bit, and the file's size in bytes. Raises ValueError when one is not answered as it must be."""
    file = folder / "export.ndjson"
    key = write(file, entries)
    size = file.stat().st_size
    took = [verified(file, key) for _ in range(rounds)]
    spoilt(file)
    broken = verified(file, key)
    file.unlink()
    if any(each.code != 0 or each.found.get("size") != entries for each in took):
        raise ValueError(f"it does not hold: {took[-1].found}")
    if broken.code != 1 or broken.found.get("index") != entries - 1:
        raise ValueError(f"the changed entry is not named: {broken.found}")
    return took, broken, size


def main() -> int:
    """0: the best round was within its seconds. 1: it was not, or something was answered wrongly."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify", description=__doc__)
    parser.add_argument("entries", type=int, nargs="?", default=ENTRIES, help=f"entries (default {ENTRIES:,})")
    parser.add_argument("--rounds", type=int, default=3, help="how often it is verified")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".tregua" / "bench-verify")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        took, broken, size = measured(folder, asked.entries, asked.rounds)
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(section(took, broken, entries=asked.entries, size=size))
    return 0 if min(each.seconds for each in took) <= SECONDS_MAX else 1


def section(took: list[Took], broken: Took, *, entries: int, size: int) -> str:
    """The table."""
    processors = len(os.sched_getaffinity(0))
    lines = [
        f"{entries:,} entries, {size / 1e6:,.0f} MB; {processors} processors, load {os.getloadavg()[0]:.1f}.",
        "",
        "| | seconds | CPU-s | CPU-s ÷ processors | entries/s | peak MiB of a process |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, each in [*((f"round {n}", one) for n, one in enumerate(took, 1)), ("its last entry changed", broken)]:
        lines.append(
            f"| {name} | {each.seconds:,.2f} | {each.cpu_seconds:,.2f} | {each.cpu_seconds / processors:,.2f} | "
            f"{entries / each.seconds:,.0f} | {each.peak_bytes / 2**20:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

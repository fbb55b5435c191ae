"""Whether a round of W1 was one: everything that was accepted arrived, once, was delivered, told, and stands proved in the trace."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from tracelog.export import Broken, Holds, lines_of, verify

#: What the trace says of a message that was accepted, allowed, sent and delivered.
KINDS: Final = ("accepted", "decided", "reserved", "settled", "receipt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the offline verifier says of an export, and how many messages each kind of entry names."""

    result: Holds | Broken
    messages: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the generator, the carrier, the CRM, the database and the verifier saw, the warming included."""

    asked: int
    accepted: frozenset[int]
    refused: Mapping[str, int] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    arrived: frozenset[int]
    twice: int = 0
    strange: int = 0
    statuses: Mapping[str, int]
    told: int
    forged: int = 0
    #: Or why there is none.
    trace: Trace | str


def flaws(seen: Seen) -> list[str]:
    """Why the round is not valid; empty when it is."""
    found = []
    count = len(seen.accepted)
    if count != seen.asked:
        said = "; ".join(seen.answers)
        found.append(f"{count} of {seen.asked} messages were accepted (other answers: {dict(seen.refused)} {said})")
    if missing := seen.accepted - seen.arrived:
        found.append(f"{len(missing)} accepted messages never arrived at the carrier")
    if unasked := seen.arrived - seen.accepted:
        found.append(f"{len(unasked)} messages arrived that were not accepted")
    if seen.twice:
        found.append(f"{seen.twice} messages arrived again")
    if seen.strange:
        found.append(f"{seen.strange} requests to the carrier were none of this workload")
    if dict(seen.statuses) != {"delivered": count}:
        found.append(f"not every message ended delivered: {dict(seen.statuses)}")
    if seen.told != count:
        found.append(f"the CRM was told of {seen.told} deliveries of {count}")
    if seen.forged:
        found.append(f"{seen.forged} events came with a signature that does not hold")
    match seen.trace:
        case str(why):
            found.append(f"no trace to verify: {why}")
        case Trace(result=Broken() as broken):
            found.append(f"the trace does not hold: line {broken.line}: {broken.why}")
        case Trace(messages=messages):
            found += [
                f"the trace has entries {kind!r} of {messages.get(kind, 0)} messages, not of {count}"
                for kind in KINDS
                if messages.get(kind, 0) != count
            ]
    return found


class _Header(msgspec.Struct):
    kind: str
    message: str | None


class _Line(msgspec.Struct):
    header: _Header | None = None


def read_export(file: Path, public_key: bytes) -> Trace:
    """Verify an export offline against a key that was known before, and count what it says."""
    decoder = msgspec.json.Decoder(_Line)
    named: dict[str, set[str]] = {}

    def counted(lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            yield line
            try:
                header = decoder.decode(line).header
            except msgspec.DecodeError:  # the verifier names it
                continue
            if header is not None and header.message is not None:
                named.setdefault(header.kind, set()).add(header.message)

    with file.open("rb") as stream:
        result = verify(counted(lines_of(stream)), public_key=public_key)
    return Trace(result=result, messages={kind: len(messages) for kind, messages in named.items()})

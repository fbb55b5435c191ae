"""``tregua trace witness``: run by somebody else than the operator, it sees to it that the trace only ever grows.

Each run asks for the signed head, checks it under the pinned key, has it proved that everything seen before is still its beginning,
and keeps the new head with a signature of its own. A split or rewritten trace needs a key that nobody has, or a witness that nobody asked.
"""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import typer

from gateway.cli.exits import DOES_NOT_HOLD, fail
from tracelog.head import SEED_BYTES, ForgedError, SeedSigner, SignedHead, opened, pinned_key
from tracelog.witness import ShrunkError, Witness, observed

TIMEOUT_SECONDS: Final = 30.0
ANSWER_BYTES_MAX: Final = 1 << 20
LAST: Final = "last.note"
SEED: Final = "witness.seed"
PINNED: Final = "pinned.key"


class NoAnswer(Exception):
    """The gateway answered, and not with what was asked for."""


def witnessed(url: str, api_key: str, state: Path, name: str, public_key: str | None, now: datetime) -> dict[str, Any]:
    """One observation. Ends the command with exit 1 and a sentence when the trace does not hold or does not answer."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        witness = Witness(name=name, signer=SeedSigner(_seed(state / SEED)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--name") from None
    pinned = _pinned(state / PINNED, public_key)
    try:
        head, before, proof = asyncio.run(_asked(url.rstrip("/"), api_key, state, pinned))
        observed(before, head, proof)
    except (ShrunkError, ForgedError) as error:
        fail(DOES_NOT_HOLD, f"DOES NOT HOLD: {error}")
    except NoAnswer as error:
        fail(DOES_NOT_HOLD, f"no head to look at: {error}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        fail(DOES_NOT_HOLD, f"no answer: {type(error).__name__}")
    except msgspec.MsgspecError as error:
        fail(DOES_NOT_HOLD, f"not an answer of a trace: {error}")
    if pinned is None:
        _write(state / PINNED, head.public_key.hex())
    note = head.note() + witness.line(head, int(now.astimezone(UTC).timestamp()))
    _write(state / LAST, note)
    refused = asyncio.run(_handed_in(url.rstrip("/"), api_key, note, witness.verifier_key))
    return {
        "origin": head.head.origin,
        "size": head.head.size,
        "root": head.head.root.hex(),
        "seen_before": None if before is None else before.head.size,
        "pinned": pinned is not None,
        "witness": witness.verifier_key,
        "note": note,
        "kept": refused is None,
        "refused": refused,
    }


async def _asked(
    url: str, api_key: str, state: Path, pinned: bytes | None
) -> tuple[SignedHead, SignedHead | None, list[bytes]]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {api_key}"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        shown = await _get(session, f"{url}/v1/trace/head")
        head = opened(str(shown.get("note", "")), pinned or pinned_key(str(shown.get("public_key", ""))))
        before = None
        if (state / LAST).exists():
            before = opened(_own(state / LAST), head.public_key)
        proof: list[bytes] = []
        if before is not None and 0 < before.head.size < head.head.size:
            path = f"{url}/v1/trace/consistency?from={before.head.size}&to={head.head.size}"
            proof = [bytes.fromhex(each) for each in (await _get(session, path))["hashes"]]
        return head, before, proof


async def _handed_in(url: str, api_key: str, note: str, key: str) -> str | None:
    """Give the gateway the cosignature to show; why it was not taken. What was seen is kept here whatever becomes of that."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {api_key}"}
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            path = f"{url}/v1/trace/cosignatures"
            asked = {"note": note, "witness": key}
            async with session.post(path, json=asked, allow_redirects=False) as answer:
                return None if answer.status == 200 else f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return type(error).__name__


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False) as answer:
        body = await answer.content.read(ANSWER_BYTES_MAX)
        if answer.status != 200:
            raise NoAnswer(f"status {answer.status} from {answer.url.path}")
    found: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    return found


def _own(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _pinned(path: Path, given: str | None) -> bytes | None:
    """The key that must have signed: the one given, else the one met first; a ``BadParameter`` when they differ."""
    kept = bytes.fromhex(path.read_text().strip()) if path.exists() else None
    if given is None:
        return kept
    text = Path(given).read_text() if Path(given).is_file() else given
    try:
        key = pinned_key(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--pub") from None
    if kept is not None and kept != key:
        raise typer.BadParameter("is not the key that this witness has seen sign so far", param_hint="--pub")
    if kept is None:
        _write(path, key.hex())
    return key


def _seed(path: Path) -> bytes:
    """The witness's own secret, made at its first run."""
    if not path.exists():
        _write(path, os.urandom(SEED_BYTES).hex())
    return bytes.fromhex(path.read_text().strip())


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    half = path.with_suffix(".half")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    half.replace(path)

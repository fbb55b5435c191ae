"""``tregua trace stamp``: a time-stamping authority (RFC 3161) says when a signed head already stood; anybody checks it offline.

Needs the extra ``stamping``. The authority learns a digest and nothing else.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.environment import tenant_of, told
from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail
from tracelog.head import ForgedError, opened

if TYPE_CHECKING:
    from gateway.settings import Settings

TIMEOUT_SECONDS: Final = 30.0
TOKEN_BYTES_MAX: Final = 64 * 1024
FILE_BYTES_MAX: Final = 64 * 1024
#: The token stands beside the note, under its name and this.
ENDING: Final = ".tsr"
QUERY: Final = "application/timestamp-query"
REPLY: Final = "application/timestamp-reply"


def stamped(here: "Settings", tenant: str, tsa: str, to: Path) -> dict[str, Any]:
    """Seal, have the head's note stamped, write both. Ends the command with a sentence where that cannot be."""
    from gateway.seal import Broken

    stamping = _library()
    try:
        with told():
            note = asyncio.run(_note(here, tenant))
    except Broken as error:
        fail(DOES_NOT_HOLD, f"there is no head to stamp: {error}")
    request = (
        stamping.TimestampRequestBuilder().data(note.encode()).nonce(nonce=True).cert_request(cert_request=True).build()
    )
    try:
        reply = asyncio.run(_asked(tsa, request.as_bytes()))
        answer = stamping.decode_timestamp_response(reply)
    except (OSError, TimeoutError, ValueError) as error:
        fail(DOES_NOT_HOLD, f"the authority did not stamp it: {error or type(error).__name__}")
    info = answer.tst_info
    if (
        answer.status != 0
        or info.message_imprint.message != request.message_imprint.message
        or info.nonce != request.nonce
    ):
        fail(DOES_NOT_HOLD, "the authority answered, and not to what was asked")
    _write(to, note.encode())
    _write(_beside(to), reply)
    return {
        "note": str(to),
        "token": str(_beside(to)),
        "at": info.gen_time.isoformat(),
        "size": int(note.split("\n")[1]),
    }


def checked(note_file: Path, root: Path, public_key: bytes | None) -> dict[str, Any]:
    """That the token beside a note stamps exactly it, under a root that the reader trusts. Ends the command where it does not."""
    from cryptography import x509

    stamping = _library()
    note, reply, pem = (_read(each) for each in (note_file, _beside(note_file), root))
    try:
        answer = stamping.decode_timestamp_response(reply)
        builder = stamping.VerifierBuilder()
        for certificate in x509.load_pem_x509_certificates(pem):
            builder = builder.add_root_certificate(certificate)
        builder.build().verify_message(answer, note)
        size = opened(note.decode(), public_key).head.size if public_key is not None else int(note.split(b"\n")[1])
    except (stamping.VerificationError, ForgedError, ValueError, IndexError) as error:
        fail(DOES_NOT_HOLD, f"DOES NOT HOLD: {error}")
    return {
        "holds": True,
        "at": answer.tst_info.gen_time.isoformat(),
        "size": size,
        "pinned": public_key is not None,
    }


async def _note(here: "Settings", tenant: str) -> str:
    from gateway.compose import house

    async with house(here) as made:
        return (await made.sealer.seal(await tenant_of(made, tenant))).note()


async def _asked(tsa: str, query: bytes) -> bytes:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(tsa, data=query, headers={"Content-Type": QUERY}, allow_redirects=False) as answer,
        ):
            if answer.status != 200 or answer.content_type != REPLY:
                raise ValueError(f"status {answer.status}, {answer.content_type}")
            reply = await answer.content.read(TOKEN_BYTES_MAX + 1)
    except aiohttp.ClientError as error:
        raise ValueError(type(error).__name__) from None
    if len(reply) > TOKEN_BYTES_MAX:
        raise ValueError("the token is too large")
    return reply


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError:
        fail(WRONG_USE, "install the extra: pip install 'tregua[stamping]'")
    return rfc3161_client


def _beside(note: Path) -> Path:
    return note.with_name(note.name + ENDING)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX)
    except OSError as error:
        fail(WRONG_USE, f"{path}: {error.strerror}")


def _write(path: Path, text: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(text)
        aside.replace(path)
    except OSError as error:
        fail(DOES_NOT_HOLD, f"{path}: {error.strerror}")

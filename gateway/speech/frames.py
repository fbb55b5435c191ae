"""The words between the gateway and the process that makes sound: a head in JSON and a body of bytes, each with its length."""

import asyncio
import json
import struct
from typing import Any, BinaryIO, Final

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 17 * 1024 * 1024

_LENGTHS: Final = struct.Struct("!II")


class Broken(Exception):
    """The other side said something that is no frame, or hung up in the middle of one."""


def packed(head: dict[str, Any], body: bytes = b"") -> bytes:
    """One frame. Raises ValueError when it is too long for the other side."""
    told = json.dumps(head, separators=(",", ":")).encode()
    if len(told) > HEAD_BYTES_MAX or len(body) > BODY_BYTES_MAX:
        raise ValueError("too long for a frame")
    return _LENGTHS.pack(len(told), len(body)) + told + body


async def receive(stream: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next frame. Raises Broken."""
    try:
        head_bytes, body_bytes = _lengths(await stream.readexactly(_LENGTHS.size))
        return _head(await stream.readexactly(head_bytes)), await stream.readexactly(body_bytes)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise Broken("hung up") from error


def receive_blocking(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, or None when the other side has hung up between two. Raises Broken."""
    lengths = stream.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise Broken("hung up")
    head_bytes, body_bytes = _lengths(lengths)
    head, body = stream.read(head_bytes), stream.read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        raise Broken("hung up")
    return _head(head), body


def _lengths(raw: bytes) -> tuple[int, int]:
    head_bytes, body_bytes = _LENGTHS.unpack(raw)
    if head_bytes > HEAD_BYTES_MAX or body_bytes > BODY_BYTES_MAX:
        raise Broken("no frame")
    return head_bytes, body_bytes


def _head(raw: bytes) -> dict[str, Any]:
    try:
        head = json.loads(raw)
    except ValueError as error:
        raise Broken("no frame") from error
    if not isinstance(head, dict):
        raise Broken("no frame")
    return head

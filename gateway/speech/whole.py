"""Whether an audio file came to its end: decoders play half a file without a word, and half a message says something else.

Ogg: RFC 3533 section 6 (pages, and a flag on the last one). WAV: the lengths of RIFF's chunks. MP3 has no end; where an
encoder wrote how many bytes it made (Xing's and LAME's "Info" frame), that is compared.
"""

import struct
from typing import Final

_OGG_HEAD_BYTES: Final = 27
_OGG_LAST: Final = 0x04
#: What programs that cannot seek back write as a length: unknown.
_RIFF_UNKNOWN: Final = frozenset({0, 0xFFFFFFFF})
_MP3_HEAD_MAX: Final = 4096


def is_whole(audio: bytes, kind: str) -> bool:
    """Whether nothing is missing at the end, as far as the format lets us know."""
    return _CHECKS[kind](audio)


def _ogg(audio: bytes) -> bool:
    at, last = 0, 0
    while at < len(audio):
        if audio[at : at + 4] != b"OggS" or len(audio) < at + _OGG_HEAD_BYTES:
            return False
        last, segments = audio[at + 5], audio[at + 26]
        table = audio[at + _OGG_HEAD_BYTES : at + _OGG_HEAD_BYTES + segments]
        at += _OGG_HEAD_BYTES + segments + sum(table)
        if len(table) < segments:
            return False
    return at == len(audio) and bool(last & _OGG_LAST)


def _wav(audio: bytes) -> bool:
    at = 12
    while at + 8 <= len(audio):
        name, size = audio[at : at + 4], struct.unpack_from("<I", audio, at + 4)[0]
        if name == b"data":
            return size in _RIFF_UNKNOWN or at + 8 + size <= len(audio)
        at += 8 + size + size % 2
    return False


def _mp3(audio: bytes) -> bool:
    at = 0
    if audio[:3] == b"ID3" and len(audio) >= 10:
        # Sizes of tags are written in bytes of seven bits (ID3v2.4 section 6.2).
        at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(audio[6:10], (21, 14, 7, 0), strict=True))
    head = audio[at : at + _MP3_HEAD_MAX]
    mark = max(head.find(b"Xing", 0, 64), head.find(b"Info", 0, 64))
    if mark < 0 or len(head) < mark + 16:
        return True
    flags = struct.unpack_from(">I", head, mark + 4)[0]
    if not flags & 2:
        return True
    told = struct.unpack_from(">I", head, mark + 8 + (4 if flags & 1 else 0))[0]
    return bool(len(audio) - at >= told)


_CHECKS: Final = {"audio/ogg": _ogg, "audio/wav": _wav, "audio/mpeg": _mp3}

"""The mail addresses and identifiers that name an attempt and cannot be made up, so that what comes back is known to be ours."""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

#: Bytes of the tag: 120 bits, the most that fits. RFC 5321 section 4.5.3.1.1 allows 64 octets before the ``@``:
#: ``bounce+``, 32 hexadecimal digits, a point and 24 letters of base 32 are exactly those.
MAC_BYTES: Final = 15
LOCAL_PART_OCTETS_MAX: Final = 64

# The secret signs other things too; this prefix keeps a mark of one kind from being taken for another.
_PURPOSE: Final = b"tregua mail mark v1\x00"
_MARKED: Final = re.compile(r"([0-9a-f]{32})\.([a-z2-7]{24})", re.ASCII)
#: How many identifiers of one ``References`` are looked at, latest first: each costs a tag.
IDENTIFIERS_MAX: Final = 100
HEADER_CHARACTERS_MAX: Final = 20_000


class Box(StrEnum):
    """What a marked address is for."""

    BOUNCE = "bounce"
    REPLY = "reply"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Makes and reads marked addresses below one domain."""

    domain: str
    secret: bytes = field(repr=False)

    def address(self, box: Box, attempt: UUID) -> str:
        """``bounce+<attempt>.<mac>@domain`` and its like. Lower case throughout, for some hosts change case."""
        return f"{box.value}+{self._mark(attempt)}@{self.domain}"

    def message_id(self, attempt: UUID) -> str:
        """The ``Message-ID`` of one attempt (RFC 5322 section 3.6.4), with its angle brackets."""
        return f"<{self._mark(attempt)}@{self.domain}>"

    def named_by(self, address: str) -> tuple[Box, UUID] | None:
        """What a marked address is for, and which attempt it names; None when the mark is not ours."""
        local, _, domain = address.lower().rpartition("@")
        word, _, mark = local.partition("+")
        if domain != self.domain or word not in set(Box):
            return None
        attempt = self._attempt(mark)
        return None if attempt is None else (Box(word), attempt)

    def named_in(self, header: str) -> UUID | None:
        """The attempt that an identifier in ``In-Reply-To``, ``References`` or ``Message-ID`` names, the last one first."""
        found = re.findall(r"<([^<>@\s]{1,100})@([^<>@\s]{1,255})>", header[-HEADER_CHARACTERS_MAX:])
        for local, domain in reversed(found[-IDENTIFIERS_MAX:]):
            if domain.lower() == self.domain and (attempt := self._attempt(local.lower())) is not None:
                return attempt
        return None

    def variables(self, attempt: UUID) -> Mapping[str, str]:
        """What a template of an address may name: ``{attempt}`` and ``{mark}``."""
        digits, _, tag = self._mark(attempt).partition(".")
        return {"attempt": digits, "mark": tag}

    def named(self, attempt: str, tag: str) -> UUID | None:
        """The attempt behind the two ``variables``; None when the mark is not ours."""
        return self._attempt(f"{attempt}.{tag}")

    def _mark(self, attempt: UUID) -> str:
        assert self.secret, "an empty secret signs nothing"
        tag = hmac.new(self.secret, _PURPOSE + self.domain.encode() + b"\x00" + attempt.bytes, hashlib.sha256).digest()
        return f"{attempt.hex}.{b32encode(tag[:MAC_BYTES]).decode('ascii').lower()}"

    def _attempt(self, mark: str) -> UUID | None:
        match = _MARKED.fullmatch(mark)
        if match is None:
            return None
        attempt = UUID(hex=match[1])
        return attempt if hmac.compare_digest(self._mark(attempt), mark) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOffice:
    """Where mail comes in for one way out: the address to listen at, the protocol spoken there, and who lives there.

    ``also``: addresses without a mark that are taken too, in lower case: the one that people see, and the one that complaints go to.
    """

    host: str
    port: int
    lmtp: bool
    marks: Marks
    also: frozenset[str] = field(repr=False)


@runtime_checkable
class ReceivesMail(Protocol):
    """A way out that also has a door for mail."""

    @property
    def post_office(self) -> PostOffice | None:
        """Where mail comes in; None when it is not configured."""
        ...

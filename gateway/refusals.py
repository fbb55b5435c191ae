"""Why the gateway says no to a caller: each an exception that the HTTP surface turns into a documented problem."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, and where: a JSON Pointer (RFC 6901) into the body and a sentence."""

    pointer: str
    detail: str


class Refused(Exception):
    """Readable, but wrong: nothing was stored."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__(", ".join(flaw.pointer for flaw in flaws))
        self.flaws = tuple(flaws)


class KeyReused(Exception):
    """The idempotency key stands for another body."""


class KeyInWork(Exception):
    """The idempotency key is being worked on right now."""


class Gone(Exception):
    """What the key stands for was erased."""


class NotThere(Exception):
    """There is no such thing, or it is another tenant's."""


class TooLate(Exception):
    """The message has left, or has ended otherwise."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status

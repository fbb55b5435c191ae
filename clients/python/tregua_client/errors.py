"""What may go wrong, as the gateway says it: RFC 9457 problems with a stable type and a pointer to each wrong field."""

from dataclasses import dataclass
from typing import Any

import httpx


class GatewayError(Exception):
    """Whatever the client raises by itself. Transport errors are httpx's own."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One wrong field: a JSON Pointer (RFC 6901) and a sentence."""

    pointer: str
    detail: str


class Problem(GatewayError):
    """An answer that is no good one. ``type`` is stable and has a page at the gateway; ``instance`` is the request's id."""

    def __init__(
        self,
        status: int,
        type_: str,
        title: str,
        detail: str,
        instance: str,
        flaws: tuple[Flaw, ...],
        document: dict[str, Any],
    ) -> None:
        said = "; ".join(f"{flaw.pointer}: {flaw.detail}".removeprefix(": ") for flaw in flaws)
        super().__init__(f"{status} {title}: {said or detail}")
        self.status = status
        self.type = type_
        self.title = title
        self.detail = detail
        self.instance = instance
        self.flaws = flaws
        self.document = document

    @classmethod
    def of(cls, response: httpx.Response) -> "Problem":
        """What an answer says is wrong; one that is no problem document keeps its status."""
        try:
            document = response.json()
        except ValueError:
            document = {}
        if not isinstance(document, dict):
            document = {}
        flaws = tuple(
            Flaw(str(each.get("pointer", "")), str(each.get("detail", "")))
            for each in document.get("errors", ())
            if isinstance(each, dict)
        )
        return cls(
            response.status_code,
            str(document.get("type", "about:blank")),
            str(document.get("title", response.reason_phrase)),
            str(document.get("detail", "")),
            str(document.get("instance", "")),
            flaws,
            document,
        )

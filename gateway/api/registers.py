"""Do-not-contact registers over HTTP: read in as CSV of any size, listed, and shown in versions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.problems import Problem, Slug
from gateway.api.routes import Call, Route, answer
from gateway.asks import Instant
from gateway.people.registers import Import
from gateway.tenants.keys import Scope

#: Larger files are read by ``tregua registers import``, beside the API and not in it.
REGISTER_BYTES_MAX: Final = 256 * 1024 * 1024
#: Between two pieces of a body.
PIECE_SECONDS_MAX: Final = 30.0
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,63}(?![\s\S])"

Name = Annotated[str, Meta(pattern=NAME)]

CallingCode = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,2}(?![\s\S])", description="For numbers without a plus sign: `57`.")
]


class ReadQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a file is read. ``as_of``: how old the list is. ``force`` takes a file by which most of the register would go."""

    mode: Annotated[Literal["replace", "add"], Meta(description="In place of what stands, or beside it.")] = "replace"
    as_of: Instant | None = None
    calling_code: CallingCode | None = None
    force: Annotated[
        Literal["true", "false"], Meta(description="Take a file by which most of the register would go.")
    ] = "false"


class BadLineShown(Struct, frozen=True):
    """A line that was passed over."""

    line: int
    why: str


class RegisterReport(Struct, frozen=True):
    """What was read: lines of the file; entries in force from now on, how many are new and how many are gone."""

    register: str
    version: int
    as_of: datetime
    lines: int
    entries: int
    new: int
    gone: int
    bad: int
    errors: Annotated[list[BadLineShown], Meta(description="The first of the bad lines.")]
    sha256: str
    mode: Literal["replace", "add"]
    asked_by: Annotated[list[str], Meta(description="Rules that ask this register; empty: none does.")]
    decided_again: Annotated[int, Meta(description="Waiting messages to people who stand on it.")]


class RegisterShown(Struct, frozen=True):
    """A register and its version in force."""

    register: str
    version: int | None
    as_of: datetime | None
    read_at: datetime | None
    entries: int
    asked_by: list[str]


class RegistersShown(Struct, frozen=True):
    """All of them."""

    items: list[RegisterShown]


class RegisterVersionShown(Struct, frozen=True):
    """One version of a register, and what was said of it."""

    register: str
    version: int
    state: Literal["reading", "in_force", "past", "given_up"]
    as_of: datetime
    begun_at: datetime
    ended_at: datetime | None
    report: dict[str, Any]


class RegisterVersionsShown(Struct, frozen=True):
    """The last versions, newest first."""

    items: list[RegisterVersionShown]


async def read_in(call: Call) -> web.StreamResponse:
    """Read a register; its report once it is in force."""
    request, query = call.request, call.query
    if request.headers.get("Content-Encoding"):
        raise Problem(Slug.CONTENT_ENCODING, "Send the file as it is, without Content-Encoding.")
    if request.content_type != "text/csv":
        raise Problem(Slug.MEDIA_TYPE, "Send text/csv.")
    if (request.content_length or 0) > REGISTER_BYTES_MAX:
        raise Problem(Slug.BODY_TOO_LARGE, f"A register is at most {REGISTER_BYTES_MAX} bytes here.")
    what = Import(
        name=call.path_as("name", Name),
        as_of=query.as_of,
        calling_code=query.calling_code,
        add=query.mode == "add",
        force=query.force == "true",
    )
    return answer(await call.desk.registers.read(call.tenant, what, _pieces(request)), 201)


async def show_all(call: Call) -> web.StreamResponse:
    """Every register of the tenant's."""
    return answer({"items": await call.desk.registers.listed(call.tenant)})


async def show_versions(call: Call) -> web.StreamResponse:
    """The versions of one."""
    return answer({"items": await call.desk.registers.versions(call.tenant, call.path_as("name", Name))})


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    size = 0
    pieces = request.content.iter_any()
    while True:
        try:
            async with asyncio.timeout(PIECE_SECONDS_MAX):
                piece = await anext(pieces, b"")
        except TimeoutError:
            raise Problem(Slug.BODY_TOO_SLOW, f"A piece comes within {PIECE_SECONDS_MAX:.0f} seconds.") from None
        if not piece:
            return
        size += len(piece)
        if size > REGISTER_BYTES_MAX:
            raise Problem(Slug.BODY_TOO_LARGE, f"A register is at most {REGISTER_BYTES_MAX} bytes here.")
        yield piece


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/registers/{name}/versions",
        handler=read_in,
        name="readRegister",
        tag="Registers",
        summary="Read a do-not-contact register",
        description="A CSV in UTF-8, with a heading (`number` or `email`; `channel`, `since`) or numbers alone. The whole file is "
        "read before any of it is in force; a line that holds no address is passed over and told of. What waits for somebody who "
        "stands on the register now is decided again at once. Only keyed digests are kept. Names that begin with `house:` are a "
        "house's own lists, and are asked before every contact.",
        scope=Scope.ADMIN,
        query=ReadQuery,
        bytes_of=("text/csv",),
        answers={201: RegisterReport},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/registers",
        handler=show_all,
        name="showRegisters",
        tag="Registers",
        summary="Show the registers, their age and who asks them",
        scope=Scope.READ,
        answers={200: RegistersShown},
    ),
    Route(
        method="GET",
        path="/v1/registers/{name}/versions",
        handler=show_versions,
        name="showRegisterVersions",
        tag="Registers",
        summary="Show the versions of a register, newest first",
        scope=Scope.READ,
        answers={200: RegisterVersionsShown},
        problems=(Slug.NOT_FOUND,),
    ),
)

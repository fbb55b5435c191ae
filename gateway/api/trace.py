"""The trace: pages of it, all of it as an export that proves itself, and its signed head."""

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.api.cursors import cursor, place
from gateway.api.messages import MESSAGE_ID
from gateway.api.problems import Problem, Slug
from gateway.api.requests import REQUEST_ID, dress
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import CosignedShown, GrowthShown, HeadShown, InclusionShown, ListOf, TraceEntry
from gateway.asks import Id
from gateway.audit.proofs import NoSuchTree
from gateway.audit.witnesses import Cosigned
from gateway.exports import lines, prepared
from gateway.refusals import Flaw
from gateway.seal import Broken
from gateway.tenants.keys import Scope
from storage import chain, people
from storage.chain import TraceRow
from storage.database import Connection
from tracelog.entry import instant, read_header
from tracelog.head import NOTE_BYTES_MAX, verifier_key
from tracelog.witness import verifier_key as witness_verifier_key
from vocabulary.ids import parsed, shown

#: How long a reader may take for what was handed to it before the export is cut.
WRITE_SECONDS_MAX: Final = 30.0

#: More entries than any JSON number tells apart.
INDEX_MAX: Final = 2**53 - 1


class TraceQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which entries: of one contact, one message, one kind."""

    contact: Id | None = None
    message: Annotated[str, Meta(pattern=MESSAGE_ID)] | None = None
    kind: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z_]+(?![\s\S])")] | None = None


async def listed(call: Call) -> web.StreamResponse:
    """A page of entries, in index order."""
    query: TraceQuery = call.query
    after = place(query.cursor, int)
    message = parsed("msg", query.message) if query.message is not None else None

    async def read(connection: Connection) -> list[TraceRow]:
        subject = None
        if query.contact is not None:
            key = (call.tenant, query.contact)
            contact = (await people.contacts(connection, [key])).get(key)
            if contact is None:
                return []
            subject = contact.subject
        return await chain.page(
            connection,
            call.tenant,
            subject=subject,
            message=message,
            kind=query.kind,
            after=after[0] if after else -1,
            limit=query.limit + 1,
        )

    found = await call.desk.database.read(read)
    items = found[: query.limit]
    more = len(found) > query.limit
    return answer({"items": [_entry(row) for row in items], "next": cursor(items[-1].idx) if more else None})


async def head(call: Call) -> web.StreamResponse:
    """The head over everything committed so far."""
    signed = await call.desk.sealer.seal(call.tenant)
    return answer(
        {
            "origin": signed.head.origin,
            "size": signed.head.size,
            "root": signed.head.root.hex(),
            "key_id": signed.key_id.hex(),
            "public_key": signed.public_key.hex(),
            "verifier_key": verifier_key(signed.head.origin, signed.public_key),
            "signature": signed.signature.hex(),
            "note": signed.note(),
        }
    )


class ProofQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which entry, in the trace of how many; all that is sealed when `size` is left out."""

    index: Annotated[int, Meta(ge=0, le=INDEX_MAX, description="The entry's index, from 0.")]
    size: Annotated[int, Meta(ge=1, le=INDEX_MAX)] | None = None


class GrowthQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """From which size to which."""

    from_: Annotated[int, Meta(ge=0, le=INDEX_MAX)]
    to: Annotated[int, Meta(ge=0, le=INDEX_MAX)] | None = None


async def proof(call: Call) -> web.StreamResponse:
    """That an entry stands in the trace."""
    query: ProofQuery = call.query
    try:
        found = await call.desk.prover.inclusion(call.tenant, query.index, query.size)
    except NoSuchTree as error:
        raise Problem(Slug.INVALID, flaws=[Flaw("/index", str(error))], inside="query") from None
    assert found.leaf is not None
    return answer(
        {
            "index": query.index,
            "size": found.size,
            "leaf": found.leaf.hex(),
            "hashes": [each.hex() for each in found.hashes],
        }
    )


async def growth(call: Call) -> web.StreamResponse:
    """That the trace only grew."""
    query: GrowthQuery = call.query
    try:
        found = await call.desk.prover.consistency(call.tenant, query.from_, query.to)
    except NoSuchTree as error:
        raise Problem(Slug.INVALID, flaws=[Flaw("/from", str(error))], inside="query") from None
    return answer({"from": query.from_, "to": found.size, "hashes": [each.hex() for each in found.hashes]})


class CosignatureAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a witness hands in: a signed note of ours with her line in it, and the key by which others know her."""

    note: Annotated[str, Meta(min_length=1, max_length=NOTE_BYTES_MAX)]
    witness: Annotated[str, Meta(min_length=1, max_length=256, description="`name+hash+base64`, a C2SP verifier key.")]


class SizeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which head; the largest that a witness signed under when `size` is left out."""

    size: Annotated[int, Meta(ge=0, le=INDEX_MAX)] | None = None


async def cosigned(call: Call) -> web.StreamResponse:
    """A head with what witnesses signed under it."""
    query: SizeQuery = call.query
    found = await call.desk.witnesses.under(call.tenant, query.size)
    if found is None:
        raise Problem(Slug.NOT_FOUND)
    return answer(_cosigned(found))


async def cosign(call: Call) -> web.StreamResponse:
    """Keep what a witness signed."""
    asked: CosignatureAsk = call.body
    found = await call.desk.witnesses.take(call.tenant, asked.note, asked.witness)
    if isinstance(found, Flaw):
        raise Problem(Slug.INVALID, flaws=[found])
    return answer(_cosigned(found))


def _cosigned(found: Cosigned) -> dict[str, Any]:
    return {
        "size": found.size,
        "note": found.note,
        "witnesses": [
            {
                "name": each.name,
                "verifier_key": witness_verifier_key(each.name, each.public_key),
                "at": instant(each.at),
            }
            for each in found.witnesses
        ],
    }


async def export(call: Call) -> web.StreamResponse:
    """Every entry on a line, the signed head last."""
    export_ = await prepared(call.desk.database, call.desk.sealer, call.tenant)
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson",
            "Content-Disposition": f'attachment; filename="trace-{call.tenant}-{export_.head.head.size}.ndjson"',
        }
    )
    dress(response, call.request[REQUEST_ID])
    await response.prepare(call.request)
    try:
        async for piece in lines(call.desk.database, call.desk.sealer, export_):
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await response.write(piece)
        await response.write_eof()
    except BaseException:
        # The status has gone out: what is left to say is that this is not the end. No last line, no closing chunk.
        if call.request.transport is not None:
            call.request.transport.abort()
        raise
    return response


def _entry(row: TraceRow) -> dict[str, Any]:
    return {
        "index": row.idx,
        "kind": row.kind,
        "at": row.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "subject": _hex(row.subject),
        "message": None if row.message is None else shown("msg", row.message),
        "facts": _facts(row),
        "leaf": row.leaf.hex(),
        "payload_digest": None if row.payload_digest is None else row.payload_digest.hex(),
        "payload": "none" if row.payload_digest is None else "erased" if row.ciphertext is None else "kept",
    }


def _facts(row: TraceRow) -> dict[str, Any]:
    try:
        return read_header(row.header).facts
    except ValueError:
        raise Broken(f"entry {row.idx} was changed") from None


def _hex(identity: UUID | None) -> str | None:
    return None if identity is None else identity.hex


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/trace",
        handler=listed,
        name="listTrace",
        tag="Trace",
        summary="List entries of the trace, in index order",
        scope=Scope.AUDIT,
        query=TraceQuery,
        answers={200: ListOf[TraceEntry]},
        problems=(Slug.TRACE_BROKEN,),
    ),
    Route(
        method="GET",
        path="/v1/trace/export",
        handler=export,
        name="exportTrace",
        tag="Trace",
        summary="Take the whole trace out",
        description="Seals first; then one entry a line in index order, and last the signed head, which covers exactly what stands "
        "above it. `tregua trace verify FILE` checks it offline. A connection that breaks before that line is no export.",
        scope=Scope.AUDIT,
        answers={200: str},
        media_type="application/x-ndjson",
        problems=(Slug.TRACE_BROKEN,),
    ),
    Route(
        method="GET",
        path="/v1/trace/head",
        handler=head,
        name="showTraceHead",
        tag="Trace",
        summary="Show the signed head",
        description="Seals what was committed so far, and answers the head over all of it.",
        scope=Scope.AUDIT,
        answers={200: HeadShown},
        problems=(Slug.TRACE_BROKEN,),
    ),
    Route(
        method="GET",
        path="/v1/trace/proof",
        handler=proof,
        name="proveEntry",
        tag="Trace",
        summary="Prove that an entry stands in the trace",
        description="The audit path of RFC 9162 §2.1.3, nearest hash first: with the leaf it makes the root of the signed head.",
        scope=Scope.AUDIT,
        query=ProofQuery,
        answers={200: InclusionShown},
        problems=(Slug.TRACE_BROKEN,),
    ),
    Route(
        method="GET",
        path="/v1/trace/consistency",
        handler=growth,
        name="proveGrowth",
        tag="Trace",
        summary="Prove that the trace only grew",
        description="The consistency proof of RFC 9162 §2.1.4 from one size to another: what `tregua trace witness` asks for.",
        scope=Scope.AUDIT,
        query=GrowthQuery,
        answers={200: GrowthShown},
        problems=(Slug.TRACE_BROKEN,),
    ),
    Route(
        method="GET",
        path="/v1/trace/cosignatures",
        handler=cosigned,
        name="showCosignatures",
        tag="Trace",
        summary="Show a signed head with what witnesses signed under it",
        description="The whole signed note, their lines (c2sp.org/tlog-cosignature) behind ours, for whoever trusts one of them.",
        scope=Scope.AUDIT,
        query=SizeQuery,
        answers={200: CosignedShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/trace/cosignatures",
        handler=cosign,
        name="handInCosignature",
        tag="Trace",
        summary="Hand in what a witness signed under a head",
        description="Checked and kept, once for each witness and head; a name stays with the key that it was met with first. "
        "`tregua trace witness` does so at each run.",
        scope=Scope.AUDIT,
        body=CosignatureAsk,
        example={
            "note": "tregua/acme\n42\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n"
            "— tregua/acme glTDKcqXgRLKG73K+sIxs5oj3E2nhu/4FHxOcrmAd4Wv7ki7PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=\n"
            "— notary.example UOch5AAAAABqGKUALn0sA6lQeuJl7PW1NWiFpTOTogKdJBOUmXJloaJa78YYrD5zQ/AWiQxRDpP5NSYRadnj9WVDZCmDD68JNPT45A==\n",
            "witness": "notary.example+50e721e4+BAAX3qd3D37P96s8IFBlRhKelr3rovVEu45UFOt5eGEi",
        },
        answers={200: CosignedShown},
    ),
)

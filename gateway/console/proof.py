"""One entry of the trace and the proof that it stands there: hashes that anybody can check with the public key alone."""

import json
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from gateway.audit.proofs import NoSuchTree
from gateway.console.site import Page, Visit
from gateway.refusals import NotThere
from gateway.tenants.keys import Scope
from pages.console.render import HEADERS
from storage import console
from storage.database import Connection
from tracelog.entry import leaf_hash, read_header
from tracelog.tree import includes
from vocabulary.ids import parsed, shown

#: Entries of one person that are looked through for one that tells of an event.
ENTRIES_MAX: Final = 500


async def show(visit: Visit) -> web.StreamResponse:
    """The entry, its proof, and whether the proof holds against the signed head: checked here, as anybody can."""
    found = await _proved(visit, _number(visit.request.match_info["index"]))
    _, zone = await visit.now()
    return visit.page("proof", title="proof_title", at="/chain", zone=zone, **found)


async def file(visit: Visit) -> web.StreamResponse:
    """The same as a file to be checked elsewhere."""
    found = await _proved(visit, _number(visit.request.match_info["index"]))
    document = {
        "index": found["index"],
        "size": found["size"],
        "header": found["header"],
        "payload_digest": found["payload_digest"],
        "leaf": found["leaf"],
        "hashes": found["hashes"],
        "note": found["note"],
    }
    name = f"tregua-entry-{found['index']}.json"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    body = json.dumps(document, ensure_ascii=False, indent=1).encode()
    return web.Response(body=body, content_type="application/json", headers=headers)


async def of_event(visit: Visit) -> web.StreamResponse:
    """The entry that tells of an event which counted."""
    event = parsed("evt", visit.request.match_info["event"])
    if event is None:
        raise NotThere
    index: int | None = await visit.read(lambda connection: _index_of(connection, visit.tenant, event))
    if index is None:
        raise NotThere
    return visit.back(f"/proof/{index}")


async def _index_of(connection: Connection, tenant: str, event: UUID) -> int | None:
    found = await console.behind_event(connection, tenant, event)
    if found is None:
        return None
    attempt, message, subject = found
    if message is not None:
        entries = await console.entries_of_message(connection, tenant, message)
    else:
        entries = await console.entries_of_subject(connection, tenant, subject, ENTRIES_MAX)
    for entry in entries:
        if entry.kind in ("reserved", "event", "reply"):
            facts = read_header(entry.header).facts
            if facts.get("event") == event.hex or (attempt is not None and facts.get("attempt") == attempt.hex):
                return entry.idx
    return None


async def _proved(visit: Visit, index: int) -> dict[str, Any]:
    entry = await visit.read(lambda connection: console.entry(connection, visit.tenant, index))
    if entry is None:
        raise NotThere
    head = await visit.rooms.sealer.seal(visit.tenant)
    try:
        proof = await visit.rooms.prover.inclusion(visit.tenant, index, head.head.size)
    except NoSuchTree:
        raise NotThere from None
    digest = entry["payload_digest"]
    leaf = leaf_hash(entry["header"], digest)
    header = read_header(entry["header"])
    return {
        "index": index,
        "kind": entry["kind"],
        "happened": entry["at"],
        "message": None if entry["message"] is None else shown("msg", entry["message"]),
        "subject": header.subject,
        "header": entry["header"].decode("utf-8"),
        "facts": json.dumps(header.facts, ensure_ascii=False, indent=2, sort_keys=True),
        "payload_digest": None if digest is None else digest.hex(),
        "leaf": leaf.hex(),
        "size": head.head.size,
        "root_of": head.head.root.hex(),
        "hashes": [each.hex() for each in proof.hashes],
        "note": head.note(),
        "holds": includes(leaf, index, proof.size, proof.hashes, head.head.root),
    }


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise NotThere
    return int(text)


PAGES: Final = (
    Page(method="GET", path="/proof/{index}", show=show, scope=Scope.AUDIT),
    Page(method="GET", path="/proof/{index}/file.json", show=file, scope=Scope.AUDIT),
    Page(method="GET", path="/proof/of/{event}", show=of_event, scope=Scope.AUDIT),
)

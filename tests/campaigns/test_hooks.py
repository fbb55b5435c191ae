"""C8: hooks that no provider sent, and hooks that it sent already."""

import asyncio
import importlib
import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.signing import status_url
from tests.adapters.test_every_adapter import ADAPTERS, ATTEMPT, MARK_SECRET, PUBLIC_URL
from tests.campaigns.tally import counted
from tests.gateway.town import PROVIDER, Town, message
from tests.sizes import FORGERIES, REPLAYS, hangs_after, seed

SEED = seed(20261108)

Change = Callable[[random.Random, Hook, str, Hook], Hook]


def _bit(chance: random.Random, of: bytes) -> bytes:
    changed = bytearray(of or b"\x00")
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _bit_in_body(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    return replace(hook, body=_bit(chance, hook.body))


def _bit_in_path(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    path = hook.url.removeprefix(PUBLIC_URL)
    return replace(hook, url=PUBLIC_URL + _bit(chance, path.encode()).decode("latin-1"))


def _bit_in_signature(chance: random.Random, hook: Hook, name: str, _other: Hook) -> Hook:
    return replace(hook, headers={**hook.headers, name: _bit(chance, hook.headers[name].encode()).decode("latin-1")})


def _fields_in_another_order(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    fields = hook.body.split(b"&")
    chance.shuffle(fields)
    return replace(hook, body=b"&".join(fields))


def _a_field_twice(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    field = chance.choice(hook.body.split(b"&"))
    return replace(hook, body=hook.body + b"&" + field.partition(b"=")[0] + b"=" + chance.randbytes(3).hex().encode())


def _another_encoding(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    text = hook.body.decode("utf-8", "replace")
    return replace(hook, body=text.encode(chance.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"]), "replace"))


def _another_type(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    kind = chance.choice(["application/json", "text/plain", "multipart/form-data; boundary=x", "application/xml"])
    headers = {key: value for key, value in hook.headers.items() if key.lower() != "content-type"}
    return replace(hook, headers={**headers, "Content-Type": kind}, body=hook.body + b" ")


def _no_signature(_chance: random.Random, hook: Hook, name: str, _other: Hook) -> Hook:
    return replace(hook, headers={key: value for key, value in hook.headers.items() if key != name})


def _made_up_signature(chance: random.Random, hook: Hook, name: str, _other: Hook) -> Hook:
    made = chance.choice(["", "sha256=", "0" * 64, "sha256=" + chance.randbytes(32).hex(), chance.randbytes(20).hex()])
    return replace(hook, headers={**hook.headers, name: made})


def _anothers_key(_chance: random.Random, hook: Hook, _name: str, other: Hook) -> Hook:
    return replace(hook, headers={**hook.headers, **other.headers})


def _mark_of_another_attempt(chance: random.Random, hook: Hook, _name: str, _other: Hook) -> Hook:
    return replace(hook, url=hook.url.replace(ATTEMPT.hex, UUID(int=chance.getrandbits(128)).hex) + "x")


CHANGES: tuple[Change, ...] = (
    _bit_in_body,
    _bit_in_path,
    _bit_in_signature,
    _fields_in_another_order,
    _a_field_twice,
    _another_encoding,
    _another_type,
    _no_signature,
    _made_up_signature,
    _anothers_key,
    _mark_of_another_attempt,
)


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
@pytest.mark.parametrize(("name", "spec"), ADAPTERS, ids=[name for name, _ in ADAPTERS])
async def test_forged_hooks_of_every_provider(name: str, spec: Any) -> None:
    demands = importlib.import_module(f"tests.{name}_demands").DEMANDS
    adapter = spec.build("way-one", demands.table("http://127.0.0.1:1"), MARK_SECRET)
    chance = random.Random(f"{SEED} {name}")
    marked = status_url(PUBLIC_URL, "way-one", MARK_SECRET, ATTEMPT)
    genuine = [demands.inbound_hook(f"{PUBLIC_URL}/hooks/way-one/inbound", "hola")]
    if demands.reports:
        genuine.append(demands.status_hook(marked, next(iter(demands.statuses))))
    # The same words signed by somebody else's table.
    others = [importlib.import_module(f"tests.{one}_demands").DEMANDS for one, _ in ADAPTERS if one != name]
    strangers = [one.inbound_hook(f"{PUBLIC_URL}/hooks/way-one/inbound", "hola") for one in others]
    with counted("C8", f"forged hooks of {name.removeprefix('adapters.')}", seed=SEED) as tally:
        told = [adapter.read(hook) for hook in genuine]
        for turn in itertools.count():
            if tally.trials == FORGERIES:
                break
            assert turn < 20 * FORGERIES, "hardly anything is forged"
            place = chance.randrange(len(genuine))
            change = CHANGES[turn % len(CHANGES)]
            hook = change(chance, genuine[place], demands.signature_header, chance.choice(strangers))
            if hook == genuine[place]:
                continue
            try:
                found = adapter.read(hook)
            except Forged:
                tally.trials += 1
                tally.faults[change.__name__.strip("_").replace("_", " ")] += 1
                continue
            except Unreadable:
                found = None
            # Who shows a secret with each call signs no body: whoever has it may say anything, and our marks still hold.
            if "body" not in demands.signs and change not in (_no_signature, _made_up_signature, _bit_in_signature):
                continue
            tally.trials += 1
            tally.hold(found == told[place], f"{change.__name__} was believed")
    await adapter.close()


@pytest.mark.campaign
async def test_a_genuine_hook_played_again_changes_nothing(quiet: Town) -> None:
    """Her words and the carrier's, sent again exactly as they were, in any order, many times."""
    chance = random.Random(SEED)
    seen: list[tuple[str, dict[str, str], bytes]] = []
    quiet.start_worker()
    hooks = await _listening(quiet, seen)
    answered = await quiet.send(message())
    await quiet.until(answered["id"], "delivered")
    await quiet.reply("hola, ya pagué")
    await hooks()
    assert len(seen) >= 2, seen
    await quiet.stop_workers()
    before = await _calm(quiet)
    with counted("C8", "genuine hooks played again", seed=SEED) as tally:
        for _ in range(REPLAYS):
            path, headers, body = chance.choice(seen)
            async with quiet.session.post(quiet.url + path, data=body, headers=headers) as answer:
                tally.hold(answer.status == 200, f"answered {answer.status}")
            tally.trials += 1
        after = await _stored(quiet)
        tally.hold(after == before, f"changed: {set(after) ^ set(before)}")
    assert PROVIDER in seen[0][0]


async def _listening(found: Town, seen: list[tuple[str, dict[str, str], bytes]]) -> Any:
    """Remember each hook on its way to the adapter; the function that comes back lets go."""
    adapter = found.house.adapters[PROVIDER]
    original = adapter.read

    def read(hook: Hook) -> Any:
        told = original(hook)
        headers = {key: value for key, value in hook.headers.items() if key.lower() not in ("host", "content-length")}
        seen.append((hook.url.removeprefix(found.url), headers, hook.body))
        return told

    adapter.read = read  # type: ignore[method-assign]

    async def let_go() -> None:
        adapter.read = original  # type: ignore[method-assign]

    return let_go


async def _calm(found: Town) -> list[Any]:
    """What stands once the carrier has told everything."""
    before: list[Any] = []
    while (now := await _stored(found)) != before:
        before = now
        await asyncio.sleep(1.0)
    return before


async def _stored(found: Town) -> list[Any]:
    counts = []
    for table in ("message", "attempt", "contact_event", "crm_event", "reply_media"):
        if await found.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'tregua' AND tablename = $1", table):
            counts.append((table, (await found.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"]))
    # That a receipt came again is itself an entry; nothing else is.
    heard = "SELECT count(*) AS n FROM trace WHERE NOT (kind = 'receipt' AND convert_from(header, 'UTF8') LIKE '%\"repeat\":true%')"
    return [*counts, ("trace", (await found.rows(heard))[0]["n"])]

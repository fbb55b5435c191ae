"""C11: whoever owns the database changes its past; the export no longer verifies, and the first bad entry is named."""

import random
from typing import Any

import asyncpg
import pytest

from tests.campaigns.tally import counted
from tests.campaigns.tampering import ALONE_IT_HOLDS, ATTACKS, TABLES, WITH_TRIGGERS, Past, columns
from tests.gateway.test_spine import export
from tests.gateway.town import TENANT, Town, message, number, person
from tests.sizes import TAMPERINGS, hangs_after, seed
from tracelog.export import Broken, Holds, differs, verify

SEED = seed(20261111)
PEOPLE = 12
#: Trials after which what they left in the tables is swept out.
SWEEP = 500


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(7200))
async def test_whoever_owns_the_database_changes_nothing_unseen(quiet: Town) -> None:
    chance = random.Random(SEED)
    quiet.start_worker()
    for n in range(PEOPLE):
        answered = await quiet.send(message(person(f"t{n}", number(n, 320))))
        await quiet.until(answered["id"], "delivered")
        if n % 3 == 0:
            await export(quiet)  # which signs a head over what there is
    await quiet.stop_workers()
    older = await export(quiet)
    key = quiet.house.sealer.signer(TENANT).public_key
    assert isinstance(verify(older, public_key=key), Holds)
    owner = await asyncpg.connect(quiet.database_url, server_settings={"synchronous_commit": "off"})
    try:
        past, back = await _kept(quiet, owner)
        kinds = list(ATTACKS)
        with counted("C11", "history changed by whoever owns the database", seed=SEED, planned=tuple(kinds)) as tally:
            for trial in range(TAMPERINGS):
                if trial % len(kinds) == 0:
                    chance.shuffle(kinds)
                what = kinds[trial % len(kinds)]
                async with owner.transaction():
                    named = await ATTACKS[what](past, chance)
                newer = await export(quiet)
                found = verify(newer, public_key=key)
                if what == ALONE_IT_HOLDS:
                    status, _, _ = await quiet.call("GET", f"/v1/trace/consistency?old={past.size}")
                    tally.hold(isinstance(found, Holds) and status >= 400, f"{what}: {found}, a witness hears {status}")
                else:
                    tally.hold(isinstance(found, Broken), f"{what} at {named}: not found")
                # What one export alone cannot name, an older one does: whichever of the two entries stands first.
                others = (found.index if isinstance(found, Broken) else None, differs(older, newer))
                first = min((each for each in others if each is not None and each < past.size), default=None)
                tally.hold(first == named, f"{what}: {first} named for {named}")
                tally.faults[what] += 1
                tally.trials += 1
                for statement in back:
                    await owner.execute(statement)
                if trial % SWEEP == SWEEP - 1:
                    await owner.execute("VACUUM " + ", ".join(f"tregua.{table}" for table in TABLES))
            tally.hold(await export(quiet) == older, "put back, and it is another")
    finally:
        await owner.close()


async def _kept(town: Town, owner: Any) -> tuple[Past, list[str]]:
    """What stands there, and the statements that put back what is another."""
    back = []
    for table in WITH_TRIGGERS:
        await owner.execute(f"ALTER TABLE tregua.{table} DISABLE TRIGGER ALL")
    for table in TABLES:
        await owner.execute(f"CREATE TABLE public.kept_{table} AS SELECT * FROM tregua.{table}")
        named = ", ".join(await columns(owner, table))
        now, then = (f"SELECT {named} FROM {whose}{table}" for whose in ("tregua.", "public.kept_"))
        back += [
            f"DELETE FROM tregua.{table} WHERE ctid IN (SELECT ctid FROM tregua.{table} t "
            f"WHERE NOT EXISTS (SELECT {named.replace(', ', ', t.').join(['t.', ''])} INTERSECT {then}))",
            f"INSERT INTO tregua.{table} ({named}) ({then} EXCEPT {now})",
        ]
    (size,) = await owner.fetchrow("SELECT count(*) FROM tregua.trace")
    worded = [row[0] for row in await owner.fetch("SELECT idx FROM tregua.trace_payload ORDER BY idx")]
    signed = [row[0] for row in await owner.fetch("SELECT size FROM tregua.signed_head ORDER BY size")]
    past = Past(
        town=town,
        owner=owner,
        size=size,
        worded=tuple(worded),
        signed=tuple(signed),
        columns=", ".join(name for name in await columns(owner, "trace") if name != "idx"),
    )
    return past, back

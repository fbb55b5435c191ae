"""What is kept for a time goes when its time is over, and what nobody owns any more goes too."""

from datetime import timedelta

from gateway.compose import sweeper
from tests.gateway.town import Town, message


async def test_old_keys_and_words_are_forgotten_and_fresh_ones_stay(quiet: Town) -> None:
    await quiet.send(message(), key="fresh")
    await quiet.rows(
        "INSERT INTO idempotency SELECT tenant, 'old', digest, message, clock_timestamp() - $1::interval FROM idempotency",
        timedelta(days=91),
    )
    await quiet.rows(
        "INSERT INTO hook_seen VALUES ('p', 'old', clock_timestamp() - $1::interval), ('p', 'fresh', clock_timestamp())",
        timedelta(days=91),
    )
    await quiet.rows(
        """
        INSERT INTO crm_delivery (endpoint, event, tenant, contact, seq, state, next_at, first_at)
        VALUES (gen_random_uuid(), gen_random_uuid(), 't1', 'ana', 1, 'waiting', now(), now())
        """
    )
    await sweeper(quiet.house).forget()
    assert [row["key"] for row in await quiet.rows("SELECT key FROM idempotency")] == ["fresh"]
    assert [row["key"] for row in await quiet.rows("SELECT key FROM hook_seen")] == ["fresh"]
    assert await quiet.rows("SELECT 1 FROM crm_delivery") == []

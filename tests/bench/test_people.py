"""The people whom a large book is filled with are those of the small one, and what they cost is told a line each."""

from bench import people
from bench.book import BOOK
from bench.people import Among, Cost
from bench.rounds import Ground
from bench.sizes import TUESDAY
from bench.workload import contact_id, debt_id
from storage import history
from storage.people import contacts, debts
from vocabulary.event import Consented, Contacted


async def test_people_made_in_one_statement_are_as_the_house_writes_them(ground: Ground) -> None:
    name = "bench_people_filled"
    await ground.cluster.make(name, like=BOOK)
    async with ground.cluster.connected(name) as connection:
        await people.fill(connection, 3)
        found = []
        for person, debt in ((contact_id(0), debt_id(0)), (people.contact_id(2), people.debt_id(2))):
            key = "bench", person
            row = (await contacts(connection, [key]))[key]
            events = (await history.histories(connection, {key: [a.endpoint for a in row.addresses]}, TUESDAY))[key]
            tie = (await debts(connection, [("bench", debt)]))["bench", debt]
            assert {event.address for event in events if isinstance(event, Contacted | Consented)} == {
                row.addresses[0].endpoint
            }
            found.append(
                (
                    [(type(e), e.at, getattr(e, "outcome", None), getattr(e, "state", None)) for e in events],
                    [len(getattr(e, "debts", None) or ()) for e in events],
                    [(a.channel, a.kind, a.source, a.address[:6], len(a.address)) for a in row.addresses],
                    (row.role, row.locale, row.jurisdictions, row.zones, len(row.key)),
                    (tie.creditor, [role for _, role in tie.contacts or ()]),
                )
            )
    await ground.cluster.drop(name)
    assert found[0] == found[1]


def test_each_book_is_two_lines() -> None:
    cost = Cost(microseconds={"API": 400.0, "PostgreSQL": 200.0}, blocks=80.0)
    row = Among(people=10, database_bytes=10**9, accepted=cost, sent=cost, flaws=())
    told = people.section([row, row]).splitlines()
    assert len(told) == 2 + 4
    assert told[2] == "| 10 | 1.00 | accepted | 400 | 200 | 600 | 80 |"

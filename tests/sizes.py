"""How many trials each campaign makes: the short form in ``make test``, the long one in ``make campaign``."""

import os

LONG = os.environ.get("CAMPAIGN") == "long"

#: kill -9 of the worker, over every failpoint.
KILLS = 2_000 if LONG else 60
#: Rounds of 64 tasks that want the same person at once.
RACES = 10_000 if LONG else 30
#: Events for a CRM that is away for a simulated day, and about how many people.
CRM_EVENTS = 20_000 if LONG else 240
CRM_CONTACTS = 500 if LONG else 20
#: Examples that schemathesis makes of each operation.
SURFACE_EXAMPLES = 200 if LONG else 2
#: Messages that run for a cap that pays for ten, taken by 64 tasks.
CAPS_RACED = 2_000 if LONG else 60
#: Lines of a do-not-contact register.
REGISTER_LINES = 1_000_000 if LONG else 20_000
#: Stops that race a dispatch.
STOPS = 20_000 if LONG else 40
#: Messages that wait while she taps stop on her page.
PAGE_QUEUE = 5_000 if LONG else 1_000
#: Rows of the campaign that is killed twice on its way.
CAMPAIGN_ROWS = 100_000 if LONG else 1_200
#: People who are written to while Redis is broken, three messages each.
REDIS_PEOPLE = 2_000 if LONG else 24
#: Connections to PostgreSQL cut right before or right after COMMIT.
COMMIT_CUTS = 1_000 if LONG else 24
#: Times that PostgreSQL is stopped at once and started again.
POSTGRES_STOPS = 50 if LONG else 2
#: People, pasts and things learned before whom a channel is chosen.
AUTO_CASES = 20_000 if LONG else 120
#: Replies that would harm whoever looks at them in the console.
HOSTILE_BODIES = 1_000 if LONG else 60
#: Forged hooks for each provider, and genuine ones that are played again.
FORGERIES = 10_000 if LONG else 220
REPLAYS = 5_000 if LONG else 60
#: Changes that the owner of the database makes to its past.
TAMPERINGS = 2_000 if LONG else 24
#: Runs of the simulation, ten worlds each, and mutants that must be caught (all of them in the campaign).
SIMULATED_RUNS = 10_000 if LONG else 12
SIMULATED_MUTANTS = 3
#: Requests of two tenants of which half are left in the middle.
LEAVERS = 100_000 if LONG else 400
#: People whose names and words are looked for everywhere.
CANARIES = 2_000 if LONG else 30
#: Callers who begin a request and never finish it.
SLOW_CALLERS = 2_000 if LONG else 150
#: Worker processes whose clock is wrong.
WRONG_CLOCKS = 200 if LONG else 2
#: How long everything goes on at once.
SOAK_SECONDS = 1_800 if LONG else 5

"""How many trials each campaign makes: the short form in ``make test``, the long one in ``make campaign``."""

import os

LONG = os.environ.get("CAMPAIGN") == "long"
#: How much of a long form one run makes, in percent, and which part of it this is: each part has seeds of its own, and the report
#: adds up what the parts counted.
SHARE = float(os.environ.get("SHARE") or 100) / 100
PART = int(os.environ.get("PART") or 0)
#: What any test may take, as pyproject.toml says.
SECONDS_MAX = 300


def _size(long: int, short: int) -> int:
    return max(short, round(long * SHARE)) if LONG else short


def hangs_after(long: int, short: int = SECONDS_MAX) -> int:
    """Seconds after which a campaign is taken to hang: as many as its long form needs, and as any test has in its short one."""
    return long if LONG else short


def seed(of: int) -> int:
    """The seed of this part."""
    return of + 1_000_000_000 * PART


#: kill -9 of the worker, over every failpoint.
KILLS = _size(2_000, 24)
#: Rounds of 64 tasks that want the same person at once.
RACES = _size(10_000, 30)
#: Events for a CRM that is away for a simulated day, and about how many people.
CRM_EVENTS = _size(20_000, 240)
CRM_CONTACTS = _size(500, 20)
#: Examples that schemathesis makes of each operation.
SURFACE_EXAMPLES = _size(200, 2)
#: Messages that run for a cap that pays for ten, taken by 64 tasks.
CAPS_RACED = _size(2_000, 60)
#: Lines of a do-not-contact register.
REGISTER_LINES = _size(1_000_000, 20_000)
#: Stops that race a dispatch.
STOPS = _size(20_000, 40)
#: Messages that wait while she taps stop on her page.
PAGE_QUEUE = _size(5_000, 1_000)
#: Rows of the campaign that is killed twice on its way.
CAMPAIGN_ROWS = _size(100_000, 1_200)
#: People who are written to while Redis is broken, three messages each.
REDIS_PEOPLE = _size(2_000, 24)
#: Connections to PostgreSQL cut right before or right after COMMIT.
COMMIT_CUTS = _size(1_000, 24)
#: Times that PostgreSQL is stopped at once and started again.
POSTGRES_STOPS = _size(50, 2)
#: People, pasts and things learned before whom a channel is chosen.
AUTO_CASES = _size(20_000, 120)
#: Replies that would harm whoever looks at them in the console.
HOSTILE_BODIES = _size(1_000, 60)
#: Forged hooks for each provider, and genuine ones that are played again.
FORGERIES = _size(10_000, 220)
REPLAYS = _size(5_000, 60)
#: Changes that the owner of the database makes to its past.
TAMPERINGS = _size(10_000, 24)
#: Runs of the simulation, fifty worlds each, and mutants that must be caught (all of them in the campaign).
SIMULATED_RUNS = _size(2_000, 11)
SIMULATED_MUTANTS = 3
#: Requests of two tenants of which half are left in the middle.
LEAVERS = _size(100_000, 400)
#: People whose names and words are looked for everywhere.
CANARIES = _size(2_000, 30)
#: Callers who begin a request and never finish it.
SLOW_CALLERS = _size(2_000, 150)
#: Worker processes whose clock is wrong.
WRONG_CLOCKS = _size(200, 2)
#: How long everything goes on at once.
SOAK_SECONDS = _size(1_800, 5)
#: Releases that take over from older ones, and messages in each of their four stages.
UPGRADES = _size(20, 1)
UPGRADE_MESSAGES = _size(200, 16)
#: Flaws of the house that campaigns must find; the campaign goes through all of them.
CAMPAIGN_MUTANTS = 100 if LONG else 1

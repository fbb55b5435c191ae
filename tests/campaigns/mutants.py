"""The house with a safeguard taken out, for campaigns: whoever is started with ``CAMPAIGN_MUTANT`` has this one flaw.

Each campaign must fail on its own. Simulated worlds have theirs in ``tests/simulation/mutants.py``; those that a campaign shares are
taken from there by name.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.mutants import MUTANTS as SIMULATED
from tests.simulation.mutants import Mutant, applied

VARIABLE = "CAMPAIGN_MUTANT"


@dataclass(frozen=True, slots=True)
class Flaw:
    """``test`` is the campaign that must find it, under ``tests/``; ``parts``: what is changed."""

    campaign: str
    name: str
    test: str
    parts: tuple[Mutant, ...]

    @property
    def title(self) -> str:
        """What it is called by."""
        return f"{self.campaign}: {self.name}"


def _simulated(name: str) -> tuple[Mutant, ...]:
    return tuple(mutant for mutant in SIMULATED if mutant.name == name)


def _changed(module: str, *changes: tuple[str, str]) -> Mutant:
    return Mutant("", module, changes, ())


def _shared(campaign: str, name: str, test: str) -> Flaw:
    return Flaw(campaign, name, test, _simulated(name))


_CUT = "campaigns/test_postgres.py::test_connections_cut_around_commit"

FLAWS = (
    # The first is tried every day: it needs no servers.
    Flaw(
        "C8",
        "any signature fits",
        "campaigns/test_hooks.py::test_forged_hooks_of_every_provider[adapters.sms_twilio]",
        (
            _changed(
                "adapters.kit.twilio_hooks",
                (
                    "            hmac.compare_digest(validator.compute_signature(url, form), signature)\n",
                    "            True\n",
                ),
            ),
        ),
    ),
    _shared(
        "C3",
        "the past is read before the locks",
        "gateway/test_races.py::test_of_many_for_one_person_exactly_one_leaves",
    ),
    _shared(
        "C4",
        "an abandoned attempt is queued again",
        "gateway/test_kill.py::test_deaths_at_every_step_send_nothing_twice_and_lose_nothing",
    ),
    Flaw(
        "C5",
        "a Redis that does not answer is an error",
        "campaigns/test_redis.py",
        (
            _changed(
                "gateway.worker",
                (
                    "            except Exception as error:  # Redis away",
                    "            except ZeroDivisionError as error:  #",
                ),
            ),
            _changed(
                "gateway.ways.circuits",
                (
                    "        except _AWAY:\n            # Alone",
                    "        except ZeroDivisionError:\n            # Alone",
                ),
            ),
        ),
    ),
    _shared("C6", "send although the commit is unknown", _CUT),
    _shared("C6", "202 before the commit", _CUT),
    Flaw(
        "C7",
        "the law's instant is the process' own",
        "campaigns/test_clocks.py",
        (
            _changed(
                "storage.clock",
                (
                    '        return row["legal"], row["real"]\n',
                    '        own = datetime.now(row["real"].tzinfo)\n'
                    '        return row["legal"] + (own - row["real"]), row["real"]\n',
                ),
            ),
        ),
    ),
    Flaw(
        "C8",
        "a hook played again is news",
        "campaigns/test_hooks.py::test_a_genuine_hook_played_again_changes_nothing",
        (
            _changed(
                "gateway.receive",
                (
                    "if isinstance(h.item, Reply) and (h.provider, h.item.key) in fresh:",
                    "if isinstance(h.item, Reply):",
                ),
            ),
        ),
    ),
    _shared(
        "C9",
        "a stop is heard and not kept",
        "gateway/test_races.py::test_a_stop_and_a_dispatch_have_an_order_and_the_trace_shows_it",
    ),
    Flaw(
        "C10",
        "texts are templates of an engine",
        "campaigns/test_payloads.py",
        (_changed("adapters.sms_twilio", (": parcel.text,", ': parcel.text.replace("{{7*7}}", str(7 * 7)),')),),
    ),
    Flaw(
        "C11",
        "columns need not agree with what was hashed",
        "campaigns/test_tampering.py",
        (_changed("tracelog.export", ("        if not agrees(", "        if False and not agrees(")),),
    ),
    Flaw(
        "C11",
        "the sealer goes on from whatever hashes stand there",
        "campaigns/test_tampering.py",
        (
            _changed(
                "gateway.seal", ("    if last is not None and (last", "    if False and last is not None and (last")
            ),
        ),
    ),
    Flaw(
        "C12",
        "what is accepted is logged with its words",
        "campaigns/test_privacy.py",
        (
            _changed(
                "gateway.accept",
                (
                    "        now, real = await self._clock.now(connection)\n        results:",
                    "        __import__('structlog').get_logger().info('accepted', what=[str(item.ask.content) for item in items])\n"
                    "        now, real = await self._clock.now(connection)\n        results:",
                ),
            ),
        ),
    ),
    Flaw(
        "C13",
        "whose a message is, is not asked",
        "campaigns/test_isolation.py::test_every_operation_with_another_tenants_objects",
        (
            _changed("storage.database", ("    token = _TENANT.set(tenant)\n", "    token = _TENANT.set(None)\n")),
            _changed("gateway.messages", ("if row is None or row.tenant != tenant:", "if row is None:")),
        ),
    ),
    Flaw(
        "C13",
        "whose request it is stands in one place for all",
        "campaigns/test_isolation.py::test_callers_who_leave_never_leave_an_answer_to_another",
        (
            _changed(
                "storage.database",
                (
                    "    token = _TENANT.set(tenant)\n",
                    "    token = _TENANT.set(tenant)\n    globals()['_ONE'] = tenant\n",
                ),
                ("        tenant = _TENANT.get()\n", "        tenant = globals().get('_ONE')\n"),
            ),
        ),
    ),
    Flaw(
        "C14",
        "an address of our own network is like any other",
        "gateway/test_notify.py::test_addresses_inside_are_refused_before_anything_is_resolved",
        (
            _changed(
                "gateway.egress",
                ("        if literal is not None and not inside and not _public(literal):", "        if False:"),
            ),
        ),
    ),
    Flaw(
        "C15",
        "a body has all the time there is",
        "campaigns/test_overload.py",
        (_changed("gateway.api.reading", ("asyncio.timeout(BODY_SECONDS_MAX)", "asyncio.timeout(None)")),),
    ),
    _shared("C16", "a stop is heard and not kept", "campaigns/test_soak.py"),
    Flaw(
        "C18",
        "a migration asks of the release at work what only the new one writes",
        "campaigns/test_upgrade.py",
        (
            _changed(
                "storage.migrate",
                (
                    '.read_text("utf-8")\n',
                    '.read_text("utf-8")\n'
                    "            if name == files()[-1]:\n"
                    "                sql += \"; ALTER TABLE message ADD COLUMN asked text NOT NULL DEFAULT ''; \"\n"
                    '                sql += "ALTER TABLE message ALTER COLUMN asked DROP DEFAULT"\n',
                ),
            ),
        ),
    ),
)


@contextlib.contextmanager
def armed() -> Iterator[None]:
    """This process with the flaw that it was started with, if with any."""
    wanted = os.environ.get(VARIABLE)
    with contextlib.ExitStack() as stack:
        for flaw in FLAWS:
            if flaw.title == wanted:
                for part in flaw.parts:
                    stack.enter_context(applied(part))
        yield

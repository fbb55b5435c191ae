"""C10: what a tenant writes is words: nothing in it is evaluated, looked up or formatted, whichever way it comes in."""

import asyncio
import itertools

import pytest

from tests.campaigns import load
from tests.campaigns.tally import counted
from tests.gateway.town import Town, message, number, person

#: What template languages, format strings and shells would answer with a number or an object of ours.
SEEDS = (
    "{{7*7}}", "{{7*'7'}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{%print(7*7)%}", "{{config}}", "{{self.__init__.__globals__}}",
    "{{''.__class__.__mro__[1].__subclasses__()}}", "{{request.application}}", "{0.__class__}", "{contact.__init__.__globals__}",
    "%(secret_key)s", "%s%n%x", "$(id)", "`id`", "{{lipsum.__globals__['os'].popen('id').read()}}", "{{amount|attr('__class__')}}",
    "{{ amount.__class__ }}", "{!r}", "{{cycler.__init__}}", "{{url_for.__globals__}}", "*{7*7}", "@(7*7)", "[[${7*7}]]",
)  # fmt: skip
TOGETHER = 25
AROUND = (
    "{}",
    " {} ",
    "x{}y",
    "{{% raw %}}{}{{% endraw %}}",
    "{{{{'{}'}}}}",
    "<script>{}</script>",
    "\u202e{}",
    "{}\u200b",
    "a\n{}",
    "\\{}",
)
EVALUATED = ("49", "7777777", "uid=", "<class", "object at", "secret for tests", "__main__")


@pytest.mark.campaign
async def test_nothing_that_a_tenant_writes_is_evaluated(quiet: Town) -> None:
    payloads = [around.replace("{}", seed, 1) for seed, around in itertools.product(SEEDS, AROUND)]
    expected: dict[str, str] = {}

    async def put(n: int, payload: str) -> None:
        to = number(n, 321)
        body = message(person(f"x{n}", to), content={"text": payload}, debts=[{"id": f"d{n}"}])
        status, answered, _ = await quiet.call("POST", "/v1/messages", body, **{"Idempotency-Key": f"x{n}"})
        tally.trials += 1
        tally.hold(status in (202, 422), f"{payload!r} answered {status}")
        tally.faults["taken as words" if status == 202 else "refused"] += 1
        if status == 202:
            expected[to] = payload
        else:
            tally.hold(not any(sign in str(answered) for sign in EVALUATED[2:]), f"{payload!r}: {answered}")

    with counted("C10", "texts that would be programs elsewhere") as tally:
        for first in range(0, len(payloads), TOGETHER):
            some = enumerate(payloads[first : first + TOGETHER], first)
            await asyncio.gather(*(put(n, payload) for n, payload in some))
        quiet.start_worker()
        await load.calm(quiet, 240)
        arrived = {line["to"]: line["text"] for line in await quiet.arrived()}
        for to, given in expected.items():
            tally.hold(arrived.get(to) == given.strip("\n"), f"{given!r} arrived as {arrived.get(to)!r}")

"""What every simulated carrier does alike: the lines of its memory, the life of what it took, and a call that ends in no answer."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

from aiohttp import web

from sandbox.faults import Fault, Faults
from sandbox.hooks import Hooks, taken
from sandbox.settings import Settings
from sandbox.truth import Line, Truth
from sandbox.unanswered import hung_up, never_answer, real
from sandbox.wire import Call

#: What a restart interrupted is told again only of what was taken within these hours.
RESUMED_HOURS: Final = 1


class Account(Protocol):
    """Any account of ``sandbox.settings``."""

    @property
    def provider(self) -> str:
        """The operator's name for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all carriers share. ``law_now`` is the gateway's clock."""

    settings: Settings
    truth: Truth
    faults: Faults
    hooks: Hooks
    law_now: Callable[[], Awaitable[datetime]]


A = TypeVar("A", bound=Account)


class Simulated(Generic[A]):
    """A carrier with one account; what it took, refused and heard stands in the truth."""

    channel: str

    def __init__(self, around: Surroundings, account: A) -> None:
        self._account = account
        self._settings = around.settings
        self._truth = around.truth
        self._faults = around.faults
        self._hooks = around.hooks
        self._law_now = around.law_now

    @property
    def provider(self) -> str:
        """The operator's name for this account."""
        return self._account.provider

    async def _took(self, identifier: str | None, to: str, sender: str, text: str, **more: Any) -> Line:
        """A message arrived; without an id it took the call and made nothing of it."""
        return await self._noted("arrived", identifier, sender, to, text, {"audio_url": None, **more})

    async def _heard(self, identifier: str | None, sender: str, to: str, text: str, **more: Any) -> Line:
        """A person wrote, pressed or said something."""
        return await self._noted("reply", identifier, sender, to, text, more)

    def _refused(self, to: str, code: int | str) -> None:
        line: Line = {"type": "refused", "channel": self.channel, "provider": self.provider, "to": to, "code": code}
        self._truth.append({**line, "real": real()})

    def _became(self, identifier: str, status: str, **more: Any) -> None:
        self._truth.append({"type": "status", "id": identifier, "status": status, **more, "real": real()})

    def _hooked(self, identifier: str, word: str, answered: int | None, *, forged: bool) -> None:
        """It called us, or a stranger did in its name."""
        line: Line = {"type": "hook", "id": identifier, "word": word, "answered": answered, "forged": forged}
        self._truth.append({**line, "real": real()})

    async def _noted(
        self, kind: str, identifier: str | None, sender: str, to: str, text: str, more: Mapping[str, Any]
    ) -> Line:
        line: Line = {
            "type": kind,
            "id": identifier,
            "channel": self.channel,
            "provider": self.provider,
            "to": to,
            "from": sender,
            "text": text,
            "at": (await self._law_now()).isoformat(),
            "real": real(),
            **more,
        }
        self._truth.append(line)
        return line

    def _untold(self) -> Iterator[tuple[Line, Line]]:
        """What a restart kept from being told: the line of each message, and its plan with the receipts that are left."""
        young = datetime.now(UTC) - timedelta(hours=RESUMED_HOURS)
        for line in list(self._truth.arrived(channel=self.channel)):
            plan = line.get("plan")
            if plan is None or line["provider"] != self.provider or datetime.fromisoformat(line["real"]) < young:
                continue
            hooks = [later for later in self._truth.about(line["id"]) if later["type"] == "hook"]
            told = {hook["word"] for hook in hooks if not hook["forged"] and taken(hook["answered"])}
            if left := [word for word in plan["receipts"] if word not in told]:
                yield line, {**plan, "receipts": left}


class Telling(Simulated[A], ABC):
    """A carrier that takes messages by HTTP and tells what becomes of each, by the ``receipts`` and ``faults`` of its plan."""

    #: What a stranger says of a message: more than will ever be true, so that it shows wherever it is believed.
    forged_word: str = "read"

    def resume(self) -> None:
        """Tell what a restart kept from being told."""
        for line, plan in self._untold():
            self._hooks.start(self._live(line["id"], plan))

    @abstractmethod
    async def _turn(self, identifier: str, word: str, plan: Mapping[str, Any]) -> None:
        """The message becomes what the word says."""

    @abstractmethod
    async def _tell(self, identifier: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        """Say so, if anybody asked to be told."""

    def _words(self, plan: Mapping[str, Any]) -> Sequence[str]:
        """What it becomes, one after the other."""
        words: Sequence[str] = plan["receipts"]
        return words

    async def _answered(
        self, request: web.Request, answer: web.Response, identifier: str, plan: Mapping[str, Any], ending: Fault | None
    ) -> web.Response:
        """The message lives, and its call is answered: before, after or never, as the faults want it."""
        early = Fault.EARLY_RECEIPT in plan["faults"]
        lost = ending in (Fault.TIMEOUT, Fault.HANG_UP)
        if early:
            await self._live(identifier, plan)
        elif not lost:
            self._hooks.start(self._live(identifier, plan))
        if not lost:
            return answer
        broken = await self._unanswered(request) if ending is Fault.TIMEOUT else hung_up(request)
        if not early:
            # Late enough for the caller to have settled that it does not know.
            self._hooks.start(self._live(identifier, plan, self._settings.late_seconds))
        return broken

    async def _unanswered(self, request: web.Request) -> web.Response:
        return await never_answer(request, self._settings.hold_seconds)

    async def _live(self, identifier: str, plan: Mapping[str, Any], after: float = 0.0) -> None:
        """The life of a message after it was taken, with the faults that strike what is told of it."""
        struck, settings = frozenset(plan["faults"]), self._settings
        await asyncio.sleep(after + settings.queue_seconds)
        words = self._words(plan)
        if Fault.FORGED_RECEIPT in struck:
            await self._tell(identifier, self.forged_word, plan, forged=True)
        together = struck & {Fault.REORDER_RECEIPTS, Fault.LATE_RECEIPT}
        for index, word in enumerate(words):
            if index:
                await asyncio.sleep(settings.receipt_seconds)
            await self._turn(identifier, word, plan)
            if not together:
                await self._tell(identifier, word, plan)
        if together:
            if Fault.LATE_RECEIPT in struck:
                await asyncio.sleep(settings.late_seconds)
            for word in reversed(words) if Fault.REORDER_RECEIPTS in struck else words:
                await self._tell(identifier, word, plan)

    async def _post(
        self, identifier: str, word: str, plan: Mapping[str, Any], call: Call, *, forged: bool = False
    ) -> None:
        """Call the gateway, twice where that is the fault; a stranger's call is not tried again."""
        twice = Fault.DUPLICATE_RECEIPT in plan["faults"] and not forged
        for _ in range(2 if twice else 1):
            post = self._hooks.post if forged else self._hooks.post_until_taken
            self._hooked(identifier, word, await post(call), forged=forged)

"""The gateway's end of the process that makes sound: started when it is first needed, one note at a time, replaced when it fails."""

import asyncio
import contextlib
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.speech.frames import Broken, packed, receive

#: A note of WhatsApp's may be longer, but nobody listens to one.
NOTE_SECONDS_MAX: Final = 180.0
#: Time for one note, real: three minutes of sound take two seconds on a small machine.
MAKE_SECONDS_MAX: Final = 20.0
START_SECONDS_MAX: Final = 20.0
#: The process is let go when nobody asked for so long; it takes 60 MB.
IDLE_SECONDS: Final = 300.0
#: More than one process has attempts in the air.
WAITING_MAX: Final = 512
NEEDED: Final = ("av", "espeakng_loader")

#: A voice by the language that somebody reads; the tongue of most debtors here stands first.
VOICES: Final = {"es": "es-419", "pt": "pt-br", "en": "en-us"}
VOICE_DEFAULT: Final = "es-419"

log = structlog.get_logger()


class Unfit(Exception):
    """The sound cannot be a note: ``flaw`` is one of ``not_audio cut_off too_long too_short silent``."""

    def __init__(self, flaw: str) -> None:
        super().__init__(flaw)
        self.flaw = flaw


class Unavailable(Exception):
    """No sound can be made here now: the extra ``voice`` is missing, or the process failed at this."""


@dataclass(frozen=True, slots=True)
class Made:
    """A note: mono OGG/Opus."""

    audio: bytes = field(repr=False)
    seconds: float


def available() -> bool:
    """Whether the extra ``voice`` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def voice_for(locale: str | None) -> str:
    """The voice for a reader's locale."""
    return VOICES.get((locale or "").partition("-")[0].lower(), VOICE_DEFAULT)


class Booth:
    """Makes notes. Safe for concurrent calls, which wait for each other; belongs to one event loop."""

    def __init__(self, *, make_seconds: float = MAKE_SECONDS_MAX, idle_seconds: float = IDLE_SECONDS) -> None:
        self._make_seconds = make_seconds
        self._idle_seconds = idle_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._rest: asyncio.TimerHandle | None = None
        self._closed = False

    async def speak(self, text: str, voice: str, seconds_max: float = NOTE_SECONDS_MAX) -> Made:
        """The text as a note. Raises Unfit or Unavailable."""
        return await self._make({"do": "speak", "voice": voice, "seconds_max": seconds_max}, text.encode())

    async def read(self, audio: bytes, kind: str, seconds_max: float = NOTE_SECONDS_MAX) -> Made:
        """A file of a known kind (``audio/ogg``, ``audio/mpeg``, ``audio/wav``) as a note. Raises Unfit or Unavailable."""
        return await self._make({"do": "read", "kind": kind, "seconds_max": seconds_max}, audio)

    async def close(self) -> None:
        """End the process."""
        self._closed = True
        async with self._turn:
            await self._end()

    async def _make(self, head: dict[str, Any], body: bytes) -> Made:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many notes are being made")
        self._waiting += 1
        try:
            async with self._turn:
                told, audio = await self._asked(head, body)
        finally:
            self._waiting -= 1
        if "flaw" in told:
            raise Unfit(str(told["flaw"]))
        return Made(audio=audio, seconds=float(told["seconds"]))

    async def _asked(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if self._closed:
            raise Unavailable("closed")
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        whole = hung_up = False
        try:
            async with asyncio.timeout(self._make_seconds):
                process.stdin.write(packed(head, body))
                await process.stdin.drain()
                answer = await receive(process.stdout)
                whole = True
                return answer
        except TimeoutError:
            log.warning("speech.took_too_long", seconds=self._make_seconds)
            raise Unavailable("making the note took too long") from None
        except (Broken, OSError) as error:
            hung_up = True
            log.warning("speech.ended", error=type(error).__name__)
            raise Unavailable("the process that makes sound failed at this") from error
        finally:
            # Whatever it may still be saying belongs to nobody.
            if not whole:
                await self._end(hung_up=hung_up)
            else:
                self._rest = asyncio.get_running_loop().call_later(self._idle_seconds, self._let_go)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._rest is not None:
            self._rest.cancel()
        if self._process is not None and self._process.returncode is None:
            if self._process.stdin is not None and not self._process.stdin.is_closing():
                return self._process
            # It was let go and is on its way out.
            await self._end(hung_up=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", _START, str(Path(__file__).parents[2]), str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # No setting and no secret of the gateway's.
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        self._process = process
        assert process.stdout is not None
        ready: dict[str, Any] = {}
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                ready, _ = await receive(process.stdout)
        except (Broken, TimeoutError) as error:
            raise Unavailable("the process that makes sound does not start") from error
        finally:
            if not ready.get("ready"):
                await self._end()
        if not ready["ready"]:
            raise Unavailable("the extra voice is not installed")
        return process

    def _let_go(self) -> None:
        if self._process is not None and not self._turn.locked() and self._process.stdin is not None:
            # It ends by itself when nobody can ask it any more.
            self._process.stdin.close()

    async def _end(self, *, hung_up: bool = False) -> None:
        if self._rest is not None:
            self._rest.cancel()
        process, self._process = self._process, None
        if process is None:
            return
        if hung_up:
            # On its way out: a signal now would race with whoever waits for it.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 1.0)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.shield(process.wait())


# With -I neither the environment nor the folder it stands in says what is imported; our own folder must be named.
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from gateway.speech.studio import main; sys.exit(main())"
)

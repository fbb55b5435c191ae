"""A server's unix socket with somebody in between who cuts: at COMMIT before or after it is handed on, or whenever told."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

#: PostgreSQL's simple query ``COMMIT``: 'Q', its length, the text, a zero (protocol 3, section 55.7).
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
CHUNK = 65_536


class Between:
    """Hands bytes on between clients and one unix socket."""

    def __init__(self, real: Path, *, chance: random.Random | None = None) -> None:
        self.real = real
        self.fired: Counter[str] = Counter()
        #: The share of COMMITs whose connection is cut; half of them before it is handed on, half after.
        self.cut_share = 0.0
        #: Nobody gets through.
        self.absent = False
        self.open: set[asyncio.StreamWriter] = set()
        self.serving: set[asyncio.Task[None]] = set()
        self._chance = chance or random.Random(0)

    def cut_all(self) -> None:
        """End every connection now."""
        for writer in list(self.open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        mine = asyncio.current_task()
        assert mine is not None
        self.serving.add(mine)
        mine.add_done_callback(self.serving.discard)
        if self.absent:
            self.fired["absent"] += 1
            writer.transport.abort()
            return
        try:
            theirs, to_server = await asyncio.open_unix_connection(str(self.real))
        except OSError:
            writer.transport.abort()
            return
        self.open |= {writer, to_server}
        mute = asyncio.Event()
        up = asyncio.create_task(self._up(reader, to_server, writer, mute))
        down = asyncio.create_task(self._down(theirs, writer, mute))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            for end in (writer, to_server):
                self.open.discard(end)
                end.transport.abort()

    async def _up(
        self,
        reader: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        mute: asyncio.Event,
    ) -> None:
        while said := await reader.read(CHUNK):
            if self.cut_share and said == COMMIT and self._chance.random() < self.cut_share:
                if self._chance.random() < 0.5:
                    self.fired["cut before COMMIT"] += 1
                    return
                # The server gets it, and nobody hears what it answers.
                mute.set()
                to_server.write(said)
                await to_server.drain()
                self.fired["cut after COMMIT"] += 1
                writer.transport.abort()
                await asyncio.sleep(0.05)
                return
            to_server.write(said)
            await to_server.drain()

    async def _down(self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event) -> None:
        while said := await theirs.read(CHUNK):
            if not mute.is_set():
                writer.write(said)
                await writer.drain()


@contextlib.asynccontextmanager
async def between(real: Path, place: Path, *, chance: random.Random | None = None) -> AsyncIterator[Between]:
    """``place`` answers as ``real`` does."""
    one = Between(real, chance=chance)
    server = await asyncio.start_unix_server(one.serve, str(place), backlog=200)
    try:
        yield one
    finally:
        server.close()
        one.cut_all()
        # Whoever is just being let in, too: nobody is left half served.
        for task in tuple(one.serving):
            task.cancel()
        await asyncio.gather(*one.serving, return_exceptions=True)
        await asyncio.sleep(0)

"""What really reached the simulated carriers: an append-only file of JSON lines that survives every restart.

It is the other side's own memory. Nothing of the gateway writes it, so what the gateway claims can be held against it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

FILE_NAME: Final = "carrier.ndjson"

#: ``type`` of a line. ``arrived``: a carrier took a message (``resource`` null: it took the request and never made anything
#: of it). ``refused``: it said no. ``status``: it changed its mind about a message. ``hook``: it called us. ``reply``: a
#: person wrote.
Line = dict[str, Any]


class Truth:
    """The lines, in the file and in memory. One process at a time writes the file."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / FILE_NAME
        self._lines: list[Line] = []
        self._arrived: list[Line] = []
        self._of_id: dict[str, list[Line]] = {}
        self._of_party: dict[str, list[Line]] = {}
        if path.exists():
            for text in path.read_bytes().split(b"\n"):
                self._remember_text(text)
        # Personal data of a sandbox is still nobody else's.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            # Killed in the middle of a line: it ends here and stays, unreadable.
            os.write(self._file, b"\n")

    def append(self, line: Line) -> None:
        """One line, handed to the system in one write: a killed process loses nothing that it answered for."""
        os.write(self._file, json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._remember(line)

    def arrived(self, *, to: str | None = None, channel: str | None = None, after: int = 0) -> Iterator[Line]:
        """What the carriers took, oldest first; ``after``: without the first so many."""
        lines = self._arrived if to is None else self._of_party.get(to, [])
        for line in lines[after:] if after else lines:
            if line["type"] == "arrived" and channel in (None, line["channel"]) and to in (None, line["to"]):
                yield line

    def with_person(self, address: str) -> Iterator[Line]:
        """What was sent to and written by one address, oldest first."""
        return iter(self._of_party.get(address, []))

    def about(self, identifier: str) -> Iterator[Line]:
        """Every line that carries this ``id``, oldest first."""
        return iter(self._of_id.get(identifier, []))

    def people(self) -> list[str]:
        """Every address that was written to or that wrote, latest first."""
        latest = {party: lines[-1]["real"] for party, lines in self._of_party.items()}
        return sorted(latest, key=lambda party: str(latest[party]), reverse=True)

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _remember_text(self, text: bytes) -> None:
        try:
            line = json.loads(text)
        except ValueError:
            return
        if isinstance(line, dict) and isinstance(line.get("type"), str):
            self._remember(line)

    def _remember(self, line: Line) -> None:
        self._lines.append(line)
        if isinstance(line.get("id"), str):
            self._of_id.setdefault(line["id"], []).append(line)
        if line["type"] == "arrived":
            self._arrived.append(line)
            self._of_party.setdefault(line["to"], []).append(line)
        elif line["type"] == "reply":
            self._of_party.setdefault(line["from"], []).append(line)

"""Recordings over HTTP: brought once, fetched whole or in part under the type that they have, and told when they are none."""

import pytest

from tests.api.conftest import Surface
from tests.journeys.recording import RECORDING, recorded

WAV = {"Content-Type": "audio/wav"}


async def test_a_recording_is_fetched_whole_and_in_part_as_what_it_is(surface: Surface) -> None:
    taken = await surface.ask("POST", "/v1/media", raw=RECORDING, headers=WAV)
    assert (taken.status, taken.document["type"], taken.document["seconds"]) == (201, "audio/ogg", 2.0)
    assert (await surface.ask("POST", "/v1/media", raw=RECORDING, headers=WAV)).status == 200
    path = f"/v1/media/{taken.document['id']}"
    whole = await surface.ask("GET", path)
    assert (whole.status, whole.headers["Content-Type"]) == (200, "audio/ogg")
    part = await surface.ask("GET", path, headers={"Range": "bytes=10-19"})
    assert (part.status, part.raw) == (206, whole.raw[10:20])
    for beyond in (f"bytes={len(whole.raw)}-", "bytes=9-3", "bytes=0-1,3-4"):
        refused = await surface.ask("GET", path, headers={"Range": beyond})
        assert (refused.status, refused.slug) == (416, "range-not-satisfiable"), beyond
        assert refused.headers["Content-Range"] == f"bytes */{len(whole.raw)}"
        assert str(len(whole.raw)) in refused.document["detail"]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"hello", "an OGG, MP3 or WAV file is needed"),
        (recorded(0.1), "at least a fifth of a second"),
        (recorded(1, loud=0), "nothing but silence"),
        (RECORDING[:9_000], "is cut off"),
    ],
)
async def test_what_is_no_recording_is_told_what_is_wrong_with_it(surface: Surface, raw: bytes, why: str) -> None:
    refused = await surface.ask("POST", "/v1/media", raw=raw, headers=WAV)
    assert (refused.status, refused.pointers) == (422, [""])
    assert why in refused.document["detail"]

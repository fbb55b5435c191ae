"""A line read in one step is accepted just where the same line is, read step by step."""

import json
import random
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest

from tests.tracelog.test_export import FIVE, exported, head, row
from tests.tracelog.test_export import replace as replaced
from tracelog import line as module
from tracelog.entry import leaf_hash
from tracelog.export import Writer
from tracelog.line import Bad, Checked, _explained, _whole, piece_of

LINES = exported(FIVE, head(FIVE)).splitlines(keepends=True)[:-1]
ERASED = exported([replaced(each, nonce=None, ciphertext=None) for each in FIVE], head(FIVE)).splitlines(keepends=True)[
    :-1
]
LONG = [row(0, words=bytes(range(256)) * n, note="sí " * n) for n in (1, 2, 3, 40)]
WORDED = [exported([one], head([one])).splitlines(keepends=True)[0] for one in LONG]
GOOD = [*enumerate(LINES), *enumerate(ERASED), *((0, line) for line in WORDED)]


def explained(line: bytes, index: int) -> Checked | None:
    try:
        return _explained(line, index)
    except Bad:
        return None


def test_what_was_written_is_taken_in_one_step() -> None:
    for index, line in GOOD:
        found = _whole(line, index)
        assert found is not None
        assert found == _explained(line, index)


def test_what_its_own_hashes_vouch_for_is_held_against_the_form_too() -> None:
    """By whoever writes entries: another version, a nonce of another length."""
    later = FIVE[0].header.replace(b'"v":1', b'"v":2')
    words = row(0, words=b"Hola")
    assert words.ciphertext
    short, long = b"n" * 11, b"n" * 13
    nonces = [
        replaced(
            words,
            nonce=nonce,
            payload_digest=sha256(nonce + words.ciphertext).digest(),
            leaf=leaf_hash(words.header, sha256(nonce + words.ciphertext).digest()),
        )
        for nonce in (short, long)
    ]
    written = [exported([one], head([one])).splitlines(keepends=True)[0] for one in nonces]
    said, leaf = FIVE[0].header, FIVE[0].leaf
    version = LINES[0].replace(said, later).replace(leaf.hex().encode(), leaf_hash(later, None).hex().encode())
    assert version != LINES[0]
    for line in (version, *written):
        assert _whole(line, 0) is None
        assert explained(line, 0) is None


def test_a_nonce_and_a_ciphertext_that_were_cut_elsewhere_are_not_the_same() -> None:
    """The digest is over both, one after the other: who moves bytes from one to the other changes nothing in it."""
    index, line = next((index, line) for index, line in GOOD if b'"nonce"' in line)
    read = json.loads(line)
    both = b64decode(read["payload"]["nonce"]) + b64decode(read["payload"]["ciphertext"])
    for cut in (0, 9, 11, 13, 15, len(both)):
        read["payload"] = {
            "ciphertext": b64encode(both[cut:]).decode(),
            "nonce": b64encode(both[:cut]).decode(),
        }
        tried = json.dumps(read, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        assert _whole(tried, index) is None, cut
        assert explained(tried, index) is None, cut
    read["payload"] = {"ciphertext": b64encode(both[12:]).decode(), "nonce": b64encode(both[:12]).decode()}
    assert _whole(json.dumps(read, separators=(",", ":"), ensure_ascii=False).encode() + b"\n", index) is not None


@pytest.mark.parametrize("together", [1, 1_000, 1 << 20])
def test_lines_are_a_run_where_each_of_them_holds_in_its_place(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RUN_BYTES", together)
    whole = b"".join(LINES)
    foreign = row(1, tenant="other")
    columns = {name: getattr(foreign, name) for name in foreign.__slots__ if name != "index"}
    others = Writer("other").line(1, **columns)
    assert explained(others, 1) is not None
    found = piece_of(whole)
    assert found is not None
    assert (found.first, found.entries, found.tenant) == (0, len(LINES), "acme")
    assert (found.payloads, found.payloads_absent) == (
        sum(explained(each, n).payload is True for n, each in enumerate(LINES)),  # type: ignore[union-attr]
        0,
    )
    later = piece_of(b"".join(LINES[2:4]))
    assert later is not None
    assert (later.first, later.entries) == (2, 2)
    for broken in (
        b"",
        b"\n",
        whole[:-1],
        whole + b"\n",
        b"\n" + whole,
        LINES[0] + LINES[0],
        LINES[1] + LINES[0],
        LINES[0] + LINES[2],
        LINES[0].replace(b"\n", b" ") + LINES[1],
        LINES[0][:-1] + LINES[1],
        LINES[0] + others,
        others + LINES[2],
        *(b"".join([*LINES[:n], *ERASED[n : n + 1], *LINES[n + 2 :]]) for n in range(3)),
    ):
        assert piece_of(broken) is None, broken


def test_both_say_the_same_of_every_flipped_bit() -> None:
    for index, line in GOOD[: len(LINES)]:
        for bit in range(len(line) * 8):
            altered = bytearray(line)
            altered[bit // 8] ^= 1 << bit % 8
            assert _whole(bytes(altered), index) is None, f"bit {bit} of {line!r}"


@pytest.mark.parametrize("of", [0, 1, 7])
def test_both_say_the_same_of_what_somebody_wrote_himself(of: int) -> None:
    """With parts of other lines in it, other spellings of the same, and other lengths: none is taken in one step alone."""
    chance = random.Random(of)
    index, line = GOOD[of]
    read = json.loads(line)
    others = [json.loads(each) for _, each in GOOD]
    taken = 0
    for _ in range(2_000):
        changed = dict(read)
        for name in chance.sample(sorted(read), chance.randrange(0, 3)):
            other = chance.choice(others)[name]
            changed[name] = chance.choice(
                [other, other, None, str(other)[:-1], str(other).upper(), other and str(other) + "="]
            )
        spaces = chance.choice([(",", ":"), (",", ":"), (", ", ":")])
        text = json.dumps(
            changed, separators=spaces, ensure_ascii=chance.random() < 0.2, sort_keys=chance.random() < 0.9
        )
        tried = text.encode("utf-8", "replace") + chance.choice([b"\n", b"\n", b"", b" \n"])
        assert _whole(tried, index) == explained(tried, index), tried
        taken += _whole(tried, index) is not None
    assert taken > 100

"""An export is accepted as it was written, and in no other way: flipped, cut, swapped, rebuilt or signed by somebody else."""

import random
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature

from tracelog import export, line, sealed
from tracelog.entry import leaf_hash, written
from tracelog.export import Broken, Holds, Writer, differs, head_of, lines_of, verify
from tracelog.head import Head, SeedSigner, sign
from tracelog.line import piece_of
from tracelog.sealed import seal
from tracelog.tree import Frontier

SIGNER = SeedSigner(b"s" * 32)
THIEF = SeedSigner(b"t" * 32)
KEY = b"k" * 32
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the trace beside its payload, as the database gives it."""

    index: int
    kind: str
    at: datetime
    subject: UUID | None
    message: UUID | None
    header: bytes
    payload_digest: bytes | None
    leaf: bytes
    nonce: bytes | None = None
    ciphertext: bytes | None = None


def row(index: int, *, tenant: str = "acme", words: bytes | None = None, note: str = "x") -> Row:
    entry = UUID(int=index + 1000)
    common: dict[str, Any] = {
        "kind": "message.decided" if index % 2 else "message.accepted",
        "at": START + timedelta(seconds=index),
        "subject": UUID(int=7) if index % 3 else None,
        "message": UUID(int=index),
    }
    sealed = None if words is None else seal(KEY, words, tenant=tenant, entry=entry)
    made = written(tenant=tenant, entry=entry, facts={"n": index, "why": note}, sealed=sealed, **common)
    return Row(
        index=index,
        header=made.header,
        payload_digest=made.payload_digest,
        leaf=made.leaf,
        nonce=sealed and sealed.nonce,
        ciphertext=sealed and sealed.ciphertext,
        **common,
    )


def rows(count: int) -> list[Row]:
    return [row(index, words=b"Hola Ana" if index % 3 == 1 else None, note="sí") for index in range(count)]


def head(of: list[Row], signer: SeedSigner = SIGNER) -> export.SignedHead:
    frontier = Frontier()
    frontier.extend(one.leaf for one in of)
    return sign(head_of("acme", frontier), signer)


def exported(of: list[Row], signed: export.SignedHead, signer: SeedSigner = SIGNER) -> bytes:
    writer = Writer("acme")
    lines = []
    for one in of:
        columns = {name: getattr(one, name) for name in Row.__slots__ if name != "index"}
        lines.append(writer.line(one.index, **columns))
    return b"".join(lines) + writer.last_line(signed, signer)


def checked(data: bytes, public_key: bytes | None = SIGNER.public_key) -> Holds | Broken:
    return verify(lines_of(BytesIO(data)), public_key=public_key)


FIVE = rows(5)
GOOD = exported(FIVE, head(FIVE))


def line_of(data: bytes, position: int) -> int:
    """The line, from 1, in which a byte stands (its ``\\n`` belongs to it)."""
    return data.count(b"\n", 0, position) + 1


def test_what_was_exported_holds() -> None:
    result = checked(GOOD)
    assert isinstance(result, Holds)
    assert (result.size, result.pinned, result.origin) == (5, True, "tregua/acme")
    assert (result.payloads, result.payloads_absent) == (2, 0)
    assert result.root == head(FIVE).head.root
    unpinned = checked(GOOD, None)
    assert unpinned == replace(result, pinned=False)


def test_an_empty_trace_holds_too() -> None:
    assert isinstance(checked(exported([], head([]))), Holds)


def test_a_file_without_a_head_is_told_apart_from_one_whose_last_entry_is_bad() -> None:
    lines = GOOD.splitlines(keepends=True)[:-1]
    assert checked(b"".join(lines)) == Broken(line=6, index=None, why="no signed head: the file ends after entry 4")
    cut = checked(b"".join(lines)[:-10])
    assert isinstance(cut, Broken)
    assert (cut.line, cut.index) == (5, 4)
    assert checked(b"") == Broken(line=1, index=None, why="no signed head: the file is empty")


def test_erased_payloads_leave_the_proof_whole() -> None:
    erased = [replace(one, nonce=None, ciphertext=None) for one in FIVE]
    result = checked(exported(erased, head(FIVE)))
    assert isinstance(result, Holds)
    assert (result.payloads, result.payloads_absent) == (0, 2)


def test_every_flipped_bit_is_found_and_its_line_is_named() -> None:
    lines = GOOD.count(b"\n")
    for bit in range(len(GOOD) * 8):
        altered = bytearray(GOOD)
        altered[bit // 8] ^= 1 << bit % 8
        for public_key in (SIGNER.public_key, None):
            result = checked(bytes(altered), public_key)
            assert isinstance(result, Broken), f"bit {bit} of {GOOD[bit // 8 - 20 : bit // 8 + 20]!r}"
            expected = line_of(GOOD, bit // 8)
            # What looks like an entry where the head belongs is the head's line all the same.
            assert result.line == expected, f"bit {bit}: {result}"
            assert result.index == (None if expected == lines else expected - 1)


def test_every_byte_taken_out_or_put_in_is_found_and_its_line_is_named() -> None:
    for position in range(len(GOOD)):
        removed = GOOD[:position] + GOOD[position + 1 :]
        result = checked(removed)
        assert isinstance(result, Broken), f"without byte {position}"
        assert result.line == line_of(GOOD, position)
        for extra in (b" ", b"\n", b"0", b"\r", b"\xff", GOOD[position : position + 1]):
            result = checked(GOOD[:position] + extra + GOOD[position:])
            assert isinstance(result, Broken), f"{extra!r} at {position}"
            empty_after = extra == GOOD[position : position + 1] == b"\n" and position < len(GOOD) - 1
            assert result.line == line_of(GOOD, position) + empty_after


def test_every_truncation_is_found() -> None:
    for length in range(len(GOOD)):
        assert isinstance(checked(GOOD[:length]), Broken), f"cut after {length} bytes"
        assert isinstance(checked(GOOD[length + 1 :]), Broken), f"without the first {length + 1} bytes"


def test_more_after_the_head_is_found() -> None:
    last = GOOD.splitlines(keepends=True)[-1]
    for more in (b"\n", b" ", b"{}\n", last, GOOD):
        result = checked(GOOD + more)
        assert isinstance(result, Broken)
        assert result.line >= 6


def test_lines_of_the_file_cannot_be_swapped_repeated_or_dropped() -> None:
    lines = GOOD.splitlines(keepends=True)
    for first in range(len(lines)):
        dropped = lines[:first] + lines[first + 1 :]
        repeated = [*lines[: first + 1], *lines[first:]]
        assert isinstance(checked(b"".join(dropped)), Broken)
        assert isinstance(checked(b"".join(repeated)), Broken)
        for second in range(first):
            swapped = lines[:]
            swapped[first], swapped[second] = swapped[second], swapped[first]
            result = checked(b"".join(swapped))
            assert isinstance(result, Broken)
            assert result.line <= second + 2


def test_a_payload_taken_out_of_the_file_is_found_though_every_entry_holds() -> None:
    altered = re.sub(rb'"payload":\{[^}]*\}', b'"payload":null', GOOD, count=1)
    assert altered != GOOD
    result = checked(altered)
    assert isinstance(result, Broken)
    assert "payload was taken out" in result.why


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb'"index":0,', rb'"index":0,"more":1,'),
        (rb'"index":0,', rb'"index":0,"index":0,'),
        (rb'"index":0,', rb'"index":0.0,'),
        (rb'"index":0,', rb'"index":-0,'),
        (rb'"index":0,"leaf":("[0-9a-f]+")', rb'"leaf":\1,"index":0'),
        (rb'"payload":null,', rb""),
        (rb'"payload_digest":null', rb'"payload_digest":""'),
        (rb'"payload_digest":null', rb'"payload_digest":"00"'),
        (rb'"nonce":', rb'"more":1,"nonce":'),
        (rb'"facts":', rb'"facets":{},"facts":'),
        (rb'"size":5', rb'"size":5,"witness":"none"'),
        (rb'"size":5', rb'"size":5.0'),
        (rb'"sha256":', rb'"also":"","sha256":'),
        (rb'"root":', rb'"root":"","root":'),
    ],
    ids=range(14),
)
def test_unknown_doubled_and_respelt_fields_are_found(old: bytes, new: bytes) -> None:
    altered = re.sub(old, new, GOOD, count=1)
    assert altered != GOOD
    assert isinstance(checked(altered), Broken)


def test_a_respelt_base64_of_the_same_bytes_is_found() -> None:
    """The last letter before the padding has bits that decode to nothing."""
    one = row(0, words=b"x" * 12)
    data = exported([one], head([one]))
    encoded = b64encode(one.ciphertext or b"").decode()
    assert encoded.endswith("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    letter = encoded.rstrip("=")[-1]
    respelt = encoded.rstrip("=")[:-1] + alphabet[alphabet.index(letter) ^ 1] + "=" * encoded.count("=")
    result = checked(data.replace(encoded.encode(), respelt.encode()))
    assert isinstance(result, Broken)
    assert result.index == 0


def test_an_old_head_over_a_longer_or_shorter_or_rebuilt_trace_is_found() -> None:
    old = head(FIVE[:3])
    longer = checked(exported(FIVE, old))
    assert isinstance(longer, Broken)
    assert "covers 3 entries, the file holds 5" in longer.why
    shorter = checked(exported(FIVE[:2], old))
    assert isinstance(shorter, Broken)
    assert "covers 3 entries, the file holds 2" in shorter.why
    rebuilt = [FIVE[0], FIVE[1], row(2, note="another past")]
    result = checked(exported(rebuilt, old))
    assert isinstance(result, Broken)
    assert result.index is None
    assert "do not add up to the signed root" in result.why


def test_a_trace_that_a_thief_rebuilt_and_signed_holds_only_for_who_pins_nothing() -> None:
    forged = [*FIVE[:4], row(4, note="another past")]
    data = exported(forged, head(forged, THIEF), THIEF)
    result = checked(data)
    assert isinstance(result, Broken)
    assert "another key" in result.why
    unpinned = checked(data, None)
    assert isinstance(unpinned, Holds)
    assert not unpinned.pinned
    # With the real key written in, the signature is not that key's.
    real = data.replace(THIEF.public_key.hex().encode(), SIGNER.public_key.hex().encode())
    assert isinstance(checked(real, None), Broken)


def test_a_head_signed_by_us_does_not_vouch_for_an_export_by_another() -> None:
    result = checked(exported(FIVE, head(FIVE), THIEF))
    assert isinstance(result, Broken)
    assert "not the lines that were exported" in result.why


def test_a_head_of_another_tenant_is_found() -> None:
    other = sign(Head(origin="tregua/other", size=5, root=head(FIVE).head.root), SIGNER)
    result = checked(exported(FIVE, other))
    assert isinstance(result, Broken)
    assert "tregua/other" in result.why


def test_an_entry_of_another_tenant_is_found_though_it_was_signed() -> None:
    """Not even the signer can mix two tenants' entries in one trace."""
    foreign = row(4, tenant="other")
    signed = head([*FIVE[:4], foreign])
    whole = exported([*FIVE[:4], foreign], signed)
    columns = {name: getattr(foreign, name) for name in Row.__slots__ if name != "index"}
    lines = whole.splitlines(keepends=True)
    lines[4] = Writer("other").line(4, **columns)
    assert b'"row"' not in lines[4]
    result = checked(b"".join(lines))
    assert result == Broken(line=5, index=4, why="an entry of another tenant: other")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"v":1', b'"v":2'), (b'"at":', b'"about":"","at":'), (b'"n":3', b'"n":3.5'), (b'"n":3', b'"n":3,"n":3')],
)
def test_a_header_in_another_shape_is_found_though_it_was_signed(old: bytes, new: bytes) -> None:
    header = FIVE[3].header.replace(old, new)
    odd = [*FIVE[:3], replace(FIVE[3], header=header, leaf=leaf_hash(header, None)), FIVE[4]]
    result = checked(exported(odd, head(odd)))
    assert isinstance(result, Broken)
    assert result.index == 3
    assert "header" in result.why


@pytest.mark.parametrize(
    ("attacked", "reason"),
    [
        ({"leaf": b"l" * 32}, "not what the leaf hash commits to"),
        ({"payload_digest": b"d" * 32}, "not what the leaf hash commits to"),
        ({"payload_digest": b"d" * 31}, "31 bytes, not 32"),
        ({"index": 7}, "entry 3 is missing here: the line holds entry 7"),
        ({"kind": "message.sent"}, 'the columns in the database contradict the header: {"at"'),
        ({"nonce": b"n" * 12, "ciphertext": b"c" * 20}, "a payload stands beside an entry that has none"),
        ({"header": b"no header"}, "not readable as an entry"),
    ],
    ids=str,
)
def test_the_reader_says_what_is_wrong(attacked: dict[str, Any], reason: str) -> None:
    assert FIVE[3].payload_digest is None
    result = checked(exported([*FIVE[:3], replace(FIVE[3], **attacked), FIVE[4]], head(FIVE)))
    assert isinstance(result, Broken)
    assert (result.line, result.index) == (4, 3)
    assert reason in result.why


def test_a_line_longer_than_any_is_found_without_being_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LINE_BYTES_MAX", 200)
    pieces = list(lines_of(BytesIO(b"x" * 1000)))
    assert [len(piece) for piece in pieces] == [200] * 5
    assert isinstance(verify(pieces), Broken)


@pytest.mark.parametrize("batch", [1, 300, 1_000, 1 << 20])
def test_wherever_the_bytes_are_cut_the_answer_is_the_same(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = GOOD.splitlines(keepends=True)
    tried = [
        GOOD,
        GOOD[:-1],
        b"",
        b"\n",
        b"\n" + GOOD,
        GOOD + b"\n",
        b"".join(lines[:-1]),
        b"".join([*lines[:2], *lines[3:]]),
        b"".join([*lines[:3], lines[2], *lines[3:]]),
        GOOD.replace(b'"n":3', b'"n":4'),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"", 1),
    ]
    expected = [checked(data) for data in tried]
    assert [isinstance(each, Holds) for each in expected] == [True] + [False] * 11
    monkeypatch.setattr(export, "BATCH_BYTES", batch)
    for size in (1, 7, 299, 4_096):
        for data, answer in zip(tried, expected, strict=True):
            pieces = [data[place : place + size] for place in range(0, len(data), size)]
            assert verify(pieces, public_key=SIGNER.public_key) == answer
    assert list(export.blocks_of(BytesIO(b"x" * 10))) == [b"x" * batch] * (10 // batch) + [b"x" * 10] * (batch > 10)


def test_a_line_without_an_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hands in gigabytes without a line's end is told so before they are read."""
    monkeypatch.setattr(export, "LINE_BYTES_MAX", 1_000)
    monkeypatch.setattr(line, "LINE_BYTES_MAX", 1_000)
    monkeypatch.setattr(export, "BATCH_BYTES", 500)
    read: list[None] = []

    def endless() -> Iterator[bytes]:
        yield GOOD[: GOOD.index(b"\n") + 1]
        while len(read) < 1_000:
            read.append(None)
            yield b"x" * 100

    result = verify(endless())
    assert isinstance(result, Broken)
    assert (result.line, result.index) == (2, 1)
    assert len(read) < 20
    # One that ends, but later than any that is written, is not taken in either, alone or among others.
    long = row(0, note="x" * 1_000)
    one = exported([long], head([long]))
    for size in (100, 400, 10_000):
        result = verify([one[place : place + size] for place in range(0, len(one), size)])
        assert isinstance(result, Broken)
        assert (result.line, result.index) == (1, 0)
    among = [
        row(0),
        replace(row(1), **{name: getattr(row(1, note="x" * 1_000), name) for name in ("header", "leaf")}),
        row(2),
    ]
    assert shared(exported(among, head(among))) == checked(exported(among, head(among)))
    assert isinstance(checked(exported(among, head(among))), Broken)


def test_the_longest_line_that_is_written_is_read() -> None:
    largest = row(0, words=bytes(sealed.PAYLOAD_BYTES_MAX), note="x" * 60_000)
    assert isinstance(checked(exported([largest], head([largest]))), Holds)


# A thousand attacks on rows ---------------------------------------------------------------------------------------------


def flipped(data: bytes, rng: random.Random) -> bytes:
    altered = bytearray(data)
    bit = rng.randrange(len(data) * 8)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def flip(of: list[Row], rng: random.Random) -> int:
    """One bit of one value of one row, as somebody with every right on the database can."""
    index = rng.randrange(len(of))
    one = of[index]
    names = [name for name in ("header", "payload_digest", "leaf", "nonce", "ciphertext") if getattr(one, name)]
    name = rng.choice(names)
    of[index] = replace(one, **{name: flipped(getattr(one, name), rng)})
    return index


def column(of: list[Row], rng: random.Random) -> int:
    index = rng.randrange(len(of))
    one = of[index]
    of[index] = rng.choice(
        [
            replace(one, kind=one.kind[:-1] + chr(ord(one.kind[-1]) ^ 1)),
            replace(one, at=one.at + timedelta(microseconds=rng.choice([-1, 1, 3_600_000_000]))),
            replace(one, subject=UUID(int=rng.randrange(10, 2**128)) if one.subject is None else None),
            replace(one, message=UUID(int=rng.randrange(1000, 2**128))),
        ]
    )
    return index


def delete(of: list[Row], rng: random.Random) -> int:
    index = rng.randrange(len(of))
    del of[index]
    return index


def delete_and_close_up(of: list[Row], rng: random.Random) -> int | None:
    index = rng.randrange(len(of))
    del of[index]
    of[index:] = [replace(one, index=one.index - 1) for one in of[index:]]
    return None  # every line is one that the gateway wrote; only the root and the size disagree


def swap(of: list[Row], rng: random.Random) -> int | None:
    first, second = sorted(rng.sample(range(len(of)), 2))
    of[first], of[second] = replace(of[second], index=first), replace(of[first], index=second)
    return None


def repeat(of: list[Row], rng: random.Random) -> int:
    index = rng.randrange(len(of))
    of.insert(index, of[index])
    return index + 1


def insert(of: list[Row], rng: random.Random) -> int | None:
    index = rng.randrange(len(of))
    of[index:] = [row(index, note="inserted"), *(replace(one, index=one.index + 1) for one in of[index:])]
    return None


def truncate(of: list[Row], rng: random.Random) -> int | None:
    del of[rng.randrange(len(of)) :]
    return None


def rewrite(of: list[Row], rng: random.Random) -> int | None:
    """Header and leaf rewritten together: only the root disagrees."""
    index = rng.randrange(len(of))
    one = of[index]
    header = one.header.replace(b'"facts":{', b'"facts":{"a":%d,' % rng.randrange(1000))
    of[index] = replace(one, header=header, leaf=leaf_hash(header, one.payload_digest))
    return None


def swap_payloads(of: list[Row], rng: random.Random) -> int:
    first, second = sorted(rng.sample([i for i, one in enumerate(of) if one.nonce], 2))
    a, b = of[first], of[second]
    of[first] = replace(a, nonce=b.nonce, ciphertext=b.ciphertext)
    of[second] = replace(b, nonce=a.nonce, ciphertext=a.ciphertext)
    return first


def plant_payload(of: list[Row], rng: random.Random) -> int:
    index = rng.choice([i for i, one in enumerate(of) if one.payload_digest is None])
    of[index] = replace(of[index], nonce=b"n" * 12, ciphertext=rng.randbytes(40))
    return index


def drop_digest(of: list[Row], rng: random.Random) -> int:
    index = rng.choice([i for i, one in enumerate(of) if one.payload_digest])
    of[index] = replace(of[index], payload_digest=None)
    return index


ATTACKS: list[Callable[[list[Row], random.Random], int | None]] = [
    *[flip] * 6,
    column,
    column,
    delete,
    delete_and_close_up,
    swap,
    repeat,
    insert,
    truncate,
    rewrite,
    swap_payloads,
    plant_payload,
    drop_digest,
]


def attacks() -> Iterator[tuple[int, Callable[[list[Row], random.Random], int | None]]]:
    for seed in range(1_000):
        yield seed, ATTACKS[seed % len(ATTACKS)]


def test_a_thousand_attacks_on_rows_are_all_found_and_named_where_they_can_be() -> None:
    good = rows(17)
    signed = head(good)
    assert isinstance(checked(exported(good, signed)), Holds)
    found = 0
    for seed, attack in attacks():
        altered = good[:]
        index = attack(altered, random.Random(seed))
        assert altered != good
        # The exporter may even sign for the file as it found it: the head is the one sealed before the attack.
        result = checked(exported(altered, signed))
        assert isinstance(result, Broken), f"seed {seed}: {attack.__name__}"
        assert result.index == index or index == len(good), f"seed {seed}: {attack.__name__}: {result}, not {index}"
        found += 1
    assert found == 1_000


# Shared out, and beside an older export -----------------------------------------------------------------------------------


def shared(data: bytes, public_key: bytes | None = SIGNER.public_key) -> Holds | Broken:
    """As several processes check it: each batch on its own, and only what came of it handed back."""
    return verify(
        lines_of(BytesIO(data)),
        public_key=public_key,
        elsewhere=lambda batches: ((batch, piece_of(batch)) for batch in batches),
    )


@pytest.mark.parametrize("batch_bytes", [1, 2_000, 5_000])
def test_work_that_is_shared_out_gives_the_same_answer_to_the_letter(
    batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH_BYTES", batch_bytes)
    good = rows(17)
    signed = head(good)
    assert shared(exported(good, signed)) == checked(exported(good, signed)) != checked(GOOD)
    for seed, attack in attacks():
        if seed % 5 == 0:
            altered = good[:]
            attack(altered, random.Random(seed))
            data = exported(altered, signed)
            assert shared(data) == checked(data), f"seed {seed}: {attack.__name__}"
    rng = random.Random(3)
    for _ in range(300):
        data = flipped(GOOD, rng)
        assert shared(data) == checked(data)
    other = exported([*FIVE[:3], row(3, tenant="other"), FIVE[4]], head(FIVE))
    assert shared(other) == checked(other)


def test_a_piece_that_was_not_checked_is_gone_through_line_by_line() -> None:
    asked: list[int] = []

    def silent(batches: Iterable[export.Batch]) -> Iterator[tuple[export.Batch, None]]:
        for batch in batches:
            asked.append(batch.count(b"\n"))
            yield batch, None

    assert verify(lines_of(BytesIO(GOOD)), public_key=SIGNER.public_key, elsewhere=silent) == checked(GOOD)
    assert asked == [5]


def test_an_older_export_names_what_the_root_alone_cannot() -> None:
    good = rows(17)
    older = exported(good[:12], head(good[:12]))
    for seed, attack in attacks():
        if attack in (delete_and_close_up, swap, insert, truncate, rewrite):
            altered = good[:]
            attack(altered, random.Random(seed))
            leaves = [one.leaf for one in altered]
            first = next((n for n, one in enumerate(good[:12]) if leaves[n : n + 1] != [one.leaf]), None)
            found = differs(lines_of(BytesIO(older)), lines_of(BytesIO(exported(altered, head(good)))))
            assert found == first, f"seed {seed}: {attack.__name__}"
    erased = [replace(one, nonce=None, ciphertext=None) for one in good]
    assert differs(lines_of(BytesIO(older)), lines_of(BytesIO(exported(erased, head(good))))) is None


# The page that outsiders read ---------------------------------------------------------------------------------------------


def outsider() -> Callable[..., dict[str, Any]]:
    page = (Path(__file__).parents[2] / "docs" / "trace.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    exec(blocks[0], names)
    verifier: Callable[..., dict[str, Any]] = names["verify"]
    return verifier


def test_a_verifier_written_from_the_page_agrees_with_ours() -> None:
    by_the_page = outsider()
    for count in range(20):
        some = rows(count)
        data = exported(some, head(some))
        assert by_the_page(data, SIGNER.public_key)["root"] == head(some).head.root.hex()
    rng = random.Random(7)
    for _ in range(500):
        with pytest.raises((AssertionError, ValueError, KeyError, TypeError, AttributeError, InvalidSignature)):
            by_the_page(flipped(GOOD, rng), SIGNER.public_key)
    for seed, attack in attacks():
        if seed < 100:
            altered = rows(17)
            attack(altered, random.Random(seed))
            with pytest.raises((AssertionError, ValueError, KeyError, TypeError, AttributeError, InvalidSignature)):
                by_the_page(exported(altered, head(rows(17))), SIGNER.public_key)

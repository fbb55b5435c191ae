"""Ids are new for each that asks: in order of time, of any thread, and of any process that was forked."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from vocabulary.ids import DRAWN, new_uuid, parsed, shown


def test_an_id_is_of_version_7_and_says_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_uuid() for _ in range(DRAWN + 1)]
    after = time.time_ns() // 1_000_000
    for each in made:
        assert (each.version, each.variant) == (7, RFC_4122)
        assert before <= each.int >> 80 <= after
        assert UUID(each.hex) == each
        assert parsed("msg", shown("msg", each)) == each


def test_all_74_random_bits_vary() -> None:
    made = [new_uuid().int for _ in range(4 * DRAWN)]
    ones = zeros = 0
    for each in made:
        ones |= each
        zeros |= ~each
    random = (0xFFF << 64) | ((1 << 62) - 1)
    assert ones & random == zeros & random == random


def test_no_two_threads_get_one_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [new_uuid() for _ in range(1_000)], range(40)))
    assert len({each for some in made for each in some}) == 40_000


def test_a_forked_process_draws_its_own() -> None:
    new_uuid()
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.write(writes, b"".join(new_uuid().bytes[6:] for _ in range(DRAWN)))
        os._exit(0)
    os.close(writes)
    with open(reads, "rb") as told:
        theirs = told.read()
    os.waitpid(child, 0)
    ours = {new_uuid().bytes[6:] for _ in range(DRAWN)}
    assert len(theirs) == 10 * DRAWN
    assert not ours & {theirs[place : place + 10] for place in range(0, len(theirs), 10)}

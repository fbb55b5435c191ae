"""Whose turn it is: one that pours waits for itself."""

from throttling.turns import Turns, in_turns, shares


def served(turns: Turns, queues: dict[str, int], sends: int) -> dict[str, int]:
    """Who got how many of so many sends, one at a time."""
    got = dict.fromkeys(queues, 0)
    for _ in range(sends):
        order = turns.order(name for name, left in queues.items() if left)
        if not order:
            break
        turns.had(order[0])
        got[order[0]] += 1
        queues[order[0]] -= 1
    return got


def test_a_queue_fifty_times_as_long_gets_no_more_than_another() -> None:
    assert served(Turns(), {"small": 100, "huge": 5000}, 200) == {"small": 100, "huge": 100}


def test_what_one_does_not_need_goes_to_the_others() -> None:
    assert served(Turns(), {"a": 3, "b": 1000, "c": 1000}, 103) == {"a": 3, "b": 50, "c": 50}


def test_who_was_silent_saves_up_nothing_and_owes_nothing() -> None:
    turns = Turns()
    assert served(turns, {"huge": 1000}, 500) == {"huge": 500}
    assert served(turns, {"huge": 500, "late": 100}, 100) == {"huge": 50, "late": 50}
    served(turns, {"huge": 500}, 400)
    assert served(turns, {"huge": 100, "late": 100}, 100) == {"huge": 50, "late": 50}


def test_shares_fill_the_room_and_leave_nobody_out_for_ever() -> None:
    assert shares([], 10) == {}
    assert shares(["a"], 10) == {"a": 10}
    assert shares(["a", "b", "c"], 10) == {"a": 4, "b": 4, "c": 4}
    assert shares(list("abcdef"), 2) == {"a": 1, "b": 1}


def test_everybody_s_first_comes_before_anybody_s_second() -> None:
    owners = ["a", "a", "a", "b", "b", "c"]
    assert [owners[place] for place in in_turns(owners, ["c", "b", "a"])] == ["c", "b", "a", "b", "a", "a"]
    assert in_turns(owners, ["c", "b", "a"]) == [5, 3, 0, 4, 1, 2]

"""Values that are made quickly are the same values: their arguments, defaults, equality, hash, copies and refusals."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from vocabulary.values import changed, quickly_made, reading


@dataclass(frozen=True, slots=True)
class Slow:
    """As dataclasses make it."""

    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list, kw_only=True)


@quickly_made
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made quickly."""

    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list, kw_only=True)


def _outcome(make: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    try:
        made = make(*arguments, **named)
    except TypeError:
        return TypeError
    return made.first, made.second, made.third


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((1,), {}),
        ((1, "b"), {"third": [3]}),
        ((), {"second": "b", "first": 1}),
        ((1,), {"third": None}),
        ((), {}),
        ((1, "b", [3]), {}),
        ((1,), {"fourth": 4}),
        ((1,), {"first": 1}),
    ],
)
def test_it_takes_and_refuses_what_the_slow_one_does(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert _outcome(Quick, arguments, named) == _outcome(Slow, arguments, named)


def test_it_is_frozen_equal_copied_and_shown_like_the_slow_one() -> None:
    quick = Quick(1)
    with pytest.raises(FrozenInstanceError):
        quick.first = 2  # type: ignore[misc]
    assert quick == Quick(1)
    assert quick != Quick(2)
    assert replace(quick, second="b") == Quick(1, "b")
    assert repr(quick) == repr(Slow(1)).replace("Slow", "Quick")
    assert quick.third is not Quick(1).third, "what is made is made anew for each"


@dataclass(frozen=True)
class _Loose:
    first: int


@dataclass(frozen=True, slots=True)
class _Thinks:
    first: int

    def __post_init__(self) -> None:
        raise ValueError


@dataclass(frozen=True, slots=True)
class _Makes:
    first: int = field(init=False)


@pytest.mark.parametrize("kind", [_Loose, _Thinks, _Makes])
def test_what_it_cannot_make_alike_is_refused(kind: type) -> None:
    with pytest.raises(TypeError):
        quickly_made(kind)


@pytest.mark.parametrize("changes", [{}, {"first": 5}, {"second": "b", "third": [1]}, {"fourth": 4}])
def test_a_changed_value_is_what_replace_makes(changes: dict[str, Any]) -> None:
    for value in (Slow(1, "x", third=[2]), Quick(1, "x", third=[2])):
        before = (value.first, value.second, value.third)
        if "fourth" in changes:
            with pytest.raises(TypeError):
                changed(value, **changes)
        else:
            assert changed(value, **changes) == replace(value, **changes)
            assert type(changed(value, **changes)) is type(value)
        assert (value.first, value.second, value.third) == before


def test_what_does_more_than_keep_what_it_is_given_is_not_changed_so() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        first: int

        def __post_init__(self) -> None:
            assert self.first > 0

    with pytest.raises(TypeError):
        changed(Checked(1), first=-1)


@pytest.mark.parametrize("kind", [Slow, Quick])
def test_what_is_read_from_a_row_is_what_it_would_be_made_of(kind: type[Any]) -> None:
    read = reading(kind, made={"second": str.upper}, under={"second": "b"}, beside=("third",))
    value = read({"first": 1, "b": "two", "more": None}, [3])
    assert type(value) is kind
    assert value == kind(1, "TWO", third=[3])
    assert repr(value) == repr(kind(1, "TWO", third=[3]))
    assert replace(value, first=2) == changed(value, first=2) == kind(2, "TWO", third=[3])
    with pytest.raises(FrozenInstanceError):
        value.first = 5
    with pytest.raises(KeyError):
        read({"first": 1}, [3])


@pytest.mark.parametrize("kind", [_Loose, _Thinks])
def test_what_it_cannot_read_alike_is_refused(kind: type) -> None:
    with pytest.raises(TypeError):
        reading(kind)

"""Makes frozen dataclasses quickly: those of which every message makes several, where freezing would cost as much as deciding.

A frozen dataclass fills each field through ``object.__setattr__``, which looks for it by name again. What stands in slots can be
filled by the slots' own descriptors: less than half the time, and the same class in everything else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Final, TypeVar

T = TypeVar("T")

_become: Final[Any] = vars(object)["__class__"].__set__


def quickly_made(cls: type[T]) -> type[T]:
    """Put above ``@dataclass(frozen=True, slots=True)``: only ``__init__`` changes. TypeError for what it cannot make."""
    if hasattr(cls, "__post_init__") or "__slots__" not in vars(cls):
        raise TypeError(f"{cls.__name__} has no slots, or does more than keep what it is given")
    within: dict[str, Any] = {}
    parameters: list[str] = []
    by_name: list[str] = []
    body: list[str] = []
    for each in fields(cls):  # type: ignore[arg-type] # the decorator below this one made it one
        if not each.init:
            raise TypeError(f"{cls.__name__}.{each.name} is made, not given")
        parameter = value = each.name
        if each.default is not MISSING:
            within[f"default_{each.name}"] = each.default
            parameter += f"=default_{each.name}"
        elif each.default_factory is not MISSING:
            within |= {f"make_{each.name}": each.default_factory, "missing": MISSING}
            parameter += "=missing"
            value = f"make_{each.name}() if {each.name} is missing else {each.name}"
        (by_name if each.kw_only else parameters).append(parameter)
        within[f"fill_{each.name}"] = _slot(cls, each.name).__set__
        body.append(f"    fill_{each.name}(self, {value})")
    signature = ", ".join(["self", *parameters, *(["*", *by_name] if by_name else [])])
    # Names of fields are identifiers that stand in the source: this is what dataclasses do themselves.
    exec("\n".join([f"def __init__({signature}):", *body]), within)  # noqa: S102
    made = within["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    made.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = made  # type: ignore[method-assign]
    return cls


def reading(
    cls: type[T],
    *,
    made: Mapping[str, Callable[[Any], Any]] | None = None,
    under: Mapping[str, str] | None = None,
    beside: Sequence[str] = (),
) -> Callable[..., T]:
    """A function that makes a value out of a row which has its fields under their names: a fifth of the time of naming them all.

    ``made``: what becomes of what stands in the row. ``under``: other names. ``beside``: fields that are given after the row, in this
    order. TypeError for a class that does more than keep what it is given.

    It is filled as an open twin of the class, whose slots are the same, and becomes one of the class when it is whole.
    """
    if hasattr(cls, "__post_init__") or "__slots__" not in vars(cls):
        raise TypeError(f"{cls.__name__} has no slots, or does more than keep what it is given")
    made, under = made or {}, under or {}
    twin = type(cls.__name__, cls.__bases__, {"__slots__": vars(cls)["__slots__"]})
    within: dict[str, Any] = {"become": _become, "twin": twin, "new": twin.__new__, "shut": cls}
    body = ["    it = new(twin)"]
    for each in fields(cls):  # type: ignore[arg-type] # a dataclass
        name, value = each.name, f"row[{under.get(each.name, each.name)!r}]"
        if name in beside:
            value = name
        if name in made:
            within[f"make_{name}"] = made[name]
            value = f"make_{name}({value})"
        body.append(f"    it.{name} = {value}")
    body += ["    become(it, shut)", "    return it"]
    # Names of fields and columns stand in the source, as above.
    exec("\n".join([f"def read({', '.join(['row', *beside])}):", *body]), within)  # noqa: S102
    read: Callable[..., T] = within["read"]
    return read


def changed(value: T, **changes: Any) -> T:
    """What ``dataclasses.replace`` makes of a value in slots, in a third of its time. TypeError for a field that it does not have."""
    cls: Any = type(value)
    made: T = cls.__new__(cls)
    for name, fill in _fills(cls):
        fill(made, changes.pop(name) if name in changes else getattr(value, name))
    if changes:
        raise TypeError(f"{cls.__name__} has no {', '.join(changes)}")
    return made


@cache
def _fills(cls: type) -> list[tuple[str, Any]]:
    if hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} does more than keep what it is given")
    return [(each.name, _slot(cls, each.name).__set__) for each in fields(cls)]


def _slot(cls: type, name: str) -> Any:
    for each in cls.__mro__:
        if name in vars(each).get("__slots__", ()):
            return vars(each)[name]
    raise TypeError(f"{cls.__name__}.{name} stands in no slot")

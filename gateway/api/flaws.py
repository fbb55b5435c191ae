"""Finds everything that is wrong with a value, each with its JSON Pointer; msgspec itself stops at the first and names no map key.

Runs only after a value was refused, and stops after so many flaws, so that a hostile body cannot keep it busy.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from enum import Enum
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from gateway.refusals import Flaw

FLAWS_MAX: Final = 20
#: A longer name of a field is compared with known ones so far only.
NAME_CHARS_MAX: Final = 64
#: More values than these are looked up in the description.
VALUES_MAX: Final = 40

_WORDS: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "RFC 3339 instant",
    "date": "day as YYYY-MM-DD",
}
_QUOTED = re.compile(r"`([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")
_INSTANT = re.compile(r"Invalid RFC3339 encoded datetime|.*timezone component.*")
_DAY = re.compile(r"Invalid RFC3339 encoded date")
_GIVEN = re.compile(r"Invalid (?:enum )?value\b")
#: What a description helps with: a pattern, and another kind of value than was given.
_SHAPE = re.compile(r"matching regex|, got ")
_MISSING = re.compile(r"Object missing required field `(.*)`")


def pointer_of(base: str, name: str) -> str:
    """A JSON Pointer (RFC 6901 §3) one step further down."""
    return f"{base}/{name.replace('~', '~0').replace('/', '~1')}"


def flaws_of(value: Any, kind: Any, first: msgspec.ValidationError) -> list[Flaw]:
    """The flaws of a value that is not of the type ``kind``; at least what msgspec said first."""
    return list(islice(_flaws(value, kind, ""), FLAWS_MAX)) or [_flaw(first, kind, "")]


def _flaws(value: Any, kind: Any, pointer: str) -> Iterator[Flaw]:
    sound = True
    for flaw in _inside(value, kind, pointer):
        sound = False
        yield flaw
    if sound:
        # Whatever the parts do not explain: another kind of value, a bound, a pattern, a tag.
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield _flaw(error, kind, pointer)


def _inside(value: Any, kind: Any, pointer: str) -> Iterator[Flaw]:
    """What is wrong with the parts of a value, if its type has parts that can be told apart."""
    plain = _plain(kind)
    origin = get_origin(plain)
    if origin in (Union, UnionType):
        choice = _choice(value, get_args(plain))
        if choice is not None:
            yield from _flaws(value, choice, pointer)
    elif origin is list and isinstance(value, list) and _bounded(value, list[Any], kind):
        (item,) = get_args(plain)
        for index, part in enumerate(value):
            yield from _flaws(part, item, f"{pointer}/{index}")
    elif origin is dict and isinstance(value, dict) and _bounded(value, dict[str, Any], kind):
        name_kind, member_kind = get_args(plain)
        for name, member in value.items():
            yield from _flaws(name, name_kind, pointer_of(pointer, name))
            yield from _flaws(member, member_kind, pointer_of(pointer, name))
    elif isinstance(plain, type) and issubclass(plain, msgspec.Struct) and isinstance(value, dict):
        yield from _members(value, plain, pointer)


def _members(value: dict[str, Any], kind: type[msgspec.Struct], pointer: str) -> Iterator[Flaw]:
    tag = kind.__struct_config__.tag_field
    known = {tag} if tag else set()
    for member in msgspec.structs.fields(kind):
        name = member.encode_name
        known.add(name)
        if name in value:
            yield from _flaws(value[name], member.type, pointer_of(pointer, name))
        elif member.required:
            yield Flaw(pointer_of(pointer, name), "Required, and left out.")
    for name in value:
        if name not in known:
            yield Flaw(pointer_of(pointer, name), _unknown(name, kind, known))


def _unknown(name: str, kind: type[msgspec.Struct], known: set[str]) -> str:
    """What is told of a field that is none: the one further in that it was meant for, or those that there are."""
    for member in msgspec.structs.fields(kind):
        if any(name in _names(inner) for inner in _structs(member.type)):
            return f"No such field here: it stands in {member.encode_name}."
    near = get_close_matches(name[:NAME_CHARS_MAX].lower(), known, 1)
    meant = f" (is {near[0]} meant?)" if near else ""
    told = f"; there are {', '.join(sorted(known))}" if 0 < len(known) <= VALUES_MAX else ""
    return f"No such field{meant}{told}."


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The objects that may stand where a type stands, itself or in one of its choices; lists are not looked into."""
    plain = _plain(kind)
    if get_origin(plain) in (Union, UnionType):
        for part in get_args(plain):
            yield from _structs(part)
    elif isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        yield plain


def _names(kind: type[msgspec.Struct]) -> list[str]:
    return [member.encode_name for member in msgspec.structs.fields(kind)]


def _choice(value: Any, kinds: tuple[Any, ...]) -> Any:
    """The one member of a union whose parts a value can be compared with: by its JSON kind, and by its tag."""
    if isinstance(value, list):
        return next((kind for kind in kinds if get_origin(_plain(kind)) is list), None)
    if not isinstance(value, dict):
        return None
    structs = [plain for plain in map(_plain, kinds) if isinstance(plain, type) and issubclass(plain, msgspec.Struct)]
    if len(structs) == 1:
        return structs[0]
    for struct in structs:
        config = struct.__struct_config__
        if config.tag_field and value.get(config.tag_field) == config.tag:
            return struct
    return next((kind for kind in kinds if get_origin(_plain(kind)) is dict), None)


def _bounded(value: Any, loose: Any, kind: Any) -> bool:
    """Whether a list or map keeps its own limits; its parts are worth a look only then."""
    metas = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    try:
        msgspec.convert(value, Annotated[loose, *metas] if metas else loose)
    except msgspec.ValidationError:
        return False
    return True


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _flaw(error: msgspec.ValidationError, kind: Any, pointer: str) -> Flaw:
    """msgspec's words, its path as a pointer, JSON's names for types instead of Python's, and what would have fitted."""
    text, _, path = str(error).partition(" - at ")
    steps = [name or index for name, index in _STEP.findall(path.split("$", 1)[-1].rstrip("`"))]
    for step in steps:
        pointer = pointer_of(pointer, step)
    if missing := _MISSING.fullmatch(text):
        return Flaw(pointer_of(pointer, missing[1]), "Required, and left out.")
    if _GIVEN.match(text):
        # What was given is the caller's, and may be a person's: it is never said again.
        values = _values(kind, steps)
        known = f": {', '.join(values)}" if 0 < len(values) <= VALUES_MAX else ""
        return Flaw(pointer, f"None of the values that may stand here{known}.")
    if _INSTANT.fullmatch(text):
        return Flaw(pointer, "Expected an RFC 3339 instant with an offset, such as 2026-11-24T10:00:00-05:00.")
    if _DAY.fullmatch(text):
        return Flaw(pointer, "Expected a day as YYYY-MM-DD, such as 2026-11-24.")
    # How our patterns say "here it ends" (see gateway.asks) is of no interest to people.
    text = text.replace("(?![\\\\s\\\\S])", "$").replace("\\\\", "\\")
    text = _QUOTED.sub(lambda m: " | ".join(_WORDS.get(w, w) for w in m[1].split(" | ")), text)
    told = "" if steps or not _SHAPE.search(text) else _told(kind)
    return Flaw(pointer, f"{text}: {told.removesuffix('.')}." if told else f"{text}.")


def _values(kind: Any, steps: list[str]) -> list[str]:
    """What may stand where a value was given that may not: a choice's members, or the tags of what may stand around it."""
    plain = _plain(kind)
    origin = get_origin(plain)
    if origin in (Union, UnionType):
        return list(dict.fromkeys(value for part in get_args(plain) for value in _values(part, steps)))
    if origin is Literal and not steps:
        return [str(value) for value in get_args(plain)]
    if isinstance(plain, type) and issubclass(plain, Enum) and not steps:
        return [str(member.value) for member in plain]
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        config = plain.__struct_config__
        return [str(config.tag)] if config.tag_field and steps == [config.tag_field] else []
    return []


def _told(kind: Any) -> str:
    """What the description says of a type or of its first choice that it describes, else the fields of its one object."""
    metas = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    said = [meta.description for meta in metas if getattr(meta, "description", None)]
    plain = _plain(kind)
    if not said and get_origin(plain) in (Union, UnionType):
        said = [told for part in get_args(plain) if part is not NoneType and (told := _told(part))]
    if not said and isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        said = [f"an object of {', '.join(_names(plain)[:VALUES_MAX])}"]
    return said[0].replace("`", "") if said else ""

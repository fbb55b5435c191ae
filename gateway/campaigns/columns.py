"""What the first line of a campaign file says its columns stand for, and which column a pointer into a message speaks of.

A file may have come without that line, and its first row is then a person: no cell of it is ever said again, only where it stands.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from string import ascii_uppercase
from typing import Any, Final

PASS_OVER: Final = "-"  # noqa: S105 - what a column is mapped to, no secret
COLUMNS_MAX: Final = 200
#: A longer name is compared with known ones so far only.
NAME_CHARS_MAX: Final = 64
#: Columns that mean nothing are told one by one up to here.
STRANGE_TOLD_MAX: Final = 20

ADDRESSES: Final = ("sms", "whatsapp", "voice", "email", "telegram")
PERSON: Final = ("name", "role", "locale", "jurisdictions", "zones", "household")
EACH_ADDRESS: Final = ("address_kind", "address_source", "authorised_at", "authorised_instrument")
DEBT: Final = ("debt", "creditor", "contract_signed", "due", "debt_kind")
MESSAGE: Final = ("send_at", "expires_at", "idempotency_key")
FIELDS: Final = ("contact", *PERSON, *ADDRESSES, *EACH_ADDRESS, *DEBT, *MESSAGE)
#: Other names under which files bring the same; in small letters.
SAME_AS: Final[Mapping[str, str]] = {
    "contact_id": "contact", "id": "contact", "phone": "sms", "mobile": "sms", "mail": "email", "e-mail": "email",
    "jurisdiction": "jurisdictions", "zone": "zones", "timezone": "zones", "language": "locale", "debt_id": "debt",
    "key": "idempotency_key",
}  # fmt: skip
VARIABLE: Final = "var."
METADATA: Final = "meta."

#: Where a member of an address or a debt came from.
_OF_ADDRESS: Final = {
    "kind": "address_kind", "source": "address_source", "at": "authorised_at", "instrument": "authorised_instrument"
}  # fmt: skip
_OF_DEBT: Final = {"id": "debt", "kind": "debt_kind"}
#: Members of a message that are no column's, and the option that says them for every row.
_OPTIONS: Final = {
    "channel": "--channel", "channels": "--channel", "purpose": "--purpose", "spread_seconds": "--spread",
    "jurisdictions": "--jurisdiction", "zones": "--zone", "template": "--template", "template_version": "--template-version",
}  # fmt: skip


class Unreadable(Exception):
    """The file cannot be a campaign at all; the text says why and where, and never what stands there."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns in order, what each stands for (nothing: passed over), and the name of the one that stands for something."""

    names: tuple[str, ...]
    meanings: tuple[tuple[str, ...], ...]
    of: Mapping[str, str]

    def where(self, pointer: str, body: Mapping[str, Any]) -> str:
        """The column that a JSON Pointer into the message of a row speaks of; without one the option, else the pointer."""
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        meaning = _meaning(steps, body)
        return self.of.get(meaning) or _OPTIONS.get(meaning) or meaning or pointer


def read_columns(header: Sequence[str], variables: Collection[str], mapping: Mapping[str, str]) -> Columns:
    """Read the first line. ``mapping``: columns by what they stand for, ``-`` to pass over. Raises Unreadable."""
    names = [cell.strip() for cell in header]
    if not any(names):
        raise Unreadable(f"the first line must name the columns, and is empty; {_known(variables)}")
    if len(names) > COLUMNS_MAX:
        raise Unreadable(f"more than {COLUMNS_MAX} columns")
    absent = [column for column in mapping if column not in names]
    if absent:
        raise Unreadable(f"--map names {', '.join(absent)}, and the first line has no such column")
    found = [_meant(name, mapping.get(name), variables) for name in names]
    strange = [index for index, meant in enumerate(found) if meant is None]
    if strange:
        told = ", ".join(_place(index, names[index], variables) for index in strange[:STRANGE_TOLD_MAX])
        more = f" and {len(strange) - STRANGE_TOLD_MAX} more" if len(strange) > STRANGE_TOLD_MAX else ""
        raise Unreadable(
            f"the first line must name the columns; it names nothing known here in column {told}{more}. Name the meaning "
            f"(--map COLUMN=FIELD) or pass over it (--map COLUMN={PASS_OVER}); {_known(variables)}"
        )
    meanings = tuple(meant or () for meant in found)
    first: dict[str, int] = {}
    for index, meant in enumerate(meanings):
        for meaning in meant:
            if meaning in first:
                raise Unreadable(
                    f"more than one column stands for {meaning}: {_letter(first[meaning])} and {_letter(index)}"
                )
            first[meaning] = index
    if "contact" not in first:
        raise Unreadable(f"no column stands for contact: the CRM's own id of the person; {_known(variables)}")
    return Columns(tuple(names), meanings, {meaning: names[index] for meaning, index in first.items()})


def _meant(name: str, mapped: str | None, variables: Collection[str]) -> tuple[str, ...] | None:
    """What a column stands for; one that is a field and a variable of the template at once stands for both."""
    if mapped == PASS_OVER:
        return ()
    name = name if mapped is None else mapped
    small = name.lower().replace(" ", "_")
    if small.startswith(VARIABLE):
        return (small,) if small.removeprefix(VARIABLE) in variables else None
    if small.startswith(METADATA):
        return (METADATA + name[len(METADATA) :],)
    meant: list[str] = []
    if small in FIELDS or small in SAME_AS:
        meant.append(SAME_AS.get(small, small))
    if small in variables:
        meant.append(VARIABLE + small)
    return tuple(meant) or None


def _known(variables: Collection[str]) -> str:
    ours = f", the template's {', '.join(variables)}" if variables else ""
    return f"fields are {', '.join(FIELDS)}{ours}, {VARIABLE}NAME and {METADATA}NAME"


def _place(index: int, name: str, variables: Collection[str]) -> str:
    name = name[:NAME_CHARS_MAX]
    near = get_close_matches(name.lower().replace(" ", "_"), (*FIELDS, *SAME_AS, *variables), 1)
    return f"{_letter(index)} (is {near[0]} meant?)" if near else _letter(index)


def _letter(index: int) -> str:
    """A column as spreadsheets name it: A, B, ... Z, AA."""
    letters = ""
    while index >= 0:
        index, rest = divmod(index, len(ascii_uppercase))
        letters = ascii_uppercase[rest] + letters
        index -= 1
    return letters


def _meaning(steps: Sequence[str], body: Mapping[str, Any]) -> str:
    """What stands in a message at a pointer, by the name that a column would have; empty where no column could."""
    match steps:
        case ["contact"] | ["contact", "id"]:
            return "contact"
        case ["contact", "addresses", index, "address" | "channel"]:
            return str(body["contact"]["addresses"][int(index)]["channel"])
        case ["contact", "addresses", _, *_, member]:
            return _OF_ADDRESS.get(member, "")
        case ["contact", member, *_]:
            return member if member in PERSON else ""
        case ["debts", _]:
            return "debt"
        case ["debts", _, member, *_]:
            return _OF_DEBT.get(member, member)
        case ["content", "variables", name]:
            return VARIABLE + name
        case ["metadata", name]:
            return METADATA + name
        case ["content", member] | [member, *_]:
            return member if member in MESSAGE or member in _OPTIONS else ""
        case _:
            return ""

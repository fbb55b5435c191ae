"""What a provider says, in JSON, as a form or as one line of text, and a tiny language for where a thing stands in it.

A path is names and numbers joined by dots: ``messages.0.status`` is the field ``status`` of the first of ``messages``. In
a form a whole path is one field's name; of a line, cut at the separator, the parts are ``0``, ``1`` and so on. Whatever is
not there, or is neither text nor number nor truth value, is simply not there: a reading never raises.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl

PATH_STEPS_MAX: Final = 16
FORM_FIELDS_MAX: Final = 200
REASON_CHARACTERS_MAX: Final = 200

_STEP: Final = re.compile(r"[^\s.\x00-\x1f]{1,64}")
_IDENTIFIER: Final = re.compile(r"[\x21-\x7e]{1,128}")
# Six digits and more, with what people put between them: a number of a person, or a code that only she should know.
_NUMBER: Final = re.compile(r"\+?[0-9](?:[ ().\-]{0,2}[0-9]){5,}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

#: Something that was read: a JSON value, the fields of a form, the parts of a line; None when it could not be read.
Document = object


class Format(StrEnum):
    """How a provider writes."""

    JSON = "json"
    FORM = "form"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Path:
    """Where a thing stands. Raises ``ValueError`` when the text is no path."""

    text: str

    def __post_init__(self) -> None:
        steps = self.text.split(".")
        if len(steps) > PATH_STEPS_MAX or not all(_STEP.fullmatch(step) for step in steps):
            raise ValueError("not a path such as messages.0.id")

    def found_in(self, document: Document) -> Document:
        """What stands there, or None."""
        if isinstance(document, dict) and self.text in document:
            # The fields of a form, whose names may have dots in them.
            return document[self.text]
        for step in self.text.split("."):
            if isinstance(document, dict):
                document = document.get(step)
            elif isinstance(document, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(document):
                document = document[int(step[:9])]
            else:
                return None
        return document


def opened(form: Format, body: bytes | None, separator: str | None = None) -> Document:
    """Read a body in UTF-8; None when it cannot be read so. Of a form field that stands twice the first counts."""
    if body is None:
        return None
    try:
        text = body.decode()
        match form:
            case Format.JSON:
                return json.loads(text)
            case Format.FORM:
                pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
                return dict(reversed(pairs)) or None
            case Format.TEXT:
                line = text.strip()
                if not line:
                    return None
                return [part.strip() for part in line.split(separator)] if separator else [line]
    except (ValueError, RecursionError):
        return None


def told(document: Document, path: Path | None) -> str | None:
    """The text, number or truth value at a path, as text; None when there is none or no path is known."""
    found = None if path is None else path.found_in(document)
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float):
        return str(found)
    return found if isinstance(found, str) else None


def identifier(document: Document, path: Path | None) -> str | None:
    """A provider's identifier at a path: printable, without spaces, at most 128 characters."""
    found = told(document, path)
    return found if found is not None and _IDENTIFIER.fullmatch(found) else None


def word(document: Document, path: Path | None) -> str | None:
    """A word of a provider's own, such as a status, fit to be kept and shown; None when it is empty or no word."""
    found = told(document, path)
    if found is None or not found.strip() or len(found) > 64 or _UNPRINTABLE.search(found):
        return None
    return found.strip()


def wholesome(text: str) -> str:
    """A text of a person's as PostgreSQL can keep it: without NUL, and with no half of a surrogate pair."""
    # A NUL must not be what keeps a STOP from being heard.
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def encodable(text: str) -> bool:
    """Whether a text is Unicode at all: half of a surrogate pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def scrubbed(word: str) -> str:
    """A provider's word without what may be a person's number."""
    return _NUMBER.sub("(number)", word)


def reason(words: str) -> str:
    """A provider's own words fit to be kept and shown: on one line, without what may be a person's number, cut short."""
    return _UNPRINTABLE.sub(" ", scrubbed(words))[:REASON_CHARACTERS_MAX]

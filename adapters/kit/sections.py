"""Tables within a provider's table of ``tregua.toml``: read like the table itself, refused by the whole name of the setting."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Final, Self, TypeVar

from adapters.kit.documents import Path
from adapters.kit.settings import SettingsError, Table
from adapters.kit.templates import Template, TemplateError

ENTRIES_MAX: Final = 500
MARK_CHARACTERS_MAX: Final = 16

Word = TypeVar("Word", bound=StrEnum)


class Section(Table):
    """One table while it is read. ``within`` is its name under ``[providers.NAME]``; empty for that table itself."""

    def __init__(self, provider: str, table: Mapping[str, object], within: str = "") -> None:
        super().__init__(f"{provider}.{within}" if within else provider, table)
        if within:
            self._left = dict(table)

    def given(self, name: str) -> bool:
        """Whether the setting is there at all."""
        return name in self._left

    def section(self, name: str) -> Self | None:
        """A table under this one."""
        return None if (table := self._mapping(name)) is None else type(self)(self._provider, table, name)

    def needed(self, name: str) -> Self:
        """A table under this one that must be there."""
        section = self.section(name)
        if section is None:
            raise self.wrong(name, "is missing: it must be a table")
        return section

    def sections(self, name: str) -> list[Self]:
        """Tables that were written ``[[providers.PROVIDER.NAME]]``, in order."""
        self._known.append(name)
        if not self.given(name):
            return []
        value = self._left.pop(name)
        if not isinstance(value, list) or not value or not all(isinstance(entry, Mapping) for entry in value):
            raise self.wrong(name, f"must be tables, each written [[…{name}]]")
        return [type(self)(self._provider, entry, f"{name}.{index}") for index, entry in enumerate(value)]

    def one_of(self, name: str, words: type[Word], default: Word | None = None) -> Word:
        """One of a closed list of words."""
        value = self.text_or_none(name)
        if value is None and default is not None:
            return default
        if value is None or value not in set(words):
            raise self.wrong(name, f"must be one of: {', '.join(words)}")
        return words(value)

    def path(self, name: str) -> Path | None:
        """Where something stands in what the provider says."""
        value = self.text_or_none(name)
        try:
            return None if value is None else Path(value)
        except ValueError:
            raise self.wrong(name, "must be a path such as messages.0.id") from None

    def needed_path(self, name: str) -> Path:
        """A path that must be there."""
        path = self.path(name)
        if path is None:
            raise self.wrong(name, "is missing: it must be a path such as messages.0.id")
        return path

    def texts(self, name: str, *, empty: bool = False) -> tuple[str, ...]:
        """A list of texts; none of them empty, unless that has a meaning here."""
        self._known.append(name)
        if not self.given(name):
            return ()
        value = self._left.pop(name)
        if not isinstance(value, list) or not value or len(value) > ENTRIES_MAX:
            raise self.wrong(name, 'must be a list such as ["one", "two"]')
        if not all(isinstance(entry, str) and (empty or entry) for entry in value):
            raise self.wrong(name, "must be a list of texts that are not empty")
        return tuple(value)

    def mark_or_none(self, name: str) -> str | None:
        """A short text in which a space counts, such as what stands between two others; it may be left out."""
        self._known.append(name)
        if not self.given(name):
            return None
        value = self._left.pop(name)
        if not isinstance(value, str) or not 0 < len(value) <= MARK_CHARACTERS_MAX:
            raise self.wrong(name, f"must be a text of 1 to {MARK_CHARACTERS_MAX} characters")
        return value

    def named(self, name: str) -> Mapping[str, str]:
        """A table of texts by names of the operator's own."""
        table = self._mapping(name) or {}
        for key, value in table.items():
            if not isinstance(value, str) or not value:
                raise self.wrong(f"{name}.{key}", "must be a text that is not empty")
        return {key: str(value) for key, value in table.items()}

    def words(self, name: str, meanings: type[Word]) -> Mapping[str, Word]:
        """A table from the provider's words to ours."""
        known = set(meanings)
        table = self.named(name)
        for key, value in table.items():
            if value not in known:
                raise self.wrong(f"{name}.{key}", f"must be one of: {', '.join(meanings)}")
        return {key: meanings(value) for key, value in table.items()}

    def template(self, name: str, parse: Callable[[str], Template]) -> Template:
        """A template that must be there."""
        return self._parsed(name, parse, self.text(name))

    def template_or_none(self, name: str, parse: Callable[[str], Template]) -> Template | None:
        """A template that may be left out. Space around it, such as a line break before JSON, is no part of it."""
        self._known.append(name)
        if not self.given(name):
            return None
        value = self._left.pop(name)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "must be a text that is not empty")
        return self._parsed(name, parse, value.strip())

    def templates(self, name: str, parse: Callable[[str, str], Template]) -> Mapping[str, Template] | None:
        """A table of templates; ``parse`` is handed the name and the text. None when the table is not there."""
        if not self.given(name):
            self._known.append(name)
            return None
        return {key: self._parsed(f"{name}.{key}", partial(parse, key), text) for key, text in self.named(name).items()}

    def _parsed(self, name: str, parse: Callable[[str], Template], text: str) -> Template:
        try:
            return parse(text)
        except TemplateError as error:
            raise self.wrong(name, str(error)) from None

    def done(self) -> None:
        """Refuse every setting that nobody asked for."""
        if self._left:
            known = ", ".join(dict.fromkeys(self._known))
            unknown = ", ".join(sorted(self._left))
            raise SettingsError(f"[providers.{self._provider}] has unknown settings: {unknown}. Known are: {known}")

    def _mapping(self, name: str) -> Mapping[str, object] | None:
        self._known.append(name)
        if not self.given(name):
            return None
        value = self._left.pop(name)
        if not isinstance(value, Mapping) or not all(isinstance(key, str) and key for key in value):
            raise self.wrong(name, "must be a table")
        if not value or len(value) > ENTRIES_MAX:
            raise self.wrong(name, f"must have from 1 to {ENTRIES_MAX} entries")
        return value

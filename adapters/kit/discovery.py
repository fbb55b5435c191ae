"""Finds the ways out: every module of ``adapters`` that has a ``SPEC`` is one."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import adapters
from adapters.kit.port import Adapter
from vocabulary.channel import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a file of ``adapters`` says about itself.

    ``build`` takes the operator's name for the way, its table in ``tregua.toml`` and the secret that marks attempts; it
    raises ``SettingsError`` and opens nothing. ``hooks`` are the kinds of hook that the provider calls.
    """

    kind: str
    channel: Channel
    hooks: frozenset[str]
    build: Callable[[str, Mapping[str, object], bytes], Adapter]


def specs() -> dict[str, Spec]:
    """Every ``SPEC`` by its ``kind``. Raises ``ValueError`` when two files claim one kind."""
    found: dict[str, Spec] = {}
    for module_name in modules():
        spec = getattr(importlib.import_module(module_name), "SPEC", None)
        if not isinstance(spec, Spec):
            continue
        if spec.kind in found:
            raise ValueError(f"two adapters claim the kind {spec.kind!r}; the second is {module_name}")
        found[spec.kind] = spec
    return found


def modules() -> list[str]:
    """The dotted names of the files that stand directly in ``adapters``, in order."""
    return sorted(f"adapters.{entry.name}" for entry in pkgutil.iter_modules(adapters.__path__) if not entry.ispkg)

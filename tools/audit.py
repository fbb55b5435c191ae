"""Asks for known weaknesses of every pinned package: ``make audit``. Fails on a finding, and when a package could not be asked about."""

# ruff: noqa: S603 - every command below is made of this file's own words

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT: Final = Path(__file__).resolve().parent.parent


def command(pins: Path, service: str) -> list[str]:
    """``--strict``: a package that the service does not know fails too, so that silence is never taken for health."""
    options = [
        "--require-hashes",
        "--disable-pip",
        "--strict",
        "--progress-spinner=off",
        f"--vulnerability-service={service}",
    ]
    return [sys.executable, "-m", "pip_audit", *options, "-r", str(pins)]


@dataclass(frozen=True, slots=True)
class Advisory:
    """What is known of one package: single versions, and spans from one version to before another (or up to one, included)."""

    name: str
    versions: frozenset[str]
    spans: tuple[tuple[str, str | None, str | None], ...]

    def fits(self, version: Version) -> bool:
        """Whether it is about this version."""
        return str(version) in self.versions or any(
            version >= Version("0" if since == "0" else since)
            and (before is None or version < Version(before))
            and (last is None or version <= Version(last))
            for since, before, last in self.spans
        )


def advisories(folder: Path) -> dict[str, list[Advisory]]:
    """By package, from a folder of OSV files (https://ossf.github.io/osv-schema), as github.com/pypa/advisory-database has them."""
    found: dict[str, list[Advisory]] = {}
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.json")]):
        told = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        for one in () if told.get("withdrawn") else told.get("affected", ()):
            if one["package"]["ecosystem"] == "PyPI":
                spans = [span for kept in one.get("ranges", ()) if kept["type"] == "ECOSYSTEM" for span in _spans(kept)]
                versions = frozenset(str(each) for each in one.get("versions", ()))
                advisory = Advisory(told["id"], versions, tuple(spans))
                found.setdefault(canonicalize_name(one["package"]["name"]), []).append(advisory)
    return found


def _spans(kept: dict[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    since: str | None = None
    for event in kept["events"]:
        if "introduced" in event:
            since = str(event["introduced"])
        elif since is not None:
            yield since, event.get("fixed"), event.get("last_affected")
            since = None
    if since is not None:
        yield since, None, None


def against(folder: Path, files: Iterable[Path]) -> list[str]:
    """Which pins of these files stand in which advisory."""
    known = advisories(folder)
    if not known:
        raise SystemExit(f"{folder} holds no advisory of a Python package")
    print(f"{sum(map(len, known.values()))} advisories about {len(known)} packages")
    pins = {
        (canonicalize_name(name), Version(version))
        for file in files
        for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", file.read_text(), re.M)
    }
    print(f"{len(pins)} pins, {sum(name in known for name, _ in pins)} of packages that have had one")
    return [
        f"{name} {version}: {one.name}"
        for name, version in sorted(pins)
        for one in known.get(name, ())
        if one.fits(version)
    ]


def main() -> int:
    """Audit every file of pins; the first argument names the service, pypi (the default) or osv, or a folder of advisories."""
    service = sys.argv[1] if len(sys.argv) > 1 else "pypi"
    files = sorted(CHECKOUT.glob("requirements*.txt"))
    if Path(service).is_dir():
        found = against(Path(service), files)
        print("\n".join(found) or "none stands in any of them")
        return 1 if found else 0
    ended = 0
    for pins in files:
        print(f"{pins.name}:", flush=True)
        ended |= subprocess.run(command(pins, service), check=False).returncode
    return 1 if ended else 0


if __name__ == "__main__":
    raise SystemExit(main())

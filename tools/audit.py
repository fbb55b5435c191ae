"""Asks for known weaknesses of every pinned package: ``make audit``. Fails on a finding, and when a package could not be asked about."""

# ruff: noqa: S603 - every command below is made of this file's own words

import subprocess
import sys
from pathlib import Path
from typing import Final

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


def main() -> int:
    """Audit every file of pins; the first argument may name the service: pypi (the default) or osv."""
    service = sys.argv[1] if len(sys.argv) > 1 else "pypi"
    ended = 0
    for pins in sorted(CHECKOUT.glob("requirements*.txt")):
        print(f"{pins.name}:", flush=True)
        ended |= subprocess.run(command(pins, service), check=False).returncode
    return 1 if ended else 0


if __name__ == "__main__":
    raise SystemExit(main())

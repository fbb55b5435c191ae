"""What an operator starts from: the compose file, the image's contents and the database roles, as far as they run without Docker."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
import yaml

from gateway.dispatch import ABANDONED
from gateway.processes import GRACE_SECONDS
from sandbox.servers import binaries, servers
from storage.database import Database
from storage.migrate import migrate
from tests.test_house import PACKAGES

#: The settings of the contract that come from the environment.
SETTINGS = {
    f"TREGUA_{name}" for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET_KEY", "HOST", "PORT", "LOG_LEVEL")
}

#: Spans as compose writes them, in seconds.
UNITS = {"s": 1, "m": 60}


@pytest.fixture(scope="module")
def services(checkout: Path) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((checkout / "compose.yaml").read_text())["services"]
    return loaded


def test_the_five_services_are_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"migrate", "gateway", "worker", "postgres", "valkey"}


@pytest.mark.parametrize(
    ("service", "role"), [("migrate", "tregua_owner"), ("gateway", "tregua_gateway"), ("worker", "tregua_gateway")]
)
def test_each_program_signs_in_as_its_own_role(services: dict[str, dict[str, Any]], service: str, role: str) -> None:
    environment = services[service]["environment"]
    assert environment["TREGUA_DATABASE_URL"].startswith(f"postgresql://{role}:")
    assert set(environment) <= SETTINGS, "a name that the settings would refuse"
    assert ("OWNER_PASSWORD" in str(environment)) == (role == "tregua_owner")


@pytest.mark.parametrize("service", ["migrate", "gateway", "worker"])
def test_a_program_has_no_more_rights_than_it_needs(services: dict[str, dict[str, Any]], service: str) -> None:
    assert services[service]["cap_drop"] == ["ALL"]
    assert services[service]["read_only"] is True
    assert "no-new-privileges:true" in services[service]["security_opt"]


def test_a_program_is_given_the_time_to_end(services: dict[str, dict[str, Any]]) -> None:
    """Docker kills after ten seconds, unless told otherwise: what a worker has in the air would stand as unknown."""
    seconds = {
        name: int(services[name]["stop_grace_period"][:-1]) * UNITS[services[name]["stop_grace_period"][-1]]
        for name in ("gateway", "worker")
    }
    assert seconds["gateway"] > GRACE_SECONDS + 5
    assert seconds["worker"] > ABANDONED.total_seconds()


@pytest.mark.parametrize("service", ["postgres", "valkey"])
def test_the_stores_are_kept_checked_and_shut_in(services: dict[str, dict[str, Any]], service: str) -> None:
    assert services[service]["security_opt"] == ["no-new-privileges:true"]
    assert services[service]["networks"] == ["inside"]
    assert "ports" not in services[service]
    assert services[service]["healthcheck"]["test"][0] == "CMD"
    assert any(str(volume).startswith(f"{service}:") for volume in services[service]["volumes"])


def test_the_image_holds_every_package_and_no_secret(checkout: Path) -> None:
    lines = (checkout / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*", "everything that is not named must stay outside"
    assert {line.strip("!/") for line in lines if line.startswith("!") and line.endswith("/")} == set(PACKAGES)


def test_the_image_does_not_run_as_root(checkout: Path) -> None:
    lines = (checkout / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert sum("--uid 10001 --gid 10001" in line for line in lines) == 1
    assert sum(line.startswith("FROM ") for line in lines) == 2


@dataclass(frozen=True, slots=True)
class Roles:
    owner_url: str
    gateway_url: str


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Roles]:
    """A PostgreSQL as an operator prepares it: by the script, and with nothing else in it."""
    psql = binaries.find().postgres / "psql"
    with servers(tmp_path_factory.mktemp("deploy")) as running:
        url = urlsplit(running.database_url)
        environment = {
            "PATH": f"{psql.parent}:{os.environ['PATH']}",
            "PGHOST": url.query.removeprefix("host="),
            "PGDATABASE": "postgres",
            "POSTGRES_USER": "root_of_all",
            "OWNER_PASSWORD": "o'wner",
            "GATEWAY_PASSWORD": "gate",
        }
        # The newcomer's cluster holds a database and an owner of the same names; production's does not.
        for user, order in (
            (str(url.username), "CREATE ROLE root_of_all SUPERUSER LOGIN"),
            ("root_of_all", "ALTER DATABASE tregua RENAME TO newcomers"),
            ("root_of_all", f"ALTER ROLE {url.username} RENAME TO newcomer"),
        ):
            subprocess.run([psql, "-v", "ON_ERROR_STOP=1", "-U", user, "-c", order], env=environment, check=True)
        subprocess.run([checkout / "deploy" / "roles.sh"], env=environment, check=True, cwd="/")
        host = quote(environment["PGHOST"], safe="/")
        yield Roles(
            owner_url=f"postgresql://tregua_owner@/tregua?host={host}",
            gateway_url=f"postgresql://tregua_gateway@/tregua?host={host}",
        )


async def test_the_owner_migrates_and_the_gateway_works_but_cannot_touch_the_trace(roles: Roles) -> None:
    assert await migrate(roles.owner_url)
    database = await Database.open(roles.gateway_url)
    try:
        assert await database.read(lambda connection: connection.fetchval("SELECT count(*) FROM trace")) == 0
    finally:
        await database.close()
    connection = await asyncpg.connect(roles.gateway_url)
    try:
        rights = await connection.fetchrow(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert rights is not None
        assert not any(rights.values())
        for order in (
            "UPDATE tregua.trace SET at = at",
            "DELETE FROM tregua.trace",
            "TRUNCATE tregua.trace",
            "ALTER TABLE tregua.trace DISABLE TRIGGER ALL",
            "SET ROLE tregua_owner",
            "CREATE TABLE tregua.mine (n int)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(order)
    finally:
        await connection.close()

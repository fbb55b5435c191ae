"""What ``tregua policy`` does with a database: puts a policy, explains a message, asks the past again."""

import asyncio
import contextlib
import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import typer
import yaml

from gateway.api.flaws import flaws_of
from gateway.api.policy import POLICY_BYTES_MAX, PolicyAsk
from gateway.audit.backtest import Backtest, Difference, Report, under
from gateway.audit.past import Moment, Policies, Unfit, choose, explanations, facts_of, moment_of
from gateway.cli.environment import opened, tenant_of
from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail
from gateway.compose import House
from gateway.deciding.evidence import when
from gateway.deciding.explain import sentences
from gateway.deciding.scenario import strict_yaml
from gateway.refusals import Refused
from jurisdictions.compile import PackError
from storage import messages, past
from storage.database import Connection
from vocabulary.ids import shown

T = TypeVar("T")


# ---- policy set -------------------------------------------------------------------------------------------------------


def put_policy(file: Path, tenant: str | None, *, as_json: bool) -> None:
    """Check a policy, store it as the next version and trace it; exit 1 names every flaw by its pointer."""
    body = policy_body(file)
    if len(json.dumps(body, ensure_ascii=False).encode()) > POLICY_BYTES_MAX:
        fail(DOES_NOT_HOLD, f"{file}: a policy is at most {POLICY_BYTES_MAX} bytes")

    async def run() -> dict[str, Any]:
        async with opened() as made:
            whose = await tenant_of(made, tenant)
            try:
                try:
                    msgspec.convert(body, PolicyAsk)
                except msgspec.ValidationError as error:
                    raise Refused(flaws_of(body, PolicyAsk, error)) from None
                return {"tenant": whose, **await made.policies.put(whose, body)}
            except Refused as refused:
                for flaw in refused.flaws:
                    typer.echo(f"{file}: {flaw.pointer or '/'}: {flaw.detail}", err=True)
                raise typer.Exit(DOES_NOT_HOLD) from None

    put = asyncio.run(run())
    typer.echo(
        json.dumps(put, ensure_ascii=False)
        if as_json
        else f"{put['tenant']}: policy version {put['version']} is in force"
    )


def policy_body(file: Path) -> dict[str, Any]:
    """The body of ``/v1/policy`` from a JSON, YAML or TOML file; ends with exit 2 when it cannot be read."""
    try:
        text = file.read_text("utf-8")
        if file.suffix == ".toml":
            read: Any = tomllib.loads(text)
        elif file.suffix in (".yaml", ".yml"):
            read = strict_yaml(text)
        else:
            read = json.loads(text, object_pairs_hook=_once)
    except OSError as error:
        fail(WRONG_USE, f"{file}: {error.strerror}")
    except (ValueError, yaml.YAMLError) as error:
        fail(WRONG_USE, f"{file}: cannot be read: {error}")
    if not isinstance(read, dict):
        fail(WRONG_USE, f"{file}: a policy is a table")
    plain = _plain(read)
    assert isinstance(plain, dict)
    return plain


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice is a mistake, not an override."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _plain(value: Any) -> Any:
    """What JSON can say: YAML and TOML have dates and instants of their own."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


# ---- policy explain MESSAGE -------------------------------------------------------------------------------------------


def explain_message(message: UUID, language: str, as_of: datetime | None, *, as_json: bool) -> None:
    """Why a message stands where it does now, and why each of its attempts was allowed to leave."""

    async def run() -> list[dict[str, Any]]:
        async with opened() as made:
            return await made.database.read(lambda c: _told(c, made, message, language, as_of))

    for told in asyncio.run(run()):
        if as_json:
            typer.echo(json.dumps(told, ensure_ascii=False, default=_written))
        else:
            for sentence in told["sentences"]:
                typer.echo(sentence)
            typer.echo("")


def _written(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


async def _told(
    connection: Connection, made: House, message: UUID, language: str, as_of: datetime | None
) -> list[dict[str, Any]]:
    from gateway.deciding.wording import frame

    row = (await messages.get(connection, [message])).get(message)
    if row is None:
        fail(DOES_NOT_HOLD, f"there is no message {shown('msg', message)}")
    now, _ = await made.clock.now(connection)
    moments = [Moment(message=message, at=as_of or now, accepting=True)]
    if as_of is None:
        kept = await past.decisions_of(connection, message)
        moments += [moment_of(each, row) for each in kept if each.kind == "reserved"]
    policies = Policies(await past.policies(connection, row.tenant), made.law)
    told = []
    for moment in moments:
        (facts,) = await facts_of(connection, row.tenant, [moment])
        if facts is None:
            fail(DOES_NOT_HOLD, f"{shown('msg', message)} belongs to a person who is no longer kept")
        choice = choose(made.judge, facts, policies)
        zones = made.judge.question(facts.under(policies), choice.channel, choice.address, moment.at).person.zones
        instant = when(moment.at, zones[0] if zones else None, language)
        name = shown("msg", message)
        if moment.index is not None:
            head = frame("as_decided", language, message=name, when=instant, index=moment.index)
        elif as_of is not None:
            head = frame("as_of", language, message=name, when=instant)
        else:
            head = frame("as_it_stands", language, message=name)
        said = [head]
        if moment.outcome is not None and moment.outcome is not choice.verdict.answer:
            said.append(frame("unlike_trace", language, outcome=moment.outcome.value))
        found = list(explanations(made.judge, facts, policies, choice, language))
        for each in found:
            said += sentences(each)
        told.append(
            {
                "message": name,
                "at": moment.at,
                "entry": moment.index,
                "traced": moment.outcome,
                "sentences": said,
                "channels": [asdict(each) for each in found],
            }
        )
    return told


# ---- policy backtest --------------------------------------------------------------------------------------------------


def backtest(
    *,
    packs: list[str],
    readings: list[str],
    since: datetime,
    until: datetime | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Ask the past again under other packs or readings, and tell what would differ."""
    given = dict(_pair(each, "--reading", "name=value") for each in readings)
    files = [_pack(each) for each in packs]

    async def run() -> Report:
        async with opened() as made:
            whose = await tenant_of(made, tenant)
            try:
                law = under(made.law, files)
                test = Backtest(database=made.database, judge=made.judge, law=law, readings=given)
            except (PackError, ValueError) as error:
                fail(WRONG_USE, str(error))
            now, _ = await made.database.read(made.clock.now)
            last = until or now
            for code, _ in files:
                pack = law.packs[code]
                if not (pack.in_effect(since.date()) and pack.in_effect(last.date())):
                    typer.echo(
                        f"tregua: {pack.label} is in effect from {pack.table.effective_from} to "
                        f"{pack.table.effective_to or 'no end'}, which is not the whole of the time asked about",
                        err=True,
                    )
            with _progress() as moved:
                try:
                    return await test.run(whose, since, last, moved)
                except Unfit as error:
                    fail(WRONG_USE, str(error))

    report = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(asdict(report), ensure_ascii=False, default=_written))
    else:
        for line in _lines(report):
            typer.echo(line)


def _pair(text: str, option: str, shape: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        fail(WRONG_USE, f"{option} {text}: must be {shape}")
    return name, value


def _pack(text: str) -> tuple[str, bytes]:
    """``CODE=FILE``, or a file that is called like its code."""
    code, equals, name = text.partition("=")
    path = Path(name if equals else text)
    try:
        return (code if equals else path.stem), path.read_bytes()
    except OSError as error:
        fail(WRONG_USE, f"--pack {path}: {error.strerror}")


def _lines(report: Report) -> Iterator[str]:
    yield (
        f"{report.tenant}, {report.since.isoformat()} to {report.until.isoformat()}: "
        f"{report.decisions} decisions asked again, {report.differ} would differ"
    )
    for change, found in sorted(report.outcomes.items()):
        yield f"  {change}: {_example(found)}"
    if report.moved.count:
        yield f"  deferred until another instant: {_example(report.moved)}"
    for rule, change_of in sorted(report.rules.items()):
        if change_of.would_block.count:
            yield f"  {rule} would block: {_example(change_of.would_block)}"
        if change_of.would_let_pass.count:
            yield f"  {rule} would no longer block: {_example(change_of.would_let_pass)}"
    if report.unlike_trace.count:
        yield (
            "  otherwise than the trace says even under the packs of today, because more is known or packs changed: "
            f"{_example(report.unlike_trace)}"
        )
    if report.gone:
        yield f"  {report.gone} belong to messages that are no longer kept"


def _example(found: Difference) -> str:
    return f"{found.count} (such as {', '.join(found.examples)})"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A progress bar where somebody watches."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking the past again", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)

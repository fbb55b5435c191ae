"""``tregua policy``: the law as it is shipped, tested with worked cases, shown and explained; tenants' policies; the past asked again.

Only ``set``, ``backtest`` and ``explain`` of a message need settings and a database.
"""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.exits import DOES_NOT_HOLD, WRONG_USE, fail
from gateway.deciding.decide import decide
from gateway.deciding.explain import explain as explained
from gateway.deciding.explain import sentences
from gateway.deciding.lawbook import markdown
from gateway.deciding.scenario import Case, ScenarioError, load
from jurisdictions.compile import PackError
from jurisdictions.library import PACKS, Library
from jurisdictions.library import load as load_packs
from vocabulary.ids import parsed
from vocabulary.verdict import Verdict

app = typer.Typer(
    no_args_is_help=True, help="The law: test it, list it, show it, set it, have it explained, ask the past again."
)

Json = Annotated[bool, typer.Option("--json", help="Print data instead of sentences.")]
Packs = Annotated[Path, typer.Option("--packs", metavar="DIR", help="Packs to use instead of those shipped.")]


@app.callback()
def policy() -> None:
    """The law: test it, list it, show it, set it, have it explained, ask the past again."""


@app.command("test")
def run_cases(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenario files.")],
    as_json: Json = False,
    packs: Packs = PACKS,
) -> None:
    """Run worked cases; exit 1 names every case that disagrees.

    Example: tregua policy test tests/conformance/cases/*.yaml
    """
    law = _law(packs)
    wrong = total = 0
    for path in files:
        for case in _cases(path):
            total += 1
            verdict = _decided(case, law, path)
            holds = case.expects.met_by(verdict)
            wrong += not holds
            if as_json:
                typer.echo(json.dumps(_result(case, verdict, holds), ensure_ascii=False))
            elif not holds:
                typer.echo(_disagreement(case, verdict))
    if not as_json:
        typer.echo(f"{total} cases, {wrong} disagree" if wrong else f"{total} cases hold")
    if wrong:
        raise typer.Exit(DOES_NOT_HOLD)


@app.command("list")
def list_command(
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/jurisdictions.md.")] = False,
    packs: Packs = PACKS,
) -> None:
    """Every pack with its status, dates and digest.

    Example: tregua policy list --json
    """
    if as_markdown:
        typer.echo(markdown(_law(packs)), nl=False)
        return
    for pack in _law(packs).packs.values():
        table = pack.table
        if as_json:
            typer.echo(
                json.dumps(
                    {
                        "code": pack.code,
                        "pack": pack.label,
                        "title": table.title,
                        "kind": table.kind,
                        "status": table.status,
                        "effective_from": table.effective_from.isoformat(),
                        "effective_to": table.effective_to.isoformat() if table.effective_to is not None else None,
                        "reviewed": table.reviewed.isoformat(),
                        "rules": sorted({rule.id for rule in pack.rules}),
                        "readings": {name: reading.default for name, reading in table.readings.items()},
                    },
                    ensure_ascii=False,
                )
            )
        else:
            typer.echo(f"{pack.label:24} {table.status:9} since {table.effective_from}  {table.title}")


@app.command("show")
def show_command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A pack's code, such as CO.")],
    as_json: Json = False,
    packs: Packs = PACKS,
) -> None:
    """One pack: its rules, readings and doubts; --json gives the file's text with its digest.

    Example: tregua policy show CO
    """
    law = _law(packs)
    if code not in law.packs:
        fail(WRONG_USE, f"no pack {code}; packs: {', '.join(law.packs)}")
    pack = law.packs[code]
    if as_json:
        typer.echo(json.dumps({"code": code, "pack": pack.label, "text": pack.text}, ensure_ascii=False))
        return
    table = pack.table
    typer.echo(f"{pack.label}  {table.title}\n{table.kind}, {table.status} since {table.effective_from}")
    typer.echo(f"reviewed {table.reviewed}")
    for rule in pack.rules:
        clause = f" [{rule.table.clause}]" if rule.table.clause is not None else ""
        shadow = " (shadow: reported, never blocking)" if rule.table.status == "shadow" else ""
        typer.echo(f"\n{rule.id}{clause} ({rule.table.force}){shadow}\n  {rule.table.says['en']}\n  {rule.table.cite}")
    for duty in pack.duties:
        typer.echo(f"\n{duty.rule} (duty)\n  {duty.says['en']}\n  {duty.citation}")
    for name, reading in table.readings.items():
        values = ", ".join(f"{value} (default)" if value == reading.default else value for value in reading.values)
        typer.echo(f"\nreading {name}: {values}\n  {reading.says}")
    for doubt in table.doubts:
        typer.echo(f"\ndoubt: {doubt}")


@app.command("explain")
def explain_command(
    what: Annotated[str, typer.Argument(metavar="MESSAGE|FILE", help="A message's id (msg_…), or a scenario file.")],
    case_id: Annotated[str | None, typer.Option("--case", metavar="ID", help="One case of it; else every one.")] = None,
    language: Annotated[str, typer.Option("--lang", metavar="en|es|pt", help="Language of the sentences.")] = "en",
    as_of: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Explain it as of then, with the packs then in force.")
    ] = None,
    as_json: Json = False,
    packs: Packs = PACKS,
) -> None:
    """Say why: every rule asked, what was counted, the limit, the window, the reading, the next allowed instant.

    A message is explained as it stands now and as each of its attempts was decided; that needs settings and the database.

    Example: tregua policy explain tests/conformance/cases/co.yaml --case CO-T10 --lang es
    """
    if language not in ("en", "es", "pt"):
        fail(WRONG_USE, f"no language {language}; languages: en, es, pt")
    at = _instant(as_of, "--as-of") if as_of is not None else None
    message = parsed("msg", what)
    if message is not None:
        if packs != PACKS or case_id is not None:
            fail(WRONG_USE, "a message is explained with the packs of this release, and has no cases")
        from gateway.cli.policy_past import explain_message

        explain_message(message, language, at, as_json=as_json)
        return
    file = Path(what)
    law = _law(packs)
    cases = [case for case in _cases(file) if case_id in (None, case.id)]
    if not cases:
        fail(WRONG_USE, f"{file}: no case {case_id}")
    for case in cases:
        question = case.question
        if at is not None:
            known = tuple(event for event in question.history if event.at <= at)
            question = replace(question, now=at, history=known)
        try:
            explanation = explained(question, law, language=language)
        except ValueError as error:
            fail(WRONG_USE, f"{file}: case {case.id}: {error}")
        if as_json:
            typer.echo(json.dumps({"id": case.id, **asdict(explanation)}, ensure_ascii=False, default=_plain))
        else:
            typer.echo(f"{case.id}: {case.title}")
            for sentence in sentences(explanation):
                typer.echo(f"  {sentence}")


Tenant = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose; may be left out where there is one tenant.")]


@app.command("set")
def set_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The body of PUT /v1/policy as JSON, YAML or TOML.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Put a tenant's policy: readings, house rules, overrides. The next version, in force at once, and traced.

    Exit 0: in force. Exit 1: it does not fit, each flaw named by its pointer. Exit 2: wrong use.

    Example: tregua policy set policy.yaml --tenant acme
    """
    from gateway.cli.policy_past import put_policy

    put_policy(file, tenant, as_json=as_json)


@app.command("backtest")
def backtest_command(
    since: Annotated[str, typer.Option(metavar="INSTANT", help="From then on (RFC 3339, or a date in UTC).")],
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="Before then; else until now.")] = None,
    pack: Annotated[
        list[str] | None,
        typer.Option(metavar="[CODE=]FILE", help="A pack to put in the place of the one of that code; repeatable."),
    ] = None,
    reading: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A reading to choose instead; repeatable.")
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Decide the past again under another pack or reading, and report what would differ, rule by rule.

    Asks again about every reserved attempt and every decision that held a message back. Changes nothing.

    Example: tregua policy backtest --reading co.week=rolling --since 2026-11-01
    """
    if not pack and not reading:
        fail(WRONG_USE, "name what is to differ: --pack or --reading")
    begins = _instant(since, "--since")
    ends = _instant(until, "--until") if until is not None else None
    from gateway.cli.policy_past import backtest

    backtest(packs=pack or [], readings=reading or [], since=begins, until=ends, tenant=tenant, as_json=as_json)


def _instant(text: str, option: str) -> datetime:
    """An instant with an offset, or the beginning of a date in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(WRONG_USE, f"{option} {text}: is no instant (RFC 3339)")
    if at.tzinfo is None:
        if len(text) > len("2026-11-01"):
            fail(WRONG_USE, f"{option} {text}: needs an offset, such as -05:00")
        at = at.replace(tzinfo=UTC)
    return at


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _law(folder: Path) -> Library:
    try:
        law = load_packs(folder)
    except PackError as error:
        fail(WRONG_USE, str(error))
    except OSError as error:
        fail(WRONG_USE, f"{folder}: {error.strerror}")
    if not law.packs:
        fail(WRONG_USE, f"no packs in {folder}")
    return law


def _cases(path: Path) -> list[Case]:
    try:
        return load(path)
    except ScenarioError as error:
        fail(WRONG_USE, str(error))
    except OSError as error:
        fail(WRONG_USE, f"{path}: {error.strerror}")


def _decided(case: Case, law: Library, path: Path) -> Verdict:
    try:
        return decide(case.question, law)
    except ValueError as error:  # a reading that no pack knows
        fail(WRONG_USE, f"{path}: case {case.id}: {error}")


def _result(case: Case, verdict: Verdict, holds: bool) -> dict[str, Any]:
    expects = case.expects
    expected: dict[str, Any] = {"outcome": expects.answer.value}
    if expects.until is not None:
        expected["until"] = expects.until.isoformat()
    if expects.rules is not None:
        expected["rules"] = list(expects.rules)
    return {
        "id": case.id,
        "ok": holds,
        "outcome": verdict.answer.value,
        "until": verdict.until.isoformat() if verdict.until is not None else None,
        "rules": [reason.rule for reason in verdict.reasons],
        "expected": expected,
    }


def _disagreement(case: Case, verdict: Verdict) -> str:
    expects = case.expects
    rules = ", ".join(reason.rule for reason in verdict.reasons) or "none"
    return (
        f"{case.id}: {case.title}\n"
        f"  expected {expects.answer}"
        + (f" until {expects.until.isoformat()}" if expects.until is not None else "")
        + (f" by {', '.join(expects.rules)}" if expects.rules else "")
        + f"\n  answered {verdict.answer}"
        + (f" until {verdict.until.isoformat()}" if verdict.until is not None else "")
        + f" by {rules}"
    )

"""``tregua policy``: the law as it is shipped, tested with worked cases, shown and explained; no database, no network."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.decide import decide
from gateway.explain import explain as explained
from gateway.explain import sentences
from gateway.scenario import Case, ScenarioError, load
from jurisdictions.compile import PackError
from jurisdictions.library import PACKS, Library
from jurisdictions.library import load as load_packs
from vocabulary.verdict import Verdict

app = typer.Typer(no_args_is_help=True, help="The law: test it, list it, show it, have it explained.")

#: What a shell is told: it does not hold; it was asked wrongly.
DOES_NOT_HOLD: Final = 1
WRONG_USE: Final = 2

Json = Annotated[bool, typer.Option("--json", help="Print data instead of sentences.")]
Packs = Annotated[Path, typer.Option("--packs", metavar="DIR", help="Packs to use instead of those shipped.")]


@app.callback()
def policy() -> None:
    """The law: test it, list it, show it, have it explained."""


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
def list_command(as_json: Json = False, packs: Packs = PACKS) -> None:
    """Every pack with its status, dates and digest.

    Example: tregua policy list --json
    """
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
        _wrong(f"no pack {code}; packs: {', '.join(law.packs)}")
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
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario file.")],
    case_id: Annotated[str | None, typer.Option("--case", metavar="ID", help="One case of it; else every one.")] = None,
    language: Annotated[str, typer.Option("--lang", metavar="en|es|pt", help="Language of the sentences.")] = "en",
    as_json: Json = False,
    packs: Packs = PACKS,
) -> None:
    """Say why: every rule asked, what was counted, the limit, the window, the reading, the next allowed instant.

    Example: tregua policy explain tests/conformance/cases/co.yaml --case CO-T10
    """
    if language not in ("en", "es", "pt"):
        _wrong(f"no language {language}; languages: en, es, pt")
    law = _law(packs)
    cases = [case for case in _cases(file) if case_id in (None, case.id)]
    if not cases:
        _wrong(f"{file}: no case {case_id}")
    for case in cases:
        try:
            explanation = explained(case.question, law, language=language)
        except ValueError as error:
            _wrong(f"{file}: case {case.id}: {error}")
        if as_json:
            typer.echo(json.dumps({"id": case.id, **asdict(explanation)}, ensure_ascii=False, default=_plain))
        else:
            typer.echo(f"{case.id}: {case.title}")
            for sentence in sentences(explanation):
                typer.echo(f"  {sentence}")


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _wrong(why: str) -> None:
    typer.echo(why, err=True)
    raise typer.Exit(WRONG_USE)


def _law(folder: Path) -> Library:
    try:
        law = load_packs(folder)
    except (PackError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(WRONG_USE) from None
    if not law.packs:
        _wrong(f"no packs in {folder}")
    return law


def _cases(path: Path) -> list[Case]:
    try:
        return load(path)
    except (ScenarioError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(WRONG_USE) from None


def _decided(case: Case, law: Library, path: Path) -> Verdict:
    try:
        return decide(case.question, law)
    except ValueError as error:  # a reading that no pack knows
        typer.echo(f"{path}: case {case.id}: {error}", err=True)
        raise typer.Exit(WRONG_USE) from None


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

"""``docs/jurisdictions.md``: what the packs say of themselves, as a page. Pure: the same packs make the same page."""

from collections.abc import Iterator

from jurisdictions.library import Library, Pack

_HEAD = """\
# Jurisdictions

Made from the packs by `tregua policy list --markdown > docs/jurisdictions.md`; a test fails when it is stale.
Each pack is one file in `jurisdictions/packs`; how to write one stands in [adding-a-jurisdiction.md](adding-a-jurisdiction.md).

`binding` rules have no override. `presumption`, `guidance` and `code` may be set aside by a named authority with a reason.
`house` rules are ours. Drafts, bills and rules in shadow are reported and never block. Nothing here is legal advice.
"""


def markdown(law: Library) -> str:
    """The whole page, with a last line feed."""
    return "\n".join([_HEAD, *_contents(law), *(line for pack in _ordered(law) for line in _pack(pack))]) + "\n"


def _ordered(law: Library) -> list[Pack]:
    return sorted(law.packs.values(), key=lambda pack: (pack.table.kind != "jurisdiction", pack.code))


def _contents(law: Library) -> Iterator[str]:
    yield "| Pack | Title | Kind | Status | In effect | Reviewed | Rules | Doubts |"
    yield "|---|---|---|---|---|---|---|---|"
    for pack in _ordered(law):
        table = pack.table
        rules = len({rule.id for rule in pack.rules})
        yield (
            f"| [{pack.code}](#{pack.code.lower()}) | {_cell(table.title)} | {table.kind} | {_status(pack)} | "
            f"{_dates(pack)} | {table.reviewed} | {rules} | {len(table.doubts)} |"
        )
    yield ""


def _pack(pack: Pack) -> Iterator[str]:
    table = pack.table
    yield f"## {pack.code}"
    yield ""
    yield f"{table.title}. {table.kind.capitalize()}, {_status(pack)}, in effect {_dates(pack)}, reviewed {table.reviewed}."
    yield ""
    yield "| Rule | Force | What it says | Citation | Remarks |"
    yield "|---|---|---|---|---|"
    for rule in pack.rules:
        name = f"{rule.id} ({rule.table.clause})" if rule.table.clause is not None else rule.id
        remarks = []
        if rule.table.status == "shadow":
            remarks.append("in shadow")
        # A date that is the pack's own is told once, above.
        if rule.table.effective_from not in (None, table.effective_from):
            remarks.append(f"from {rule.table.effective_from}")
        if rule.table.effective_to not in (None, table.effective_to):
            remarks.append(f"until {rule.table.effective_to}")
        remarks += [f"if {reading} = {value}" for reading, value in rule.table.only_if.items()]
        remarks += [f"reading {reading}" for reading in rule.depends_on if reading not in rule.table.only_if]
        yield (
            f"| {name} | {rule.table.force} | {_cell(rule.table.says['en'])} | {_cell(rule.table.cite)} | "
            f"{_cell(', '.join(remarks))} |"
        )
    for duty in pack.duties:
        yield f"| {duty.rule} | duty | {_cell(duty.says['en'])} | {_cell(duty.citation)} | told, blocks nothing |"
    yield ""
    if table.readings:
        yield "| Reading | Default | Other values | What is chosen |"
        yield "|---|---|---|---|"
        for name, reading in table.readings.items():
            others = [
                f"{value} (stricter)" if value in reading.stricter else value
                for value in reading.values
                if value != reading.default
            ]
            yield f"| {name} | {reading.default} | {_cell(', '.join(others))} | {_cell(reading.says)} |"
        yield ""
    if table.doubts:
        yield "Open doubts:"
        yield ""
        yield from (f"- {doubt}" for doubt in table.doubts)
        yield ""
    yield "Sources:"
    yield ""
    yield from (f"- {source}" for source in table.sources)
    yield ""


def _status(pack: Pack) -> str:
    return pack.table.status.replace("_", " ") + ("" if pack.binds else " (shadow)")


def _dates(pack: Pack) -> str:
    table = pack.table
    return f"from {table.effective_from}" + (f" to {table.effective_to}" if table.effective_to is not None else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

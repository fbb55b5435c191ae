"""``docs/jurisdictions.md`` says what the packs say."""

from pathlib import Path

from gateway.deciding.lawbook import markdown
from jurisdictions.library import load

PAGE = Path(__file__).parents[2] / "docs" / "jurisdictions.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text() == markdown(load()), "run: tregua policy list --markdown > docs/jurisdictions.md"


def test_the_page_has_every_pack_with_its_rules_readings_and_doubts() -> None:
    law = load()
    text = markdown(law)
    for pack in law.packs.values():
        begins = text.index(f"\n## {pack.code}\n")
        ends = text.find("\n## ", begins + 1)
        section = text[begins:ends] if ends > 0 else text[begins:]
        table = pack.table
        assert table.title in section
        assert str(table.effective_from) in section
        assert f"reviewed {table.reviewed}" in section
        for rule in pack.rules:
            assert f"| {rule.id} " in section
            assert rule.table.cite.replace("|", "\\|") in section
        for name, reading in table.readings.items():
            assert f"| {name} | {reading.default} |" in section
        for doubt in table.doubts:
            assert f"- {doubt}" in section

"""The bench of ``trace verify`` in small: what was written holds, what was changed is named, and the table says how long it took."""

from pathlib import Path

from bench import verify


def test_a_small_export_is_verified_and_its_changed_entry_named(tmp_path: Path) -> None:
    took, broken, size = verify.measured(tmp_path, 4_000, 1)
    assert took[0].found["size"] == 4_000
    assert took[0].found["payloads"] == 4_000 - 4_000 // 6 * 2 - 1 * (4_000 % 6 > 1) - 1 * (4_000 % 6 > 2)
    assert broken.found["index"] == 3_999
    told = verify.section(took, broken, entries=4_000, size=size)
    assert "4,000 entries" in told
    assert told.count("| round ") == 1

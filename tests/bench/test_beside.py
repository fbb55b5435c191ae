"""Two checkouts side by side: what is told of their rounds is the middle of them, by message."""

from bench.beside import _details, _row


def told(cpu: float, completed: float) -> dict[str, object]:
    """A round as a checkout answers it."""
    return {
        "accepted_per_second": 100.0,
        "completed_per_second": completed,
        "cpu_seconds": {"API": cpu, "worker": 2 * cpu, "generator": 100.0, "carrier and CRM": 100.0},
        "accept_p99_ms": 50.0,
        "database_bytes": 10_000.0,
        "wal_bytes": 20_000.0,
        "commits": 0.2,
    }


def test_a_row_is_the_median_of_its_rounds_and_counts_neither_generator_nor_carrier() -> None:
    row = _row("here", [told(1.0, 90.0), told(3.0, 70.0), told(2.0, 80.0)])
    assert row == "| here | 100 | 80 | 6.00 | API 2.00 · worker 4.00 | 50 | 10,000 | 20,000 | 0.200 |"


def test_updates_bytes_and_statements_are_told_by_message() -> None:
    tables = [
        {
            "relname": "message",
            "inserts": 1000,
            "updates": 3000,
            "hot": 750,
            "bytes": 1_200_000,
            "index_bytes": 120_000,
        },
        {"relname": "trace", "inserts": 5000, "updates": 0, "hot": 0, "bytes": 600_000, "index_bytes": 0},
    ]
    statement = {
        "statement": "SELECT 1",
        "calls": 250,
        "ms": 50.0,
        "plan_ms": 1.0,
        "rows": 500,
        "wal": 0,
        "blocks": 2000,
    }
    lines = _details({"tables": tables, "statements": [statement]}, 1000)
    assert "| message | 1.00 | 3.00 | 25% | 1,000 | 100 |" in lines
    assert "| trace | 5.00 | 0.00 |  | 500 | 0 |" in lines
    assert "PostgreSQL ran 0.25 statements a message, 50 µs of them, after 1 µs of planning." in lines
    assert lines[-1] == "| 50.0 | 1.0 | 0.250 | 2.0 | 0 | 2.0 | SELECT 1 |"

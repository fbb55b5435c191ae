"""The site is built strictly, without a warning, without the network; nothing in it is loaded from anywhere else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.api.table import ROUTES

#: Whoever made the theme is named at the foot, by a link that nobody follows unasked.
LOADS = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=[\"'](https?:)?//[^\"']*[\"'][^>]*>", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    to = tmp_path_factory.mktemp("site")
    # No proxy and no name would answer: what is built here was fetched from nowhere.
    environment = os.environ | {
        "NO_MKDOCS_2_WARNING": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(to)],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")
    return to


def test_every_page_is_in_it(site: Path, checkout: Path) -> None:
    pages = {path.relative_to(checkout / "docs").with_suffix(".html") for path in (checkout / "docs").rglob("*.md")}
    assert pages
    missing = [page for page in pages if not (site / page).is_file()]
    assert missing == []


def test_every_call_is_in_it(site: Path) -> None:
    page = (site / "reference.html").read_text("utf-8")
    assert [route.name for route in ROUTES if f'id="{route.name}"' not in page] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = [
        f"{path.relative_to(site)}: {match[0][:120]}"
        for path in site.rglob("*.html")
        for match in LOADS.finditer(path.read_text("utf-8"))
        if 'rel="canonical"' not in match[0]
    ]
    assert found == []
    fonts = [path.name for path in site.rglob("*.css") if "fonts.googleapis" in path.read_text("utf-8")]
    assert fonts == []


def test_every_alarm_leads_to_its_run_book(site: Path, checkout: Path) -> None:
    text = (checkout / "deploy" / "prometheus" / "alerts.yaml").read_text("utf-8")
    named = re.findall(r'runbook: "operations\.html#([a-z-]+)"', text)
    assert len(named) == text.count("- alert:")
    page = (site / "operations.html").read_text("utf-8")
    assert [name for name in named if f'id="{name}"' not in page] == []

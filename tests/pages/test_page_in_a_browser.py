"""Her page as she has it in hand: Chromium at the size of a phone, every choice by a tap, with script and without, and axe's rules."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from storage.migrate import migrate
from tests.conftest import NewDatabase
from tests.gateway.town import AUTHORISED, Town, message, number, person, town

pytestmark = pytest.mark.needs("chromium")

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TEXT = "Hola, su cuota está lista. Su página: {{link}} Responda BAJA para no recibir más."
LANGUAGES = ("es", "en", "pt")
#: What the tests see is kept here, for people to look at and for whoever runs them for everybody to keep.
PICTURES = Path(os.environ.get("PICTURES", "build/screenshots"))


@pytest.fixture(scope="module")
async def site(
    new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    url = await new_database()
    await migrate(url)
    async with town(url, redis_url, tmp_path_factory.mktemp("site"), inbox=True) as found:
        found.start_worker()
        yield found


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield made
        await made.close()


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def opened(browser: Browser) -> AsyncIterator[Open]:
    """``await opened(url)`` is a page on a telephone; whatever goes wrong in it fails the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    async def open_(url: str, *, script: bool = True, dark: bool = False) -> Page:
        context = await browser.new_context(
            viewport=PHONE,
            device_scale_factor=2,
            is_mobile=True,
            has_touch=True,
            locale="es-CO",
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith("http://127.0.0.1:") else wrong.append(asked.url))
        await page.goto(url)
        return page

    yield open_
    for context in contexts:
        assert not await context.cookies()
        await context.close()
    # A page that is not there (404, 422) is told on the console as well.
    assert [one for one in wrong if "status of 4" not in one] == []


class Who:
    n = 0


async def link(found: Town, *, web: bool = False, text: str = TEXT, **more: Any) -> tuple[str, str]:
    """Her id, and the link in a text that arrived at her telephone."""
    Who.n += 1
    identity, to = f"ana-{Who.n}", number(Who.n, area=310)
    contact = person(identity, to, **more)
    contact["addresses"].append(
        {"channel": "email", "address": f"{identity}@ejemplo.test", "kind": "personal", "source": "supplied"}
    )
    if web:
        contact["addresses"].append(
            {"channel": "web", "address": identity, "kind": "personal", "source": "supplied", "authorised": AUTHORISED}
        )
        first = await found.send(message(contact, channel="web", purpose="requested_info", in_reply_to=None))
        await found.until(first["id"], "delivered")
    body = message(contact, content={"text": text}, purpose="requested_info" if web else "collection")
    answered = await found.send(body)
    await found.until(answered["id"], "sent", "delivered")
    told = (await found.arrived(to))[-1]["text"]
    match = re.search(r"http://\S+/p/[A-Za-z0-9_-]{22}", told)
    assert match, told
    return identity, match[0]


async def clean(page: Page, name: str) -> None:
    """Kept as a picture; no violation of axe's rules for WCAG 2.2 A and AA and its best practices, nothing wider than the window."""
    size = page.viewport_size
    assert size is not None
    where = "phone" if size == PHONE else "desk"
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"person-{name}-{where}.png", full_page=True, scale="css", timeout=60_000)
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found.response["violations"]]
    assert told == [], f"{name} {where}: {told}"
    assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], f"{name} {where}"


async def stated(found: Town, identity: str) -> list[str]:
    rows = await found.rows(
        "SELECT type FROM contact_event WHERE contact = $1 AND external_id LIKE 'page/%' ORDER BY type", identity
    )
    return [row["type"] for row in rows]


async def fill_promise(page: Page) -> None:
    await page.locator("#on").fill("2026-12-01")
    await page.locator("#amount").fill("150.000")


async def fill_answer(page: Page) -> None:
    await page.get_by_label("Su respuesta").fill("Gracias por la información")


async def choose(page: Page, label: str) -> None:
    await page.get_by_label(label).check()


#: What she taps, what she fills in first, and what is then known of her.
ACTIONS: list[tuple[str, str | None, str, Callable[[Page], Awaitable[None]] | None, list[str]]] = [
    ("answer", None, "Enviar la respuesta", fill_answer, []),
    ("promise", "Voy a pagar el…", "Guardar la fecha", fill_promise, ["promise"]),
    ("hardship", "Ahora no puedo pagar", "Avisar que no puedo ahora", None, ["status"]),
    ("dispute", "No reconozco esta deuda", "Decir que no la reconozco", None, ["status"]),
    ("call", "Quiero que me llamen", "Pedir la llamada", lambda p: choose(p, "Por la mañana"), ["call_requested"]),
    ("channel", "Prefiero otro medio", "Guardar el medio", lambda p: choose(p, "correo"), ["channel_preferred"]),
    ("hours", "Hay momentos en que no", "Guardar los momentos", lambda p: choose(p, "sábados"), ["inconvenient"]),
    ("language", "en otro idioma", "Guardar el idioma", lambda p: choose(p, "Português"), ["language_preferred"]),
    ("stop_here", None, "No más mensajes por SMS", None, ["consent"]),
    ("stop_all", None, "No más mensajes por ningún medio", None, ["consent", "consent"]),
]


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_every_choice_is_one_tap(site: Town, opened: Open, script: bool) -> None:
    identity, url = await link(site)
    page = await opened(url, script=script)
    offered = await page.locator("button[name=do]").evaluate_all("all => all.map((each) => each.value)")
    assert sorted(offered) == sorted([*(action[0] for action in ACTIONS), "not_me"]), "each of them is tapped in a test"
    known: list[str] = []
    for name, summary, button, fill, kinds in ACTIONS:
        assert await page.title() == "Sus mensajes y sus opciones"
        if summary is not None:
            await page.locator("summary", has_text=summary).tap()
        if fill is not None:
            await fill(page)
        await page.get_by_role("button", name=button).tap()
        await page.wait_for_url(f"**/p/*done={name}")
        assert await page.get_by_role("status").first.is_visible(), name
        known += kinds
        assert await stated(site, identity) == sorted(known), name
        if script:
            await clean(page, f"done-{name}")


async def test_an_answer_is_written_and_sent(site: Town, opened: Open) -> None:
    identity, url = await link(site)
    page = await opened(url, script=False)
    await page.get_by_label("Su respuesta").fill("¿Puedo pagar en dos partes?\nGracias")
    await page.get_by_role("button", name="Enviar la respuesta").tap()
    await page.wait_for_url("**done=answer")
    (row,) = await site.rows("SELECT words FROM contact_event WHERE contact = $1 AND type = 'reply'", identity)
    assert row["words"] == "¿Puedo pagar en dos partes?\nGracias"


async def test_not_me_closes_the_page_behind_her(site: Town, opened: Open) -> None:
    identity, url = await link(site)
    page = await opened(url)
    await page.get_by_role("button", name="No soy esa persona").tap()
    await page.get_by_role("heading", name="Gracias por avisar").wait_for()
    assert "cuota" not in await page.content()
    await clean(page, "thanks")
    assert await stated(site, identity) == ["not_associated", "status"]
    await page.goto(url)
    assert await page.get_by_role("heading", name="no está disponible").is_visible()
    await clean(page, "gone")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_state_is_within_reach_of_everybody(site: Town, opened: Open, language: str) -> None:
    """axe: no violation on any state of the page, in every language, and by night in one."""
    _, url = await link(site, web=True, locale=language)
    for dark in (False, True) if language == "es" else (False,):
        night = "-dark" if dark else ""
        page = await opened(url, dark=dark)
        assert await page.locator("html").get_attribute("lang") == language
        await clean(page, f"page-{language}{night}")
        for summary in await page.locator("summary").all():
            await summary.tap()
        await clean(page, f"page-open-{language}{night}")
        if language == "en":
            await page.set_viewport_size(DESK)
            await clean(page, f"page-open-{language}")
            await page.set_viewport_size(PHONE)
        # A form with something wrong: the flaw is told, linked, and tied to its field.
        await page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
        await page.locator("button[value=promise]").tap()
        await page.get_by_role("alert").wait_for()
        await clean(page, f"flaw-{language}{night}")
        assert await page.locator("#on").get_attribute("aria-invalid") == "true"
        await page.goto(f"{url[:-22]}{'A' * 22}?lang={language}")
        await clean(page, f"gone-{language}{night}")
        # The page that asks again, as a browser gets it that does not say what a tap was.
        await page.route("**/do", lambda route: _from_elsewhere(site, route))
        await page.goto(url)
        await page.locator("button[value=stop_all]").tap()
        await page.locator("button[name=sure][value=yes]").wait_for()
        await clean(page, f"sure-{language}{night}")


async def _from_elsewhere(found: Town, route: Route) -> None:
    """The same request without the words that a browser adds by itself."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with found.session.post(route.request.url, data=route.request.post_data, headers=headers) as answer:
        await route.fulfill(status=answer.status, headers=dict(answer.headers), body=await answer.text())


async def test_it_is_used_by_keyboard_alone(site: Town, opened: Open) -> None:
    identity, url = await link(site)
    page = await opened(url)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.value") == "stop_here":
            break
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**done=stop_here")
    assert await stated(site, identity) == ["consent"]


async def test_a_message_that_comes_while_she_looks_is_told_and_read_when_it_was_in_sight(
    site: Town, opened: Open
) -> None:
    identity, url = await link(site, web=True)
    page = await opened(url)
    note = page.locator("[data-note]").first
    await note.scroll_into_view_if_needed()
    await page.locator("#fresh").wait_for()
    (row,) = await site.rows("SELECT state FROM attempt WHERE contact = $1 AND channel = 'web'", identity)
    assert row["state"] == "read"
    await clean(page, "fresh")
    await page.get_by_role("link", name="Ver el mensaje nuevo").tap()
    await page.locator("[data-read=yes]").wait_for()


HOSTILE = (
    "<script>document.title='x'</script><img src=x onerror=\"document.title='x'\"> \u202eevil\u202c "
    "</p></div><form action=https://evil.example><button>Pague aquí</button></form> {{7*7}} {{link}} "
    "javascript:alert(1) " + "A" * 300 + " BAJA"
)


async def test_hostile_words_are_words(site: Town, opened: Open) -> None:
    _, url = await link(site, text=HOSTILE)
    page = await opened(url)
    assert await page.title() == "Sus mensajes y sus opciones"
    shown = await page.locator(".text").first.inner_text()
    assert "<script>document.title='x'</script>" in shown
    assert "\u202e" not in shown
    assert "{{7*7}}" in shown
    assert await page.get_by_role("button", name="Pague aquí").count() == 0
    assert {await form.get_attribute("method") for form in await page.locator("form").all()} == {"post"}
    await clean(page, "hostile")


async def test_targets_are_large_enough_for_a_thumb(site: Town, opened: Open) -> None:
    """WCAG 2.2, 2.5.8 asks for 24 CSS pixels; buttons here have 44 and more."""
    _, url = await link(site)
    page = await opened(url)
    for summary in await page.locator("summary").all():
        await summary.tap()
    for target in await page.locator("button, summary, .languages a, label.choice").all():
        box = await target.bounding_box()
        assert box is not None
        assert box["height"] >= 44, await target.inner_text()

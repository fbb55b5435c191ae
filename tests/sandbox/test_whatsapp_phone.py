"""WhatsApp as the person has it in hand: bubbles with ticks, a note that plays, quick replies that she taps, in Chromium."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from adapters.whatsapp_meta import MetaWhatsApp
from adapters.whatsapp_meta import settings as meta_settings
from tests.adapters.whatsapp_meta_demands import PERSON, table
from tests.pages.test_page_in_a_browser import ARGUMENTS, CHROMIUM, PHONE
from tests.sandbox.conftest import SECRET
from tests.sandbox.test_meta import AUDIO, Checked, Phone, phone, template  # noqa: F401 - the fixture
from vocabulary.outcome import Note, Registered, Sent

pytestmark = pytest.mark.needs("chromium")

READER = PERSON[:-1] + "1"
#: What the test sees is kept here, for people to look at.
PICTURES = Path(os.environ.get("PICTURES", "build/screenshots"))


@pytest.fixture
async def page(phone: Phone) -> AsyncIterator[Page]:  # noqa: F811 - the fixture
    wrong: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        shown = await browser.new_page(viewport=PHONE, device_scale_factor=2)
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        yield shown
        await browser.close()
    assert not wrong


async def test_whatsapp_on_the_telephone(phone: Phone, page: Page):  # noqa: F811 - the fixture
    base = f"http://127.0.0.1:{phone.settings.carrier_port}"
    with_buttons = {**table(base), "buttons": ["Ya pagué", "BAJA"]}
    adapter = MetaWhatsApp("meta", meta_settings("meta", with_buttons), SECRET, Checked(call_seconds=5.0))
    await page.goto(f"http://127.0.0.1:{phone.port}/sandbox#{READER.replace('+', '%2B')}")
    # She writes first, which opens the window.
    await page.select_option("#by", "whatsapp")
    await page.fill("#text", "Hola, ¿cuánto debo?")
    await page.click(".answer button")
    await expect(page.locator(".bubble.out.whatsapp p")).to_have_text("Hola, ¿cuánto debo?")
    registered: Registered = template("Ana", "julio")
    note = Note(url="http://127.0.0.1:1/x", audio=AUDIO, seconds=2.0)
    for told in ({"template": registered}, {"note": note, "text": ""}, {"text": "Su cuota está lista, Ana."}):
        assert isinstance(await adapter.send(phone.parcel(READER, **told)), Sent)
    bubbles = page.locator(".bubble.in.whatsapp")
    await expect(bubbles).to_have_count(3)
    await expect(bubbles.nth(0).locator("small")).to_contain_text("template")
    await expect(bubbles.nth(1).locator("audio")).to_have_count(1)
    await expect(bubbles.nth(1).locator(".ticks.seen")).to_have_attribute("aria-label", "played")
    await expect(bubbles.nth(2).locator(".ticks.seen")).to_have_attribute("aria-label", "read")
    await expect(bubbles.nth(2).locator(".replies button")).to_have_text(["Ya pagué", "BAJA"])
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / "sandbox-whatsapp-phone.png")
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    await bubbles.nth(2).locator(".replies button").last.click()
    await expect(page.locator(".bubble.out.whatsapp p")).to_have_text(["Hola, ¿cuánto debo?", "BAJA"])
    await expect(page.locator("#said")).to_have_text("Sent. The gateway took it.")
    assert [reply.text for reply in phone.gateway.replies()] == ["Hola, ¿cuánto debo?", "BAJA"]
    await adapter.close()

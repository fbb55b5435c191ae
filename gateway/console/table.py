"""Every page of the console, in the order of its navigation. A new one is one module with its ``PAGES``, and one line here."""

from typing import Final

from gateway.console import channels, frequency, held, law, people, proof, today
from gateway.console.site import Page

PAGES: Final[tuple[Page, ...]] = (
    *today.PAGES,
    *frequency.PAGES,
    *people.PAGES,
    *held.PAGES,
    *channels.PAGES,
    *law.PAGES,
    *proof.PAGES,
)

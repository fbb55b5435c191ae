"""The law as data: packs, their readings and calendars, and which of them bind."""

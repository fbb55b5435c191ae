"""Whole stories, told from outside: what a newcomer does in a day, what a CRM lives through, what a stranger tries."""

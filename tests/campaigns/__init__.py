"""Campaigns: one claim each, tried many times against real servers while something is broken on purpose."""

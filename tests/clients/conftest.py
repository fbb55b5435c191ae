"""The whole gateway, as the tests of the roof have it."""

from tests.gateway.conftest import busy, quiet

__all__ = ["busy", "quiet"]

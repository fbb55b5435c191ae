"""The whole gateway, as the tests of the roof have it."""

from tests.gateway.conftest import busy, quiet, template_url

__all__ = ["busy", "quiet", "template_url"]

"""What the command line is tried against."""

from tests.gateway.conftest import quiet, template_url

__all__ = ["quiet", "template_url"]

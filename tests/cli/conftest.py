"""What the command line is tried against."""

from tests.gateway.conftest import quiet

__all__ = ["quiet"]

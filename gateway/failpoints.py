"""Named places at which a test may stop this process dead, to show that nothing is lost or doubled there.

Nothing is armed but by ``arm``, which only the tests' own process starter calls.
"""

from collections.abc import Awaitable, Callable

_armed: dict[str, Callable[[], Awaitable[None]]] = {}


def arm(name: str, strike: Callable[[], Awaitable[None]]) -> None:
    """From now on, reaching ``name`` runs ``strike``."""
    _armed[name] = strike


def disarm() -> None:
    """Nothing strikes any more."""
    _armed.clear()


async def reach(name: str) -> None:
    """A place that a test may have armed; free otherwise."""
    if _armed:
        strike = _armed.get(name)
        if strike is not None:
            await strike()

"""Numbers that say how sure they are, and the windows of the law as cells of a table: pure, so that tests hold them."""

from math import sqrt
from typing import Final

#: Two-sided 95 %.
Z: Final = 1.959963984540054


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Between which shares the truth lies with 95 % confidence (Wilson 1927, doi:10.1080/01621459.1927.10502953); (0, 1) of none."""
    if whole <= 0:
        return 0.0, 1.0
    share = min(1.0, max(0.0, part / whole))
    z2 = Z * Z
    middle = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    reach = Z * sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole)) / (1 + z2 / whole)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def shade(n: int, most: int) -> int:
    """How dark a cell is, 0 to 6; something is never as light as nothing."""
    if n <= 0 or most <= 0:
        return 0
    return max(1, min(6, -(-6 * n // most)))

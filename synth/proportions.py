"""The Wilson interval of a proportion.

Wilson EB, "Probable inference, the law of succession, and statistical inference", Journal of the American Statistical
Association 1927;22:209–212. Unlike the normal approximation it stays within 0 and 1, and is no point where every
trial, or none, succeeded.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(found: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the bounds of a proportion ``found / total``; (0, 1) where nothing was tried.

    Raises ValueError for a count that is negative or greater than the total.
    """
    if not 0 <= found <= total:
        raise ValueError(f"{found} of {total} is no proportion")
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = found / total
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    # At the ends the bound is the share itself, which rounding may miss by a hair.
    low = 0.0 if found == 0 else centre - half
    high = 1.0 if found == total else centre + half
    return low, high

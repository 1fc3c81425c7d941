"""Area under the ROC curve of scores on any scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from oceanpath.stats.discrimination import Floats, auroc


def rank_area(positive: NDArray[np.bool_], scores: Floats) -> float | None:
    """The probability that a positive row has a larger score than a negative one; None without both kinds of rows."""
    shares = rankdata(scores) / (len(scores) + 1)
    return auroc(positive.astype(np.int64), np.column_stack([1 - shares, shares])).value

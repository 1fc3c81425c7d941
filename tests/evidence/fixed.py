"""The comparisons that were fixed before lung was tested, with Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from oceanpath.probing.arms import Arm
from oceanpath.probing.comparison import Comparison, Seeds
from oceanpath.probing.protocol import Protocol
from oceanpath.stats.multiplicity import holm

from .lung import FIXED, PROTOCOL, Lung


class Fixed(NamedTuple):
    """A difference whose lower bound shall be above a limit."""

    arm: str
    baseline: str
    limit: float


COMPARISONS = (
    Fixed("supervised, pan-cancer", "mean", 0.02),
    Fixed("supervised, pan-cancer", "scratch", 0.0),
    Fixed("supervised, far codes", "mean", 0.0),
    Fixed("simclr, folds", "mean", 0.0),
    Fixed("vicreg, folds", "mean", 0.0),
    Fixed("mean and simclr, pan-cancer", "mean", -0.01),
    Fixed("mean and vicreg, pan-cancer", "mean", -0.01),
)


def fixed_comparisons(arms: Mapping[str, Arm], lung: Lung, scratch: Seeds) -> pd.DataFrame:
    """Difference, interval, two-sided p-value of the limit over resamples, and Holm's."""
    protocol = Protocol(PROTOCOL.folds, PROTOCOL.draws, resamples=4000, seed=PROTOCOL.seed)
    names = {name for each in COMPARISONS for name in (each.arm, each.baseline)} - {"scratch"}
    cohort = lung.slides.cohort
    predictions = lung.probed({name: arms[name] for name in sorted(names)}, FIXED) | {"scratch": scratch}
    compared, rows = Comparison(predictions, cohort, protocol), []
    for each in COMPARISONS:
        drawn = compared.differences(each.arm, each.baseline)[1:]
        tail = min(np.mean(drawn <= each.limit), np.mean(drawn >= each.limit))
        p = min(1.0, 2.0 * max(float(tail), 1.0 / (len(drawn) + 1)))
        rows.append({**each._asdict(), **vars(compared.difference(each.arm, each.baseline)), "p": p})
    table = pd.DataFrame(rows)
    table["holm"] = holm(table["p"].tolist())
    table["holds"] = (table["low"] > table["limit"]) & (table["holm"] < 0.05)
    return table

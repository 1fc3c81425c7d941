"""The answer of a bundle for one slide, as one row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.slide_engine import AnyEngine

Row = dict[str, Any]
"""Column → text, number or boolean of Python, so that JSON has exactly the same values."""


@dataclass(frozen=True)
class SlideAnswer:
    """The answer for one slide."""

    row: Row
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1; 0 for patches that the cap excludes."""
    caption: str
    """The prediction in a few words."""
    contributions: tuple[str, NDArray[np.float64]] | None = None
    """What contributions of patches sum to, and those of all patches [N]; see `SlideEngine.contributions`."""


def answer_slide(
    engine: AnyEngine, slide: PredictionRequest, *, members: bool = False, explains: bool = False
) -> SlideAnswer:
    """The answer for one slide.

    The row has the columns slide_id, n_patches, the values (prob_<class> in class order, the columns of another task,
    or embedding_<k>), decisions (predicted and, of a bundle with a threshold, decision; decision_<column> of every
    value with a cut-off), spread_<column> (largest minus smallest value of several members), n_used (patches within the
    model's cap), in_training, ood_score and ood_flag (only if the bundle has feature statistics), notes; with
    `members` also <column>_fold<k>, the values of each member. With `explains`, contributions are computed too.

    Raises: RequestError: the features do not meet the contract of the bundle.
    """
    prediction = engine.predict(slide.features, slide.coords, slide.provenance, explains=explains)
    columns, of_members = engine.columns, prediction.members
    row: Row = {"slide_id": slide.provenance.slide_id, "n_patches": prediction.n_patches}
    row |= zip(columns, engine.values(prediction).tolist(), strict=True)
    row |= engine.decisions(prediction)
    if len(of_members) > 1:
        spread = np.ptp(of_members, axis=0).tolist()
        row |= {f"spread_{name}": value for name, value in zip(columns, spread, strict=True)}
    row |= {"n_used": prediction.n_used, "in_training": prediction.in_training}
    if prediction.similarity is not None:
        row |= {"ood_score": prediction.similarity.ood_score, "ood_flag": prediction.similarity.is_ood}
    row["notes"] = "; ".join([*slide.notes, *prediction.notes])
    for fold, values in zip(engine.folds, of_members.tolist(), strict=True) if members else ():
        row |= {f"{name}_fold{fold}": value for name, value in zip(columns, values, strict=True)}
    return SlideAnswer(row, prediction.attention, engine.caption(prediction), engine.contributions(prediction))


def as_table(engine: AnyEngine, rows: Sequence[Row]) -> pd.DataFrame:
    """The table of these rows; embeddings are float32, other numbers float64 or integers."""
    return pd.DataFrame(rows).astype(dict.fromkeys(engine.columns, engine.dtype))

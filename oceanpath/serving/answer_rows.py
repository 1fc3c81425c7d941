"""The answer of a bundle for one slide, as one row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.serving.embedder import AnyEngine, Embedder, SlideEmbedding
from oceanpath.serving.engine import Engine, Prediction
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.value_engine import ValueEngine, ValuePrediction
from oceanpath.tasks.probabilities import prob_columns

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


@dataclass(frozen=True)
class _Outputs:
    """The predicted numbers of one slide."""

    values: dict[str, float]
    caption: str = ""
    decisions: dict[str, str] = field(default_factory=dict)
    """Column → text."""
    members: NDArray[np.floating] | None = None
    """[M, K], in the order of the values; None for embeddings."""
    folds: Sequence[int] = ()
    """[M]."""


def answer_slide(engine: AnyEngine, slide: PredictionRequest, *, members: bool = False) -> SlideAnswer:
    """The answer for one slide.

    The row has the columns slide_id, n_patches, the values (prob_<class> in class order, the columns of another task,
    or embedding_<k>), decisions (predicted and, of a bundle with a threshold, decision; decision_<column> of every
    value with a cut-off), spread_<column> (largest minus smallest value of several members), n_used (patches within the
    model's cap), in_training, ood_score and ood_flag (only if the bundle has feature statistics), notes; with
    `members` also <column>_fold<k>, the values of each member.

    Raises: RequestError: the features do not meet the contract of the bundle.
    """
    given = (slide.features, slide.coords, slide.provenance)
    if isinstance(engine, Embedder):
        embedded = engine.predict(*given)
        return _answer(slide, embedded, _of_embedding(embedded), members=False)
    if isinstance(engine, ValueEngine):
        valued = engine.predict(*given)
        return _answer(slide, valued, _of_values(engine, valued), members=members)
    predicted = engine.predict(*given)
    return _answer(slide, predicted, _of_classes(engine, predicted), members=members)


def as_table(engine: AnyEngine, rows: Sequence[Row]) -> pd.DataFrame:
    """The table of these rows; embeddings are float32, other numbers float64 or integers."""
    frame = pd.DataFrame(rows)
    single = (
        [name for name in frame.columns.astype(str) if name.startswith("embedding_")]
        if isinstance(engine, Embedder)
        else []
    )
    return frame.astype(dict.fromkeys(single, np.float32))


def _of_classes(engine: Engine, found: Prediction) -> _Outputs:
    probabilities = found.by_label()
    columns = dict(zip(prob_columns(engine.facts.classes), probabilities.values(), strict=True))
    decisions = {"predicted": found.predicted} | ({} if found.decision is None else {"decision": found.decision})
    caption = ", ".join(f"{name} {value:.3f}" for name, value in probabilities.items())
    return _Outputs(columns, caption, decisions, found.members, [member.fold for member in engine.facts.members])


def _of_values(engine: ValueEngine, found: ValuePrediction) -> _Outputs:
    values = found.by_column()
    decisions = {f"decision_{name}": decision for name, decision in found.decisions.items()}
    caption = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    return _Outputs(values, caption, decisions, found.members, [member.fold for member in engine.facts.members])


def _of_embedding(found: SlideEmbedding) -> _Outputs:
    return _Outputs({f"embedding_{k}": value for k, value in enumerate(found.embedding.tolist())})


def _answer(
    slide: PredictionRequest, found: Prediction | ValuePrediction | SlideEmbedding, outputs: _Outputs, *, members: bool
) -> SlideAnswer:
    row: Row = {"slide_id": slide.provenance.slide_id, "n_patches": found.n_patches}
    row |= outputs.values | outputs.decisions
    if outputs.members is not None and len(outputs.members) > 1:
        spread = np.ptp(outputs.members, axis=0).tolist()
        row |= {f"spread_{name}": value for name, value in zip(outputs.values, spread, strict=True)}
    row |= {"n_used": found.n_used, "in_training": found.in_training}
    if found.similarity is not None:
        row |= {"ood_score": found.similarity.ood_score, "ood_flag": found.similarity.is_ood}
    row["notes"] = "; ".join([*slide.notes, *found.notes])
    if members and outputs.members is not None:
        for fold, values in zip(outputs.folds, outputs.members.tolist(), strict=True):
            row |= {f"{name}_fold{fold}": value for name, value in zip(outputs.values, values, strict=True)}
    return SlideAnswer(row, found.attention, outputs.caption)

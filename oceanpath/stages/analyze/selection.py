"""Test slides to draw, to remove patches from, and to compare with known regions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oceanpath.tasks.base import Task


def review(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The test rows with the columns decided (text), certainty and kind ("error" or "correct").

    Certainty is, for classification, the probability of the true class.
    """
    found = task.review(frame["label"].tolist(), task.values(frame))
    kind = np.where(found.is_correct, "correct", "error")
    return frame.assign(decided=found.decided, certainty=found.certainty, kind=kind)


def pick_slides(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The reviewed rows to draw: half of them the worst errors, the others the most confident correct predictions.

    If there are too few of one kind, the other kind is used. Equal certainties are ordered by slide id.
    """
    errors = rows[rows["kind"] == "error"].sort_values(["certainty", "slide_id"])
    right = rows[rows["kind"] == "correct"].sort_values(["certainty", "slide_id"], ascending=[False, True])
    wrong = min(len(errors), max(count // 2, count - len(right)))
    return pd.concat([errors.head(wrong), right.head(count - wrong)], ignore_index=True)


def spread(rows: pd.DataFrame, count: int) -> list[str]:
    """At most `count` slide ids at equal distances in the sorted list of all."""
    names = sorted(rows["slide_id"])
    at = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[i] for i in at]

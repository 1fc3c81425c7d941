"""nnMIL: a plan in JSON with data_splits → fold_<k> or official_split → train, val, test → slide_info."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.split_files.base import SplitFile, SplitRow, read_role
from oceanpath.errors import ExperimentError

FOLD = re.compile(r"fold_(\d+)")
OFFICIAL = "official_split"
FORM = "nnMIL plan"


def read_nnmil(path: Path) -> SplitFile:
    """The folds of a plan; its official split is one fold.

    Raises: ExperimentError: the file is no JSON or has no such folds.
    """
    try:
        plan = json.loads(path.read_text(encoding="utf-8-sig"))
        splits = plan["data_splits"]
        rows = [row for name, roles in splits.items() for row in _fold(name, roles, path)]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        expected = 'a plan of nnMIL with "data_splits"'
        raise ExperimentError("the split file cannot be read", where=path, expected=expected, got=error) from error
    if not rows:
        raise ExperimentError(
            "the plan has no slides", where=path, expected=f"fold_<k> or {OFFICIAL}", got=list(splits)
        )
    return SplitFile(path, FORM, "slide", rows)


def _fold(name: str, roles: dict[str, Any], path: Path) -> list[SplitRow]:
    match = FOLD.fullmatch(name)
    if match is None and name != OFFICIAL:
        return []
    fold = str(int(match[1])) if match else "0"
    return [
        SplitRow(fold, slide_id(str(slide["slide_id"])), role)
        for word, group in roles.items()
        if isinstance(group, dict) and "slide_info" in group and (role := read_role(word, path))
        for slide in group["slide_info"]
    ]

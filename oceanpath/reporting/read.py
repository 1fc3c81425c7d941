"""Reads the published folders of an experiment."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError
from oceanpath.reporting.documents import ANALYSIS, AUDIT, BUNDLE, LEDGER, METRICS, SPLITS, TRAINING, Documents

MANIFEST = "manifest.json"
BALANCE = "balance.csv"
NAMES = {label.partition("/")[2] for label in (METRICS, SPLITS, TRAINING, AUDIT, ANALYSIS, BUNDLE)}
"""JSON files that are read from every step that has them."""


def read_documents(name: str, folders: Mapping[str, Path], run: Mapping[str, Any] | None) -> Documents:
    """The documents of an experiment.

    Args:
        name: The experiment, with its variant.
        folders: Step → its published folder.
        run: The recorded run that computed the evaluation, if it is known.

    Raises: ArtifactError: a file cannot be read.
    """
    files: dict[str, Any] = {} if run is None else {LEDGER: run}
    for step, folder in folders.items():
        for file in sorted({MANIFEST, *NAMES}):
            if (folder / file).is_file():
                files[f"{step}/{file}"] = _read_json(folder / file)
        if (folder / BALANCE).is_file():
            files[f"{step}/{BALANCE}"] = _read_balance(folder / BALANCE)
    return Documents(name, files, folders)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError("a published file cannot be read", where=path, got=error) from error


def _read_balance(path: Path) -> dict[str, Any]:
    """Rows, and the columns of the label table that they count."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {"rows": rows, "columns": list(dict.fromkeys(row["column"] for row in rows))}

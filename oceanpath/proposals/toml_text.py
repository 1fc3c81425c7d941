"""The text of a proposed experiment file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from oceanpath.proposals.draft import BUILT_IN, Draft

SCHEMA = "oceanpath.schema.json"
"""Name of the schema that is written next to the file, for editors."""
ABOUT = {
    "extract": "slides to patch features",
    "mmap": "all patch features in one memory-mapped store",
    "split": "patient-grouped folds; `folds` is at most the number of patients of the smallest group",
    "model": "the aggregator; `oceanpath models list` shows all",
    "train": "one model per fold, selected on inner validation data; for example epochs = 20",
    "eval": "metrics with intervals and baselines",
    "analyze": "maps of patches and slide embeddings",
    "export": "the ensemble of all folds, for predict and serve",
}
"""Table → comment."""
BUILT_IN_REMARK = "ships with OceanPath and is not made for pathology; `oceanpath encoders list` shows others"
UNNAMED = '# features = "features"  # needed: the folder of features, or: slides = "slides"'


def render(draft: Draft, name: str, folder: Path) -> str:
    """The file's text.

    Args:
        draft: The experiment.
        name: Name of the experiment.
        folder: Folder of the file; paths below it are written relative to it.
    """
    lines = [
        f"#:schema ./{SCHEMA}",
        "# All keys and their defaults: docs/reference/toml.md, or `oceanpath config show`.",
    ]
    lines += [_line("name", name), _line("seed", 42), "", "[data]"]
    lines += [] if {"features", "slides"} & draft.data.keys() else [UNNAMED]
    lines += [_line(key, _value(value, folder), draft.comments.get(key, "")) for key, value in draft.data.items()]
    for table, keys in draft.tables.items():
        lines += ["", f"[{table}] # {ABOUT[table]}" if table in ABOUT else f"[{table}]"]
        remarks = {"encoder": BUILT_IN_REMARK} if keys.get("encoder") == BUILT_IN else dict[str, str]()
        lines += [_line(key, value, remarks.get(key, "")) for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def as_values(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The keys of `[data]` as they are written."""
    return {key: _value(value, folder) for key, value in data.items()}


def _value(value: Any, folder: Path) -> Any:
    if not isinstance(value, Path):
        return value
    path, folder = value.resolve(), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _line(key: str, value: Any, comment: str = "") -> str:
    text = tomli_w.dumps({key: value}, multiline_strings=False).strip()
    if isinstance(value, list):
        text = f"{key} = [{', '.join(tomli_w.dumps({'v': each}).strip()[4:] for each in value)}]"
    return f"{text} # {comment}" if comment else text

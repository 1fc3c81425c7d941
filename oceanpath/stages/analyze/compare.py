"""Comparison of variants: paired tests on the same slides, with patients as clusters.

The p-values of all tests between all variants of the experiment are one family and are adjusted together, so the files
of two variants give their pair the same adjusted p-values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError
from oceanpath.evaluation.pair_tests import compare_pairs, family_size, named_tests, seed_text
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stages.analyze.variants import read_variants

FILE = "comparison.json"
Block = dict[str, Any]


def compare_variants(
    settings: AnalyzeSettings, own: Path, variants: Mapping[str, Path], selected: bool
) -> dict[str, Any] | None:
    """The contents of comparison.json; None if no other variant has different predictions.

    Args:
        settings: Resamples, confidence and seed.
        own: Predictions of this variant.
        variants: Variant → its predictions, including this one.
        selected: Whether these rows were also used for selection.

    Raises:
        StageError: variants differ in slides, patients, labels or task, or a row is not a test row.
    """
    this = next((name for name, path in variants.items() if path.resolve() == own.resolve()), "this")
    models = {own.resolve(): this}
    for name, path in variants.items():  # variants with the same predictions share a folder
        models.setdefault(path.resolve(), name)
    if len(models) < 2:
        return None
    rows = read_variants({name: path for path, name in models.items()})
    pairs = compare_pairs(settings, rows)
    return {
        "this": this,
        **rows.task.record(),
        "selected": selected,
        "variants": {name: models[path.resolve()] for name, path in variants.items()},
        "family": family_size(pairs),
        "pairs": [pair for pair in pairs if pair["this"] == this],
    }


def write_comparison(comparison: Mapping[str, Any], out: Path) -> None:
    """Write comparison.json below `out`: finite JSON, keys sorted."""
    write_json(out / FILE, comparison)


def read_comparison(path: Path) -> dict[str, Any]:
    """The contents of comparison.json below `path`.

    Raises: ArtifactError: the file cannot be read, or a p-value is missing without a reason or out of range.
    """
    try:
        comparison: dict[str, Any] = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{FILE} cannot be read", where=path, got=error) from error
    for block in comparison["pairs"]:
        for test in named_tests(block):
            p, raised = block[test]["p"], block[test]["p_holm"]
            if p is None and not block[test].get("reason"):
                raise ArtifactError("a p-value is missing without a reason", where=path, got=f"{block['other']} {test}")
            if p is not None and not 0 <= p <= raised <= 1:
                raise ArtifactError(
                    "a p-value is not between 0 and its adjusted value",
                    where=path,
                    got=f"{block['other']} {test}: {p}, {raised}",
                )
    return comparison


def describe(comparison: Mapping[str, Any], title: str) -> list[str]:
    """One line per pair, for the screen; `title` is the name of the main metric."""
    word = "".join(f"{name} " for name in ("selected", "seen_in_pretraining") if comparison.get(name))
    return [_line(word, comparison["family"], block, title) for block in comparison["pairs"]]


def _line(word: str, family: int, block: Block, title: str) -> str:
    this, found = block["this"], block["difference"]
    if found["p"] is None:
        return f"{word}{this} against {block['other']}: no test ({found['reason']})"
    return (
        f"{word}{this} against {block['other']}: {title} {found['value']:+.3f} "
        f"({found['low']:+.3f} to {found['high']:+.3f}), p {found['p_holm']:.2g} after Holm over {family} tests"
        f"{seed_text(block)}"
    )

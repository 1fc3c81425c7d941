"""Files above tasks and objectives that name classes, their probabilities, AUROC or softmax: few, each for a reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ..test_architecture import FILES, PACKAGE, layer_of, layers

WORDS = re.compile(r"(?<![a-z])classes(?![a-z])|prob_|auroc|softmax", re.IGNORECASE)
CLASS_AWARE = {
    "cli/examples.py": "an example of the ledger's help sorts by auroc",
    "stages/tables.py": "the key data.classes",
    "stages/split/settings.py": "passes data.classes on to the task",
    "evaluation/class_figures.py": "the figures of classification",
    "stages/export/calibrate.py": "temperatures and thresholds of a bundle",
    "stages/export/ensemble.py": "the exported softmax",
    "stages/export/facts.py": "a key of bundle.json",
    "stages/export/checkpoint.py": "the same key, for a model without evaluation",
    "stages/export/card.py": "the model card of a bundle",
}
"""File → why. A bundle holds class probabilities: they are the serving contract."""
SIMULATIONS = {
    *("bench/coverage.py", "bench/difference_coverage.py", "bench/metric_coverage.py", "bench/refitted.py"),
    "cli/bench/coverage.py",
}
"""They simulate the intervals of `stats` by their names, and see no experiment: not counted."""
PROBES = "probing/"
"""A linear or k-NN probe is a classification of embeddings by definition, whatever an experiment predicts."""
REPORTING = "reporting/"
"""It says in words what metrics mean, those of classes among them."""
SYNTHETIC = {"bench/train.py", "bench/ledger.py", "proposals/classic_mil.py"}
"""They write cohorts with known labels: random ones to measure times, and published data sets."""


def names(path: Path) -> set[str]:
    """Identifiers and texts of a module; docstrings and comments are left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [line for line in body if not _is_text(line)]
    found = set()
    for node in ast.walk(tree):
        found |= {str(getattr(node, key)) for key in ("id", "attr", "arg", "name") if getattr(node, key, None)}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_few_files_above_tasks_and_objectives_name_classes() -> None:
    """Above: the layers that may import tasks or stages; `serving` is the contract of a bundle and not counted."""
    above = {name for name, allowed in layers().items() if allowed & {"tasks", "stages"}} - {"serving"}
    interfaces = {"api", "audit", "bench", "cli", "ledger_page"}
    assert above == {"fit", "probing", "evaluation", "stages", "proposals", "diagnosis", "reporting", *interfaces}
    aware = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if layer_of(path) in above and "objectives" not in path.parts and any(map(WORDS.search, names(path)))
    }
    counted = {name for name in aware - SIMULATIONS - SYNTHETIC if not name.startswith((PROBES, REPORTING))}
    assert counted == set(CLASS_AWARE)
    assert len(CLASS_AWARE) < 10

"""The end of a run: the figures of metrics.json, whole, on any terminal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from oceanpath.artifacts.metrics import FILE, read_metrics
from oceanpath.cli import table as tables
from oceanpath.cli.results import metrics_table, results

CONFIDENCE = 0.95


@pytest.fixture
def folder(quickstart: Path, tmp_path: Path) -> Path:
    """A copy of an evaluation."""
    shutil.copy(quickstart / "experiments" / "quickstart" / "eval" / FILE, tmp_path / FILE)
    return tmp_path


def change(folder: Path, **keys: Any) -> None:
    path = folder / FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def shown(record: dict[str, float]) -> str:
    interval = "" if record["low"] is None else f" ({record['low']:.3f} to {record['high']:.3f})"
    return f"{record['value']:.3f}{interval}"


def rows(text: str) -> dict[str, str]:
    return {line.strip().partition("  ")[0]: line for line in text.splitlines()}


@pytest.mark.parametrize("width", [80, 120])
def test_both_levels_with_intervals_and_all_baselines(width: int, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: width)
    metrics, text = read_metrics(folder), results(folder, "Title", CONFIDENCE)
    assert max(map(len, text.splitlines())) <= width
    level, point = metrics["level"], metrics["operating_point"]
    found = rows(text)
    for metric, group in (("AUROC", level), ("sensitivity", point), ("specificity", point)):
        for side in ("slide", "patient"):
            assert shown(group[side][metric.lower()]) in found[metric], metric
    for name, records in metrics["floor"].items():
        assert shown(records["auroc"]) in found[f"{name}, baseline"]
    counts = {side: level[side]["auroc"]["n"] for side in level}
    assert f"slides, n = {counts['slide']}" in text and f"patients, n = {counts['patient']}" in text
    assert "95 % intervals" in text


def test_notes_are_warnings(folder: Path) -> None:
    note = "worse_than_floor: AUROC 0.700 is below mean_pool_lr (0.800)"
    change(folder, notes=[note])
    _, _, warnings = results(folder, "Title", CONFIDENCE).partition("\nWarnings\n")
    assert warnings.strip() == note
    change(folder, notes=[])
    assert "Warnings" not in results(folder, "Title", CONFIDENCE)


def test_what_is_undefined_and_what_is_selected_say_so(folder: Path) -> None:
    metrics = json.loads((folder / FILE).read_text())
    nothing = {name: {"value": None, "reason": "slides disagree"} for name in metrics["level"]["patient"]}
    change(folder, level={**metrics["level"], "patient": nothing}, operating_point=None)
    text = results(folder, "Title", CONFIDENCE)
    assert rows(text)["AUROC"].endswith("undefined")
    assert "patients, n" not in text and "own threshold" not in text
    (folder / FILE).write_text(json.dumps({**marked(json.loads((folder / FILE).read_text())), "selected": True}))
    assert (
        "(selected: these slides were also used for model selection)"
        in results(folder, "Title", CONFIDENCE).splitlines()[0]
    )


def marked(node: Any) -> Any:
    """The same JSON with the word `selected` at every record."""
    if isinstance(node, list):
        return [marked(child) for child in node]
    if not isinstance(node, dict):
        return node
    children = {key: marked(child) for key, child in node.items()}
    return {**children, "selected": True} if "value" in node else children


def test_an_external_cohort_has_the_range_of_single_models(folder: Path) -> None:
    before = results(folder, "Title", CONFIDENCE)
    change(folder, external="b")
    text = results(folder, "Title", CONFIDENCE)
    values = sorted(fold["auroc"]["value"] for fold in read_metrics(folder)["folds"])
    assert f"{values[0]:.3f} to {values[-1]:.3f}" in rows(text)["single models, from lowest to highest"]
    assert "at the mean threshold of the models" in text and "single models" not in before


def test_each_of_several_labels_has_its_sensitivity_and_specificity() -> None:
    known: dict[str, Any] = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 36}
    point = {f"{rate}_{label}": known for rate in ("sensitivity", "specificity", "ppv") for label in ("egfr", "kras")}
    point["sensitivity_kras"] = {"value": None, "reason": "a fold has no threshold"}
    level = dict.fromkeys(("auroc", "auprc", "brier"), known)
    metrics = {"task": "multilabel", "targets": ["egfr", "kras"], "scheme": "kfold", "selected": False, "folds": []}
    metrics |= {"level": {"slide": level, "patient": level}, "floor": {}, "notes": []}
    decided = {**metrics, "operating_point": {"slide": point, "patient": point}}
    text = metrics_table(decided, "Title", CONFIDENCE)
    assert rows(text)["specificity, egfr"].count("0.800 (0.700 to 0.900)") == 2
    assert rows(text)["sensitivity, kras"].count("undefined") == 2
    assert "Sensitivity and specificity at each fold's own threshold." in text
    assert "ensitivity" not in metrics_table({**metrics, "operating_point": None}, "Title", CONFIDENCE)

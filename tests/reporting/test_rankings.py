"""Pages of leaderboards and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from oceanpath.cli.leaderboard import HEAD
from oceanpath.reporting.rankings import comparison_page, leaderboard_page

from .examples import record
from .test_page import HOSTILE, Structure, words


def entry(cohort: str, **more: Any) -> dict[str, Any]:
    return {"cohort": cohort, "mean": 0.8, "low": 0.7, "high": 0.9, **more}


def test_a_leaderboard_has_one_table_per_cohort() -> None:
    rows = [entry(""), entry("", mean=0.7, low=None), entry("hospital_b")]
    cells = [
        [row["cohort"], "1", f"model {i}", "42", "AUROC", "0.8", "", "best", ""][: len(HEAD)]
        for i, row in enumerate(rows)
    ]
    page = leaderboard_page(HEAD, cells, rows, "95 % intervals")
    assert len(Structure(page).named("table")) == 2
    text = words(page)
    assert "own cohort" in text and "hospital_b" in text and "model 1" in text and "95 % intervals" in text
    assert page.count('<svg class="bar"') == 2


def test_a_comparison_embeds_its_figures_and_names_what_was_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "forest.png")
    report = {
        "models": {HOSTILE: record(0.8), "other": record(0.75)},
        "best": HOSTILE,
        "pairs": [{"n": 36, "n_patients": 27}],
        "family": 2,
        "confidence": 0.95,
        "ranks": {"reason": "ranks need 3 models or more"},
        "notes": ["other: 2 slides were left out"],
    }
    cells = [[HOSTILE, "0.800 (0.700 to 0.900)", "best", ""], ["other", "0.750", "-0.050", "0.3"]]
    page = comparison_page(report, cells, "AUROC", tmp_path)
    assert "<script" not in page and HOSTILE in words(page)
    assert "2 slides were left out" in words(page) and "No ranks: ranks need 3 models or more." in words(page)
    assert len(Structure(page).named("img")) == 1

"""One meaning, one identity, whatever it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.experiment import load
from oceanpath.stages.catalog import CATALOG
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.stage import STAGE


def test_magnification_is_another_spelling_of_target_mpp() -> None:
    reported = ExtractSettings(magnification=40)
    assert reported.target_mpp == 0.25 and reported.identity() == ExtractSettings(target_mpp=0.25).identity()
    assert ExtractSettings(magnification=20, target_mpp=0.5).identity() == ExtractSettings().identity()


@pytest.mark.parametrize("wrong", [0, -20, True, "20", 1000, float("nan")])
def test_an_invalid_magnification_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"magnification|target_mpp"):
        ExtractSettings(magnification=wrong)


def test_contradictory_keys_are_reported(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text("[extract]\nmagnification = 20\ntarget_mpp = 0.25\n")
    with pytest.raises(
        ExperimentError, match=r"magnification = 20 means target_mpp = 0\.5, not 0\.25; set only one of them"
    ):
        load(tmp_path / "e.toml", CATALOG).base.settings(STAGE)


def test_geometry_is_refused_for_trident() -> None:
    with pytest.raises(ValueError, match="geometry requires backend"):
        ExtractSettings(geometry="trident", backend="trident")

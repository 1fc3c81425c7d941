"""Slide embeddings are refused, before any work, by stages and architectures that need the patches of a slide."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources
from oceanpath.stages.curate import preflight as curate
from oceanpath.stages.curate.settings import CurateSettings
from oceanpath.stages.mmap.reuse import recipe
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.pretrain import preflight as pretrain
from oceanpath.stages.pretrain.settings import PretrainSettings
from oceanpath.stages.tables import DataSettings
from oceanpath.stages.train import preflight as train
from oceanpath.stages.train.settings import TrainSettings


@pytest.mark.parametrize(
    ("name", "refused"),
    [("abmil", True), ("transmil", True), ("linear", False), ("mean_mlp", False), ("static", False)],
)
def test_architectures_with_attention_refuse_one_row_per_slide(name: str, refused: bool) -> None:
    settings = {"model": {"name": name}, "level": "slide"}
    problems = train.preflight(TrainSettings.model_validate(settings), ParentSources()).problems
    assert ["one row per slide" in one.render() and f"got {name}" in one.render() for one in problems] == [
        True
    ] * refused
    assert not train.preflight(TrainSettings.model_validate(settings | {"level": "patch"}), ParentSources()).problems


def test_stages_that_need_patches_refuse_slide_embeddings() -> None:
    problems = pretrain.preflight(PretrainSettings(level="slide"), ParentSources()).problems
    assert any("needs the patches of slides" in one.render() for one in problems)
    with pytest.raises(ExperimentError, match="by their number of patches, which slide embeddings lack"):
        curate.preflight(CurateSettings(level="slide"), ParentSources())
    for source in ({"slides": "wsi"}, {"store": "s3://bucket/cohort"}):
        with pytest.raises(ValidationError, match=r'level = "slide" is set next to slides or store'):
            DataSettings.model_validate(source | {"level": "slide"})


def test_the_default_changes_no_identity_and_no_bag_of_an_earlier_store() -> None:
    patch, slide = MmapSettings(), MmapSettings(level="slide")
    assert "level" not in patch.identity() and slide.identity()["level"] == "slide"
    assert recipe(patch) != recipe(slide)

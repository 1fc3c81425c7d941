"""Texts that all model cards use."""

from __future__ import annotations

from typing import Any

import pytest

from oceanpath.artifacts.bundle.facts import Capping, Contract
from oceanpath.stages.export.card_text import COORDS, cap_text, geometry_text, join_numbers, markdown_table


def contract(**fields: Any) -> Contract:
    return Contract(encoder="toy", feature_dim=4, **fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "not recorded, not recorded"),
        ({"patch_px": 256}, "256 px, not recorded"),
        ({"patch_px": 256, "target_mpp": 0.5}, "256 px, 0.5 µm/px"),
        ({"patch_px": 256, "target_mpp": 0.5, "stride_px": 128}, "256 px, 0.5 µm/px, stride 128 px"),
        (
            {"patch_px": 256, "target_mpp": 0.5, "patch_px_level0": (512.0, 512.0)},
            "256 px, 0.5 µm/px; 512 level-0 px wide in the training slides",
        ),
        (
            {"stride_px": 9, "patch_px_level0": (508.5, 512.0)},
            "not recorded, not recorded, stride 9 px; 508.5 to 512 level-0 px wide in the training slides",
        ),
    ],
)
def test_only_what_is_known_of_the_patches_is_stated(fields: dict[str, Any], text: str) -> None:
    assert geometry_text(contract(**fields)) == text


@pytest.mark.parametrize(
    ("strategy", "how"),
    [("random", "at random"), ("spatial_stratified", "evenly over a grid of 8 x 8 cells")],
)
def test_a_cap_is_described_with_its_sampling(strategy: Any, how: str) -> None:
    cap = Capping(max_patches=20, strategy=strategy, grid=8, seed=3, golden_rows=[0])
    text = cap_text(contract(cap=cap))
    assert text == f"at most 20, sampled {how} by slide id (seed 3), as in the evaluation"
    assert cap_text(contract()) == "all"


def test_every_use_of_coordinates_has_a_description() -> None:
    for use in ("required", "optional", "unused"):
        assert COORDS[contract(coords=use).coords]


def test_a_table_has_a_line_per_row_and_bars_in_cells_are_escaped() -> None:
    rows = [("a", "1|2"), ("b", "")]
    assert markdown_table(("", "x"), rows).splitlines() == ["|  | x |", "| --- | --- |", "| a | 1\\|2 |", "| b |  |"]


@pytest.mark.parametrize(("numbers", "text"), [([7], "7"), ([1, 7], "1 and 7"), ([1, 2, 7], "1, 2 and 7")])
def test_numbers_are_listed_as_in_a_sentence(numbers: list[int], text: str) -> None:
    assert join_numbers(numbers) == text

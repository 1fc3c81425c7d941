"""The ranges and defaults of `[export]`."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.mmap.settings import MmapSettings

from ...published_settings import check_keys, check_shared_keys, read_reference


@pytest.mark.parametrize(
    "values",
    [{"parity_batches": [1, 64]}, {"parity_patches": [1, 100_000]}, {"tolerance": 1e-7}, {"tolerance": 1e-2}],
)
def test_values_at_the_end_of_a_range_are_accepted(values: dict[str, object]) -> None:
    ExportSettings.model_validate(values)


@pytest.mark.parametrize(
    "values",
    [{"parity_batches": [0]}, {"parity_batches": [65]}, {"parity_patches": [0]}, {"tolerance": 0}, {"tolerance": 0.02}],
)
def test_values_out_of_range_are_rejected(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExportSettings.model_validate(values)


def test_the_default_cap_is_that_of_the_store() -> None:
    export, mmap = ExportSettings(), MmapSettings()
    assert (export.max_instances, export.cap_strategy, export.cap_grid, export.seed) == (
        *(mmap.max_instances, mmap.cap_strategy, mmap.cap_grid, mmap.seed),
    )


def test_keys_ranges_and_defaults_are_those_of_the_reference() -> None:
    check_keys(ExportSettings, read_reference()["properties"]["export"])
    check_shared_keys(ExportSettings)


def test_what_does_not_change_the_bundle_is_no_part_of_its_identity() -> None:
    """A key that is added with its default must not make earlier bundles outdated."""
    assert set(ExportSettings().identity()) == {
        *("calibrate", "cap_grid", "cap_strategy", "extract", "formats", "max_instances", "opset", "parity_batches"),
        *("parity_patches", "parity_slides", "seed", "title", "tolerance"),
    }
    assert "task" in ExportSettings(task="ordinal").identity()
    for values in ({"rows": "fold_train"}, {"resamples": 9}, {"confidence": 0.5}):
        assert ExportSettings.model_validate(values).identity() == ExportSettings().identity()

"""The ranges and defaults of `[export]`."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.mmap.settings import MmapSettings


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

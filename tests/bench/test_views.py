"""A view costs the same for small and large slides, and little next to all pairs of patches and a training step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oceanpath.bench.views import (
    ALL_PAIRS,
    PATCHES,
    STORED,
    as_table,
    bench_step,
    bench_views,
    generated_slide,
    make_view,
    make_view_by_all_pairs,
)


def test_both_ways_make_a_view_of_the_same_kind() -> None:
    slide = generated_slide(1500, 32)
    for view in (make_view(slide, 0), make_view_by_all_pairs(slide, 0)):
        assert view.shape == (PATCHES, 32)
        assert view.dtype == torch.float16
        assert torch.isfinite(view).all()
    assert torch.equal(make_view(slide, 3), make_view(slide, 3, computes_neighbours=True))
    assert np.ptp(slide.bag.positions, axis=0).min() > 256 * 10


def test_the_table_has_every_way_and_size() -> None:
    costs = bench_views((32, 64), 16, 2, 1)
    assert [cost.case for cost in costs] == ["32 patches"] * 3 + ["64 patches"] * 3
    assert all(cost.cpu_ms > 0 and cost.us_per_patch > 0 for cost in costs)
    assert [cost.times_all_pairs for cost in costs if cost.way == ALL_PAIRS] == [1.0, 1.0]
    text = as_table(costs, bench_step(2, 16, 1))
    assert text.count("\n") == 9
    assert "of the step of" in text


@pytest.mark.slow
@pytest.mark.alone
def test_the_cost_does_not_grow_with_the_slide_and_is_far_below_all_pairs() -> None:
    torch.set_num_threads(1)
    costs = {(cost.case, cost.way): cost for cost in bench_views((512, 4096, 8192), 1024, 24, 2)}
    small, large = costs["512 patches", STORED], costs["8192 patches", STORED]
    assert large.us_per_patch <= 1.5 * small.us_per_patch
    assert costs["4096 patches", STORED].times_all_pairs >= 50
    assert large.times_all_pairs >= 150

from __future__ import annotations

import math

import numpy as np
import pytest

from oceanpath.stats.seed_noise import seed_noise, spread


def test_the_noise_of_n_seeds_each_is_1_96_sqrt_2_sd_over_sqrt_n() -> None:
    first, second = [0.90, 0.92, 0.94], [0.91, 0.95, 0.90]
    pooled = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    assert seed_noise(first, second) == pytest.approx(1.96 * math.sqrt(2) * pooled / math.sqrt(3))
    assert spread(first) == pytest.approx(np.std(first, ddof=1))


def test_a_model_of_one_seed_has_the_deviation_of_the_other() -> None:
    first = [0.90, 0.92, 0.94]
    expected = 1.96 * np.std(first, ddof=1) * math.sqrt(1 / 3 + 1)
    assert seed_noise(first, [0.5]) == pytest.approx(expected) == seed_noise([0.5], first)


@pytest.mark.parametrize(("first", "second"), [([0.9], [0.8]), ([0.9, 0.8], [None]), ([], [0.9, 0.8])])
def test_without_two_seeds_there_is_no_noise(first: list[float | None], second: list[float | None]) -> None:
    assert seed_noise(first, second) is None
    assert spread([0.9, None]) is None

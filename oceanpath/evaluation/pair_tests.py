"""The tests of two variants on the same slides, with patients as clusters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.evaluation.model_rows import VariantRows
from oceanpath.evaluation.options import ComparisonOptions
from oceanpath.stats.multiplicity import holm
from oceanpath.stats.paired import influence_comparison, paired_difference, resampled_difference
from oceanpath.stats.planning import detectable_difference, non_inferiority, patients_needed
from oceanpath.stats.repeats import evaluate_by_repeat, resamples_of_rows
from oceanpath.stats.resample import Bootstrap, Resamples, draw_patients
from oceanpath.stats.resampled_t import corrected_resampled_t
from oceanpath.stats.seed_noise import seed_noise, spread
from oceanpath.tasks.evaluation import Floats, ModelPair, PairOptions

Block = dict[str, Any]
POWER, ALPHA = 0.8, 0.05


def compare_pairs(settings: ComparisonOptions, rows: VariantRows) -> list[Block]:
    """The blocks of all pairs; their p-values are one family and are adjusted together (Holm)."""
    tests = PairTests(settings, rows)
    pairs = [tests.block(a, b) for a, b in combinations(rows.values, 2)]
    blocks = [pair[test] for pair in pairs for test in named_tests(pair)]
    for block, p in zip(blocks, holm([block["p"] for block in blocks]), strict=True):
        block["p_holm"] = p
    return pairs


def named_tests(block: Mapping[str, Any]) -> list[str]:
    """Names of the tests of a pair: the blocks that contain a p-value."""
    return [name for name, test in block.items() if isinstance(test, dict) and "p" in test]


def seed_text(block: Mapping[str, Any]) -> str:
    """``", within seed noise (0.012)"``, if the difference of a pair is."""
    seeds = block.get("seeds") or {}
    return f", within seed noise ({seeds['noise']:.3f})" if seeds.get("is_within_noise") else ""


def family_size(pairs: list[Block]) -> int:
    """Number of p-values that were adjusted together."""
    return sum(pair[test]["p"] is not None for pair in pairs for test in named_tests(pair))


class PairTests:
    """The main metric of every variant on the same resamples, and the tests of each pair."""

    def __init__(self, settings: ComparisonOptions, rows: VariantRows) -> None:
        self.settings, self.rows, self.main = settings, rows, rows.task.main_metric
        strata = rows.task.resampling_strata(rows.targets)
        self.drawn = draw_patients(rows.patients, strata, resamples=settings.resamples, seed=settings.seed)
        self.metrics = {name: self._main_metric(values) for name, values in rows.values.items()}

    def block(self, this: str, other: str) -> Block:
        """The object of a pair in comparison.json."""
        a, b, names = self.metrics[this], self.metrics[other], (self.main, self.main)
        found: Block = {
            "this": this,
            "other": other,
            "n": a.n,
            "n_patients": self.drawn.counts.shape[1],
            f"{self.main}_this": a.values[self.main],
            f"{self.main}_other": b.values[self.main],
            "difference": paired_difference(a, b, names, self.settings.confidence).record(),
            **self.rows.task.test_slides(self._pair(this, other), self._options()),
        }
        if self.main in a.influences:  # otherwise the difference is the bootstrap
            found["bootstrap"] = resampled_difference(a, b, names, self.settings.confidence).record()
        if (noise := self._seed_noise(this, other, found["difference"]["value"])) is not None:
            found["seeds"] = noise
        if len(np.unique(self.rows.repeats[self.rows.seeds == 0])) > 1:
            found["resampled_t"] = self._resampled_t(this, other)
        return found | self._planning(a, b, found["difference"]["low"])

    def _main_metric(self, values: Floats) -> Bootstrap:
        """The main metric of a variant; with several repeats, its mean."""

        def evaluate(own: NDArray[np.intp], resamples: Resamples) -> Bootstrap:
            return self.rows.task.compare(self.rows.targets[own], values[own], resamples)

        return evaluate_by_repeat(self.rows.repeats, self.drawn, len(set(self.rows.slides)), evaluate)

    def _options(self) -> PairOptions:
        return PairOptions(self.settings.confidence, self.settings.resamples, self.settings.seed)

    def _pair(self, this: str, other: str) -> ModelPair:
        """One row per slide; with several repeats, the mean prediction of the models that did not see it."""
        _, first, numbers = np.unique(self.rows.slides, return_index=True, return_inverse=True)
        count = np.bincount(numbers)[:, None]
        means = []
        for values in (self.rows.values[this], self.rows.values[other]):
            sums = np.stack([np.bincount(numbers, column) for column in values.T], axis=1)
            means.append(sums / count)
        return ModelPair(self.rows.targets[first], means[0], means[1], self.drawn.numbers[first])

    def _resampled_t(self, this: str, other: str) -> Block:
        """Corrected resampled t test over the test sets of all repeats: of the method, refitted to other patients.

        The metric of a test set is the mean over the seeds.
        """
        folds = self.rows.folds[this]
        if not np.array_equal(folds, self.rows.folds[other]):
            return {"p": None, "reason": "the variants were tested on different splits"}
        first, second = (self._by_fold(name) for name in (this, other))
        if np.isnan(first + second).any():
            return {"p": None, "reason": f"{self.main} is undefined in a test set"}
        n, tested = len(set(self.rows.slides)), (self.rows.seeds == 0).sum() / len(first)
        found = corrected_resampled_t(first - second, tested / (n - tested), self.settings.confidence).record()
        return found | {"test_sets": len(first), "unit": "test sets"}

    def metric_of_fold(self, name: str, fold: int) -> float | None:
        """The main metric of a model on a test set: the mean over the seeds."""
        return _mean(self._each(name, self.rows.folds[name] == fold, self.rows.seeds))

    def _by_seed(self, name: str) -> list[float | None]:
        """The main metric of every seed of a model: the mean over the repeats of the cross-validation."""
        seeds = self.rows.seeds
        return [_mean(self._each(name, seeds == k, self.rows.repeats)) for k in range(self.rows.n_seeds[name])]

    def _each(self, name: str, is_own: NDArray[np.bool_], groups: NDArray[np.int64]) -> list[float | None]:
        """The main metric of a model on some of the rows [n], for each of their `groups` [n]."""
        rows, values = self.rows, list[float | None]()
        for group in np.unique(groups[is_own]):
            own = np.flatnonzero(is_own & (groups == group))
            drawn = resamples_of_rows(self.drawn, own)
            values.append(rows.task.compare(rows.targets[own], rows.values[name][own], drawn).values[self.main])
        return values

    def _seed_noise(self, this: str, other: str, difference: float | None) -> Block | None:
        """Whether a difference is within the noise of the seeds; None if neither model has several."""
        by_seed = {name: self._by_seed(name) for name in (this, other)}
        noise = seed_noise(by_seed[this], by_seed[other])
        if noise is None or difference is None:
            return None
        sds = {f"sd_{key}": spread(by_seed[name]) for key, name in (("this", this), ("other", other))}
        return {**sds, "noise": noise, "is_within_noise": abs(difference) < noise}

    def _by_fold(self, name: str) -> Floats:
        """The main metric of every test set; NaN where it is undefined."""
        found = [self.metric_of_fold(name, fold) for fold in np.unique(self.rows.folds[name]).tolist()]
        return np.array([np.nan if value is None else value for value in found])

    def _planning(self, a: Bootstrap, b: Bootstrap, low: float | None) -> Block:
        """What a cohort of this size can show, and whether `this` is not worse than `other` by the margin.

        `low` is the lower end of the interval of the difference.
        """
        margin = self.settings.margin
        found = influence_comparison(a, b, (self.main, self.main), self.settings.confidence)
        if isinstance(found, str) or found.error <= 0 or low is None:
            reason = found if isinstance(found, str) else "the difference has no variance"
            blocks: Block = {"planning": {"reason": reason}}
            return blocks if margin is None else blocks | {"non_inferiority": {"p": None, "reason": reason}}
        planning: Block = {"power": POWER, "alpha": ALPHA}
        planning["detectable_difference"] = detectable_difference(found.error, POWER, ALPHA)
        if margin is None:
            return {"planning": planning}
        planning["patients_for_margin"] = patients_needed(self.drawn.counts.shape[1], found.error, margin, POWER, ALPHA)
        p = non_inferiority(found, margin, (1 - self.settings.confidence) / 2).p
        test = {"margin": margin, "low": low, "p": p, "is_shown": low > -margin}
        return {"planning": planning, "non_inferiority": test}


def _mean(values: list[float | None]) -> float | None:
    """None if a value is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None

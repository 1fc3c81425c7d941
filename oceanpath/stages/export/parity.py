"""Exported files compared with eager torch, at sizes that were not used in the export."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import nn

from oceanpath.artifacts.bundle.facts import ParityCase
from oceanpath.errors import StageError
from oceanpath.stages.export.runners import Format, Outputs, Runner, torch_runner
from oceanpath.stages.export.settings import ExportSettings

PITCH, LARGEST = 512, 100_000
"""Level-0 pixels between the patches of a regular bag, and the largest coordinate of an irregular one."""


def measure(
    module: nn.Module,
    runners: Mapping[Format, Runner],
    dim: int,
    settings: ExportSettings,
    *,
    coords: bool,
    relative: bool = False,
) -> list[ParityCase]:
    """The largest difference between every file and `module`, for all sizes of the settings.

    With `relative`, differences of outputs above 1 are divided by them.

    Raises: StageError: a difference is not finite or exceeds the tolerance; such a file must not be published.
    """
    eager = torch_runner(module)
    cases = []
    random = np.random.default_rng(0)
    for batch in settings.parity_batches:
        for patches in settings.parity_patches:
            bags = random.standard_normal((batch, patches, dim), dtype=np.float32)
            bag_coords = _coords(batch, patches, random) if coords else None
            expected = eager(bags, bag_coords)
            for form, run in runners.items():
                where = f"{form} at {batch} bags of {patches} patches"
                difference = _difference(run(bags, bag_coords), expected, where, relative=relative)
                cases.append(ParityCase(format=form, batch=batch, patches=patches, difference=difference))
    worst = max(cases, key=lambda case: case.difference)
    if worst.difference > settings.tolerance:
        raise StageError(
            f"{worst.format} differs from the model at {worst.batch} bags of {worst.patches} patches",
            expected=f"at most {settings.tolerance:g}",
            got=f"{worst.difference:.3g}",
            do="Nothing was exported. Leave this format out (export.formats) or change the model.",
        )
    return cases


def _coords(batch: int, patches: int, random: np.random.Generator) -> NDArray[np.float32]:
    """[batch, patches, 2]: cells of a regular grid in every second bag, beginning with the first; others are random."""
    side = 2 * int(np.ceil(np.sqrt(patches)))
    cells = np.stack([random.permutation(side * side)[:patches] for _ in range(batch)])
    regular = PITCH * np.stack([cells % side, cells // side], axis=-1)
    irregular = random.integers(0, LARGEST, regular.shape)
    odd = np.arange(batch)[:, None, None] % 2 == 1
    return np.where(odd, irregular, regular).astype(np.float32)


def _difference(actual: Outputs, expected: Outputs, where: str, *, relative: bool = False) -> float:
    shapes, expected_shapes = [part.shape for part in actual], [part.shape for part in expected]
    if shapes != expected_shapes:
        raise StageError("an exported file has wrong output shapes", where=where, got=shapes, expected=expected_shapes)
    scales = [np.maximum(1.0, np.abs(part)) if relative else 1.0 for part in expected]
    worst = max(float((np.abs(a - b) / scale).max()) for a, b, scale in zip(actual, expected, scales, strict=True))
    if not np.isfinite(worst):
        raise StageError("an output is not finite", where=where, do="The model may be damaged: train it again.")
    return worst

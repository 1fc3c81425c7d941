"""The contract of encoders, checked on a few patches: shape, type, and that a row depends only on its own patch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from oceanpath.slides.encoders import Encoder

TEST_PATCHES, SIDE_PX, TOLERANCE = 4, 256, 2e-2
"""Number and side of the test patches; bfloat16 has eight bits, so rows of different batches differ by about 2^-7."""
ATTRIBUTES = {"name": str, "dim": int, "input_px": int, "batch_size": int, "threads": int}

RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)


class ContractCheck(NamedTuple):
    """Whether an encoder passes one check, and details if it does not."""

    name: str
    passed: bool
    detail: str = ""


def check_contract(encoder: Encoder, side_px: int = SIDE_PX) -> list[ContractCheck]:
    """Check the contract of an encoder on synthetic patches of coloured blocks.

    The checks, in this order: attributes; it runs; shape and type; finite; reproducible; a row depends neither on its
    position or its neighbours nor on the number of patches (both within 2 % of the largest feature); different patches
    have different features. Later checks are skipped if an earlier failure makes them meaningless.
    """
    wrong = [name for name, kind in ATTRIBUTES.items() if not isinstance(getattr(encoder, name, None), kind)]
    checks = [
        ContractCheck("attributes", not wrong, f"missing or of the wrong type: {', '.join(wrong)}" if wrong else "")
    ]
    if wrong:
        return checks
    patches = tissue_like(TEST_PATCHES, side_px)
    try:
        features = encoder.encode(patches)
    except RAISED as error:
        return [*checks, ContractCheck("runs", False, f"{type(error).__name__}: {error}")]
    fits = (
        isinstance(features, np.ndarray)
        and features.shape == (TEST_PATCHES, encoder.dim)
        and features.dtype == np.float16
    )
    got = f"{getattr(features, 'dtype', type(features).__name__)} {getattr(features, 'shape', '')}"
    checks.append(
        ContractCheck(
            "shape and type", fits, "" if fits else f"expected float16 {(TEST_PATCHES, encoder.dim)}, got {got}"
        )
    )
    if not fits:
        return checks
    checks.append(ContractCheck("finite", bool(np.isfinite(features).all())))
    checks.append(ContractCheck("reproducible", np.array_equal(encoder.encode(patches), features)))
    reversed_order = encoder.encode(np.ascontiguousarray(patches[::-1]))[::-1]
    checks.append(_near("rows are independent", reversed_order, features))
    single = np.concatenate([encoder.encode(patches[i : i + 1]) for i in range(TEST_PATCHES)])
    checks.append(_near("any number of patches", single, features))
    differ = len(np.unique(features, axis=0)) == TEST_PATCHES
    checks.append(ContractCheck("different patches differ", differ))
    return checks


def patches_per_second(encoder: Encoder) -> float:
    """Speed of one call of `encode` with a full batch of 256 px patches, after one call to warm up."""
    batch = tissue_like(encoder.batch_size, SIDE_PX)
    encoder.encode(batch)
    start = time.perf_counter()
    encoder.encode(batch)
    return encoder.batch_size / (time.perf_counter() - start)


def tissue_like(count: int, side_px: int) -> NDArray[np.uint8]:
    """Patches [count, side, side, 3] of coloured blocks with increasing brightness; deterministic."""
    cells = -(-side_px // 8)
    blocks = np.random.default_rng(0).integers(90, 250, (count, cells, cells, 3))
    shaded = (blocks * np.linspace(0.5, 1, count)[:, None, None, None]).astype(np.uint8)
    return np.ascontiguousarray(shaded.repeat(8, axis=1).repeat(8, axis=2)[:, :side_px, :side_px])


def _near(name: str, actual: NDArray[np.float16], expected: NDArray[np.float16]) -> ContractCheck:
    largest = float(np.abs(expected.astype(np.float32)).max()) or 1.0
    gap = float(np.abs(actual.astype(np.float32) - expected.astype(np.float32)).max()) / largest
    return ContractCheck(
        name, gap <= TOLERANCE, f"the largest difference is {gap:.1e} of the largest feature" if gap else ""
    )

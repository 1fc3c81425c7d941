"""What every encoder must keep, tried on a few patches: shape, type, and that a row depends on its own patch alone."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.slides.encoders import Encoder

TRIED, SIDE_PX, TOLERANCE = 4, 256, 2e-2
"""Patches that are tried; bfloat16 keeps eight bits, so that rows of different batches may differ by 2^-7 and a bit."""
ATTRIBUTES = {"name": str, "dim": int, "input_px": int, "batch_size": int, "threads": int}

RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)


class ContractCheck(NamedTuple):
    """Whether one law holds, and what was seen where it does not."""

    law: str
    holds: bool
    said: str = ""


def check_contract(encoder: Encoder, side_px: int = SIDE_PX) -> list[ContractCheck]:
    """Hold an encoder to its contract, on patches that look like blocks of stained tissue.

    The laws, in this order: attributes; it runs; shape and type; finite; the same twice; a row does not depend on its
    place or its neighbours; nor on the number of patches (both within 2 % of the largest feature); different patches
    differ. Later laws are left out where an earlier one makes them senseless.
    """
    wrong = [name for name, kind in ATTRIBUTES.items() if not isinstance(getattr(encoder, name, None), kind)]
    verdicts = [
        ContractCheck("attributes", not wrong, f"missing or of another type: {', '.join(wrong)}" if wrong else "")
    ]
    if wrong:
        return verdicts
    patches = tissue_like(TRIED, side_px)
    try:
        found = encoder.encode(patches)
    except RAISED as error:
        return [*verdicts, ContractCheck("runs", False, f"{type(error).__name__}: {error}")]
    fits = isinstance(found, np.ndarray) and found.shape == (TRIED, encoder.dim) and found.dtype == np.float16
    seen = f"{getattr(found, 'dtype', type(found).__name__)} {getattr(found, 'shape', '')}"
    verdicts.append(
        ContractCheck("shape and type", fits, "" if fits else f"float16 {(TRIED, encoder.dim)} wanted, {seen} seen")
    )
    if not fits:
        return verdicts
    verdicts.append(ContractCheck("finite", bool(np.isfinite(found).all())))
    verdicts.append(ContractCheck("the same twice", np.array_equal(encoder.encode(patches), found)))
    turned = encoder.encode(np.ascontiguousarray(patches[::-1]))[::-1]
    verdicts.append(_near("a row has its own patch alone", turned, found))
    alone = np.concatenate([encoder.encode(patches[i : i + 1]) for i in range(TRIED)])
    verdicts.append(_near("any number of patches", alone, found))
    differ = len(np.unique(found, axis=0)) == TRIED
    verdicts.append(ContractCheck("different patches differ", differ))
    return verdicts


def patches_per_second(encoder: Encoder) -> float:
    """Speed of one call of `encode` with a full batch of 256 px patches, after one that is not counted."""
    batch = tissue_like(encoder.batch_size, SIDE_PX)
    encoder.encode(batch)
    start = time.perf_counter()
    encoder.encode(batch)
    return encoder.batch_size / (time.perf_counter() - start)


def tissue_like(count: int, side_px: int) -> NDArray[np.uint8]:
    """Patches [count, side, side, 3] of coloured blocks, one brighter than the other, the same every time."""
    cells = -(-side_px // 8)
    blocks = np.random.default_rng(0).integers(90, 250, (count, cells, cells, 3))
    lit = (blocks * np.linspace(0.5, 1, count)[:, None, None, None]).astype(np.uint8)
    return np.ascontiguousarray(lit.repeat(8, axis=1).repeat(8, axis=2)[:, :side_px, :side_px])


def _near(law: str, one: NDArray[np.float16], other: NDArray[np.float16]) -> ContractCheck:
    largest = float(np.abs(other.astype(np.float32)).max()) or 1.0
    gap = float(np.abs(one.astype(np.float32) - other.astype(np.float32)).max()) / largest
    return ContractCheck(law, gap <= TOLERANCE, f"largest difference {gap:.1e} of the largest feature" if gap else "")

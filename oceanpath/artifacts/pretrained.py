"""Weights of a pretrained aggregator, with what must be equal where they are used.

    aggregator.safetensors   float32 tensors of the aggregator's state dict; its metadata has one key, "oceanpath": JSON
                             of `WeightFacts`

`patients` and `slides` are hashes of the ids that the pretraining used: they recognise an id but do not reveal it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from oceanpath.errors import ArtifactError

WEIGHTS = "aggregator.safetensors"
KEY = "oceanpath"
FORMAT = 1


@dataclass(frozen=True)
class WeightFacts:
    """What the weights were trained by and on."""

    method: dict[str, Any]
    """Settings of the method."""
    model: dict[str, Any]
    """Settings of the architecture."""
    in_dim: int
    """Length of the patch features."""
    encoder: str
    """Encoder of the patch features, as the store states it."""
    encoder_revision: str
    """Empty if unknown."""
    patch_um: float | None
    """Side of a patch in micrometres; None if unknown."""
    mpp: float | None
    """Micrometres per pixel of the patches; None if unknown."""
    step: int
    """The optimiser step after which the weights were kept."""
    patients: list[str]
    """Of patient ids, and of the TCGA barcodes with which ids begin."""
    slides: list[str]
    format: int = FORMAT


def hash_ids(ids: Iterable[str]) -> list[str]:
    """Sorted hashes (16 hex digits) of different ids."""
    return sorted({xxhash.xxh3_64_hexdigest(name.encode()) for name in ids})


def write_weights(path: Path, tensors: Mapping[str, NDArray[np.float32]], facts: WeightFacts) -> None:
    """Write weights; equal weights and facts give equal bytes."""
    metadata = {KEY: json.dumps(asdict(facts), sort_keys=True, allow_nan=False)}
    values = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
    path.write_bytes(save(values, metadata))


def read_facts(path: Path) -> WeightFacts:
    """The facts of weights. Raises: ArtifactError: the file is damaged, or OceanPath did not write it."""
    return _read(path, tensors=False)[0]


def read_weights(path: Path) -> tuple[WeightFacts, dict[str, NDArray[np.float32]]]:
    """Facts and tensors. Raises: ArtifactError: as `read_facts`."""
    return _read(path, tensors=True)


def _read(path: Path, *, tensors: bool) -> tuple[WeightFacts, dict[str, NDArray[np.float32]]]:
    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {}).get(KEY, "null"))
            values = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118  # not a mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtifactError("cannot be read as weights of an aggregator", where=path, got=error) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        do = f"Use the {WEIGHTS} of a pretraining."
        raise ArtifactError("these are not weights of a pretraining", where=path, expected=f"format {FORMAT}", do=do)
    return WeightFacts(**facts), values

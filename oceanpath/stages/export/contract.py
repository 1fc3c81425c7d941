"""Requirements on the features of a slide; only if they are met does the evaluation apply to its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from oceanpath.artifacts.bundle.facts import Capping, Contract, Coords, PatientBagFacts
from oceanpath.artifacts.features.files import find_features, read_meta
from oceanpath.artifacts.features.layouts import SLIDE
from oceanpath.artifacts.patient_bags import GAP_STEPS, UNKNOWN_STEP
from oceanpath.artifacts.store.patients import PatientStore, slides_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.cap import Cap
from oceanpath.errors import StageError
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.settings import ExportSettings

OF_THE_COHORT = ("exclude", "shard")
"""Settings of the extraction that select slides; they do not apply to a new slide."""
GIVEN = ("tissue", "coords", "weights")
"""Optional input files of an extraction."""


def describe_contract(store: Store, settings: ExportSettings, inputs: Inputs, *, reads_coords: bool) -> Contract:
    """The contract of models that were trained on `store`, including the extraction of patches if OceanPath did it.

    Raises: StageError: bags of the store are capped, and the settings do not state the cap.
    """
    cap = _capping(store, settings)
    return Contract(
        encoder=store.index.encoder,
        feature_dim=store.dim,
        dtype=store.index.feature_dtype,
        coords=_coords(store, cap, reads_coords=reads_coords),
        cap=cap,
        patch_px_level0=_footprints(slides_of(store)),
        slide_level=settings.level == SLIDE,
        patient_bags=_patient_bags(store),
        **_extraction(settings, inputs),
    )


def _patient_bags(store: Store) -> PatientBagFacts | None:
    if not isinstance(store, PatientStore):
        return None
    return PatientBagFacts(gap_steps=GAP_STEPS, unknown_step_px=UNKNOWN_STEP)


def _coords(store: Store, cap: Capping | None, *, reads_coords: bool) -> Coords:
    """Whether a prediction needs coordinates: never if the evaluation had none."""
    if not store.has_coords:
        return "unused"
    if reads_coords:
        return "required"
    return "optional" if cap is not None and cap.strategy == "spatial_stratified" else "unused"


def _capping(store: Store, settings: ExportSettings) -> Capping | None:
    is_capped = bool((store.index.lengths < store.index.raw_lengths).any())
    if settings.max_instances is None:
        if is_capped:
            do = "Set mmap.max_instances to the value with which the store was built."
            raise StageError("bags of the store are capped, but mmap.max_instances is not set", where=store.path, do=do)
        return None
    strategy = settings.cap_strategy if store.has_coords else "random"
    cap = Cap(settings.max_instances, strategy, settings.cap_grid, settings.seed)
    return Capping(golden_rows=cap.golden_rows(), **cap._asdict())


def _footprints(store: Store) -> tuple[float, float] | None:
    known = store.index.patch_px_level0[np.isfinite(store.index.patch_px_level0)]
    return (float(known.min()), float(known.max())) if len(known) else None


def _extraction(settings: ExportSettings, inputs: Inputs) -> dict[str, Any]:
    """The fields about the extraction of the features; empty if OceanPath did not extract them."""
    extract = inputs.get("extract")
    if extract is None or settings.extract is None:
        return {}
    first = next(iter(find_features(extract).values()))
    inputs.check("extract", [first.relative_to(extract).as_posix()])
    meta = read_meta(first)
    recipe = {name: value for name, value in settings.extract.identity().items() if name not in OF_THE_COHORT}
    return {
        "patch_px": int(meta.patch_px),
        "target_mpp": float(meta.target_mpp),
        "stride_px": int(meta.patch_px) - int(recipe["overlap"]),
        "encoder_revision": meta.encoder_revision,
        "weights_sha256": meta.weights_sha256,
        "extraction": recipe,
        "given": tuple(name for name in GIVEN if name in settings.extract.outside_paths()),
    }

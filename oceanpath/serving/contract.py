"""Applies the contract of a bundle to the features of one slide: validation, sampling to the cap, and notes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import Capping, Contract
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.artifacts.patient_bags import GAP_STEPS, LARGEST, UNKNOWN_STEP
from oceanpath.bags.cap import Cap
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.serving.errors import (
    BadFeaturesError,
    EmptyBagError,
    MissingCoordsError,
    MissingSlideIdError,
    WrongDimensionError,
    WrongEncoderError,
    WrongPatchesError,
)
from oceanpath.serving.stored_rows import Features

EXACT_DTYPE = "float32"
"""A store of this type contains the features as they were extracted; they are rounded to the contract's type."""
SAME_MPP = 0.02
"""Relative difference of resolutions that is accepted, because nominal magnifications are rounded."""


def validate_features(contract: Contract, features: Features) -> None:
    """Raise unless the features are [N, D] with the model's D and N > 0, and N = 1 for embeddings of slides."""
    shape = features.shape
    if len(shape) == 2 and shape[0] == 0:
        raise EmptyBagError("the slide has no patches", expected="at least one")
    if len(shape) != 2 or shape[1] != contract.feature_dim:
        expected = f"[N, {contract.feature_dim}]"
        raise WrongDimensionError("the features have the wrong shape", expected=expected, got=list(shape))
    if contract.slide_level and shape[0] != 1:
        what, expected = "this model reads one embedding per slide", f"[{contract.feature_dim}]"
        raise WrongDimensionError(what, expected=expected, got=list(shape))


def validate_coords(contract: Contract, coords: NDArray[Any] | None, n: int) -> NDArray[np.int32] | None:
    """Coordinates as whole pixels, or None if there are none and the model does not need them.

    Raises: MissingCoordsError. BadFeaturesError: they have the wrong shape, or are not finite or out of range.
    """
    if coords is None:
        if contract.coords == "required":
            do = "Send the coordinates of the patches with their features."
            raise MissingCoordsError(
                "this model needs the coordinates of the patches", expected=f"coords [{n}, 2]", do=do
            )
        return None
    if coords.shape != (n, 2):
        raise BadFeaturesError("the coords have the wrong shape", expected=[n, 2], got=list(coords.shape))
    pixels = np.rint(np.asarray(coords, np.float64))
    if not (np.abs(pixels) <= LARGEST).all():
        raise BadFeaturesError("the coords are not finite or too large", expected=f"level-0 pixels, at most {LARGEST}")
    return pixels.astype(np.int32)


def validate_provenance(contract: Contract, provenance: Provenance) -> list[str]:
    """Notes on properties that the features do not state, on their precision, and on an unusual patch size.

    Raises: WrongEncoderError, WrongPatchesError: they differ from the contract.
    """
    _validate_encoder(contract, provenance)
    _validate_patches(contract, provenance)
    required = {"encoder": contract.encoder, "patch size": contract.patch_px, "resolution": contract.target_mpp}
    stated = {"encoder": provenance.encoder, "patch size": provenance.patch_px, "resolution": provenance.target_mpp}
    missing = [name for name in required if required[name] and not stated[name]]
    notes = [f"the features do not state their {' and '.join(missing)}, so this was not compared with the model's"]
    return [*(notes if missing else []), *_precision_note(contract, provenance), *_footprint_note(contract, provenance)]


def _validate_encoder(contract: Contract, provenance: Provenance) -> None:
    do = "Extract the slide with the encoder of the training data."
    if provenance.encoder and contract.encoder and provenance.encoder != contract.encoder:
        what = "the features come from a different encoder than the training data"
        raise WrongEncoderError(what, expected=contract.encoder, got=provenance.encoder, do=do)
    required, stated = contract.weights_sha256, provenance.weights_sha256
    if required and stated and required != stated:
        what = "the features come from different encoder weights (sha256) than the training data"
        raise WrongEncoderError(what, expected=required[:12], got=stated[:12], do=do)


def _validate_patches(contract: Contract, provenance: Provenance) -> None:
    sizes_differ = None not in (contract.patch_px, provenance.patch_px) and contract.patch_px != provenance.patch_px
    if sizes_differ or _mpp_differs(contract.target_mpp, provenance.target_mpp):
        raise WrongPatchesError(
            "the patches differ in size or resolution from the training data",
            expected=_patches(contract.patch_px, contract.target_mpp),
            got=_patches(provenance.patch_px, provenance.target_mpp),
            do="Extract the slide with the patch size and resolution of the training data.",
        )


def _mpp_differs(required: float | None, stated: float | None) -> bool:
    return required is not None and stated is not None and abs(stated / required - 1) > SAME_MPP


def _patches(patch_px: int | None, mpp: float | None) -> str:
    return f"{patch_px or 'unknown'} px at {'unknown' if mpp is None else f'{mpp:g}'} µm/px"


def _precision_note(contract: Contract, provenance: Provenance) -> list[str]:
    """A note on a store that rounded the features more coarsely, or otherwise, than the store of the evaluation."""
    dtype = provenance.stored_dtype
    if dtype in ("", EXACT_DTYPE, contract.dtype):
        return []
    return [f"the store has {dtype} features, the evaluation used {contract.dtype}: outputs can differ slightly"]


def _footprint_note(contract: Contract, provenance: Provenance) -> list[str]:
    width = provenance.patch_px_level0
    if contract.patch_px_level0 is None or width is None:
        return []
    low, high = contract.patch_px_level0
    if low * (1 - SAME_MPP) <= width <= high * (1 + SAME_MPP):
        return []
    trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return [f"patches are {width:g} level-0 pixels wide; in the training data {trained}"]


def sample_rows(
    cap: Capping | None, n: int, coords: NDArray[np.int32] | None, slide_id: str
) -> NDArray[np.int64] | None:
    """The rows of a bag of `n` patches that the model uses; None for all.

    Raises: MissingSlideIdError, MissingCoordsError: the bag exceeds the cap, and the sampling needs them.
    """
    if cap is None or n <= cap.max_patches:
        return None
    what, limit = (
        "the slide exceeds the model's cap on patches and therefore needs",
        f"at most {cap.max_patches} patches",
    )
    if not slide_id:
        do = "Send the slide id, by which patches are sampled."
        raise MissingSlideIdError(f"{what} a slide id", expected=limit, got=n, do=do)
    if cap.strategy == "spatial_stratified" and coords is None:
        do = "Send the coordinates of the patches with their features."
        raise MissingCoordsError(f"{what} coordinates", expected=limit, got=n, do=do)
    return _cap(cap).rows(n, coords, slide_id)


def check_sampling(cap: Capping | None) -> None:
    """Raise ArtifactError if this installation does not sample the same patches as the evaluation."""
    if cap is not None and _cap(cap).golden_rows() != cap.golden_rows:
        do = "Install the version of numpy with which the bundle was exported."
        raise ArtifactError(
            "this version of numpy does not sample the same patches as the evaluation",
            expected=cap.golden_rows,
            got=np.__version__,
            do=do,
        )


def check_patient_bags(contract: Contract) -> None:
    """Raise ArtifactError if this version places the slides of a patient in another way than the evaluation."""
    rule = contract.patient_bags
    if rule is not None and (rule.gap_steps, rule.unknown_step_px) != (GAP_STEPS, UNKNOWN_STEP):
        what = "this version of OceanPath places the slides of a patient in another way than the evaluation"
        expected = f"{rule.gap_steps} steps, {rule.unknown_step_px} px"
        do = "Install the version of OceanPath with which the bundle was exported."
        raise ArtifactError(what, expected=expected, got=f"{GAP_STEPS} steps, {UNKNOWN_STEP} px", do=do)


def require_single_slides(contract: Contract, where: object) -> None:
    """Raise ExperimentError if the model predicts patients, from the patches of all their slides together."""
    if contract.patient_bags is not None:
        what = "the model predicts patients from all their slides together, and here it receives one slide at a time"
        do = "Use `oceanpath predict --patients TABLE`, with the columns slide_id and patient_id."
        raise ExperimentError(what, where=where, got='a bundle with data.bag = "patient"', do=do)


def _cap(cap: Capping) -> Cap:
    return Cap(cap.max_patches, cap.strategy, cap.grid, cap.seed)

"""A bundle's contract, applied to the features of one slide: what is refused, what is cut, and what is only said."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import Capping, Contract
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.bags.cap import Cap
from oceanpath.errors import ArtifactError
from oceanpath.serving.errors import (
    BadFeaturesError,
    EmptyBagError,
    MissingCoordsError,
    MissingSlideIdError,
    WrongDimensionError,
    WrongEncoderError,
    WrongPatchesError,
)

EXACT = 1 << 24
"""Whole numbers up to this are exact in float32, in which coordinates are passed to the model."""
SAME_MPP = 0.02
"""Share by which resolutions may differ: nominal magnifications are rounded."""


def validate_features(contract: Contract, features: NDArray[np.floating]) -> None:
    """Raise unless these are features [N, D] of the model, of at least one patch."""
    if features.ndim == 2 and len(features) == 0:
        raise EmptyBagError("the slide has no patches", expected="at least one")
    if features.ndim != 2 or features.shape[1] != contract.feature_dim:
        expected = f"[N, {contract.feature_dim}]"
        raise WrongDimensionError("features of the wrong shape", expected=expected, got=list(features.shape))


def validate_coords(contract: Contract, coords: NDArray[Any] | None, n: int) -> NDArray[np.int32] | None:
    """Coordinates as whole pixels, or None where there are none and none are needed.

    Raises: CoordsNeededError, BadFeaturesError: of the wrong shape, not finite or out of range.
    """
    if coords is None:
        if contract.coords == "required":
            do = "Send the coordinates of the patches with their features."
            raise MissingCoordsError("this model reads the coordinates of patches", expected=f"coords [{n}, 2]", do=do)
        return None
    if coords.shape != (n, 2):
        raise BadFeaturesError("coords of the wrong shape", expected=[n, 2], got=list(coords.shape))
    pixels = np.rint(np.asarray(coords, np.float64))
    if not (np.abs(pixels) <= EXACT).all():
        raise BadFeaturesError("coords are not finite pixels", expected=f"at most {EXACT}, level-0 pixels")
    return pixels.astype(np.int32)


def validate_provenance(contract: Contract, about: Provenance) -> list[str]:
    """Notes about what the features do not say, and about patches of an unusual size.

    Raises: WrongEncoderError, WrongPatchesError: they say something else than the contract.
    """
    _validate_encoder(contract, about)
    expected, got = _patches(contract.patch_px, contract.target_mpp), _patches(about.patch_px, about.target_mpp)
    sizes = None not in (contract.patch_px, about.patch_px) and contract.patch_px != about.patch_px
    if sizes or _apart(contract.target_mpp, about.target_mpp):
        do = "Extract the slide with the patch size and resolution that the model was trained on."
        raise WrongPatchesError("patches of another size or resolution", expected=expected, got=got, do=do)
    ours = {"encoder": contract.encoder, "patch size": contract.patch_px, "resolution": contract.target_mpp}
    theirs = {"encoder": about.encoder, "patch size": about.patch_px, "resolution": about.target_mpp}
    unsaid = [name for name in ours if ours[name] and not theirs[name]]
    notes = [f"the features do not say their {' and '.join(unsaid)}: not compared with the model's"] if unsaid else []
    return notes + _footprint_note(contract, about)


def _validate_encoder(contract: Contract, about: Provenance) -> None:
    do = "Extract the slide with the encoder that the model was trained on."
    if about.encoder and contract.encoder and about.encoder != contract.encoder:
        what = "another encoder than the model's"
        raise WrongEncoderError(what, expected=contract.encoder, got=about.encoder, do=do)
    ours, theirs = contract.weights_sha256, about.weights_sha256
    if ours and theirs and ours != theirs:
        what = "other weights of the encoder than the model's"
        raise WrongEncoderError(what, expected=ours[:12], got=theirs[:12], do=do)


def _apart(ours: float | None, theirs: float | None) -> bool:
    return ours is not None and theirs is not None and abs(theirs / ours - 1) > SAME_MPP


def _patches(patch_px: int | None, mpp: float | None) -> str:
    return f"{patch_px or 'unknown'} px at {'unknown' if mpp is None else f'{mpp:g}'} µm/px"


def _footprint_note(contract: Contract, about: Provenance) -> list[str]:
    if contract.patch_px_level0 is None or about.patch_px_level0 is None:
        return []
    low, high = contract.patch_px_level0
    if low * (1 - SAME_MPP) <= about.patch_px_level0 <= high * (1 + SAME_MPP):
        return []
    trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return [f"a patch is {about.patch_px_level0:g} level-0 pixels wide; the model was trained on {trained}"]


def rows_of(cap: Capping | None, n: int, coords: NDArray[np.int32] | None, slide_id: str) -> NDArray[np.int64] | None:
    """The rows of a bag of `n` patches that the model sees; None for all.

    Raises: SlideIdNeededError, CoordsNeededError: the bag is longer than the cap, and what the draw needs is not known.
    """
    if cap is None or n <= cap.max_patches:
        return None
    said = f"at most {cap.max_patches} patches, or what chooses them"
    if not slide_id:
        do = "Send the slide id too: the patches that count are drawn by it."
        raise MissingSlideIdError("a bag longer than the model's cap needs a slide id", expected=said, got=n, do=do)
    if cap.strategy == "spatial_stratified" and coords is None:
        do = "Send the coordinates of the patches with their features."
        raise MissingCoordsError("a bag longer than the model's cap needs coordinates", expected=said, got=n, do=do)
    return _cap(cap).rows(n, coords, slide_id)


def apply_cap(cap: Capping | None) -> None:
    """Raise ArtifactError when patches would be drawn here in another way than for the evaluation."""
    if cap is not None and _cap(cap).golden_rows() != cap.golden_rows:
        do = "Install the version of numpy that the bundle was exported with."
        raise ArtifactError(
            "the patches of long bags are drawn differently here", expected=cap.golden_rows, got=np.__version__, do=do
        )


def _cap(cap: Capping) -> Cap:
    return Cap(cap.max_patches, cap.strategy, cap.grid, cap.seed)

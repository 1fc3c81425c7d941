"""Writes feature files in the layout of OceanPath, TRIDENT or CLAM.

    oceanpath   <slide_id>.h5 with features [N, D], coords [N, 2] in level-0 pixels, and the attributes that are known
    trident     20x_256px_0px_overlap/features_<encoder>/<slide_id>.h5, with the attributes that TRIDENT writes
    clam        h5_files/<slide_id>.h5 and pt_files/<slide_id>.pt, a tensor [N, D] float32

Rows, their order and their values are kept: float16 stays float16, except in CLAM's files, which are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureFile
from oceanpath.artifacts.features.provenance import UM_PER_PX_AT_1X
from oceanpath.errors import ArtifactError, ExperimentError


@dataclass(frozen=True)
class StatedGrid:
    """Facts that the user states where files do not; empty or None for what the files state."""

    encoder: str = ""
    magnification: float | None = None
    patch_px: int | None = None
    overlap_px: int = 0


@dataclass(frozen=True)
class ConvertedBag:
    """The bag of one slide, and what is known about it."""

    file: FeatureFile
    features: NDArray[np.floating]
    coords: NDArray[np.int32] | None
    stated: StatedGrid = StatedGrid()

    @property
    def encoder(self) -> str:
        """Name of the encoder; "" if unknown."""
        return self.stated.encoder or self.file.encoder

    @property
    def patch_px(self) -> int | None:
        """Side of a patch at the magnification, pixels."""
        return self.stated.patch_px or self.file.provenance.patch_px

    @property
    def magnification(self) -> float | None:
        """Nominal magnification of a patch."""
        mpp = self.file.provenance.target_mpp
        return self.stated.magnification or (UM_PER_PX_AT_1X / mpp if mpp else None)

    def known(self, **values: Any) -> dict[str, Any]:
        """The values that are known."""
        return {name: value for name, value in values.items() if value not in (None, "")}


def write_oceanpath(bag: ConvertedBag, out: Path) -> None:
    """One file in the layout that `extract` writes; attributes that are unknown are left out."""
    source, magnification = bag.file.provenance, bag.magnification
    attrs = bag.known(
        slide_id=bag.file.slide_id,
        encoder=bag.encoder,
        feature_dim=bag.file.dim,
        patch_px=bag.patch_px,
        target_mpp=UM_PER_PX_AT_1X / magnification if magnification else None,
        patch_px_level0=bag.file.patch_px_level0,
        weights_sha256=source.weights_sha256,
        slide_digest=source.slide_digest,
        blank=bag.file.blank or None,
    )
    _write_h5(out / f"{bag.file.slide_id}.h5", bag.features, bag.coords, attrs, {}, {})


def write_trident(bag: ConvertedBag, out: Path) -> None:
    """One file of a TRIDENT job.

    Raises: ExperimentError: encoder, patch size, magnification or coordinates are unknown.
    """
    facts = {"--encoder": bag.encoder, "--magnification": bag.magnification, "--patch-px": bag.patch_px}
    if unknown := [flag for flag, value in facts.items() if not value]:
        what = "TRIDENT's layout states encoder, magnification and patch size, which this file does not"
        raise ExperimentError(what, where=bag.file.path, do=f"State them with {', '.join(unknown)}.")
    if bag.coords is None:
        raise ExperimentError("TRIDENT's layout has coordinates, which this file lacks", where=bag.file.path)
    grid = f"{bag.magnification:g}x_{bag.patch_px}px_{bag.stated.overlap_px}px_overlap"
    side = bag.file.patch_px_level0
    coords = bag.known(
        patch_size=bag.patch_px,
        patch_size_level0=None if side is None else round(side),
        target_magnification=bag.magnification,
        overlap=bag.stated.overlap_px,
        name=bag.file.slide_id,
    )
    folder = out / grid / f"features_{bag.encoder}"
    own = {"encoder": bag.encoder, "name": bag.file.slide_id}
    _write_h5(folder / f"{bag.file.slide_id}.h5", bag.features, bag.coords, {}, own, coords)


def write_clam(bag: ConvertedBag, out: Path) -> None:
    """The two files of CLAM. Raises: ExperimentError: the slide is blank, for which CLAM has no file."""
    import torch  # importing it takes a second, and only these files need it

    if bag.file.blank:
        raise ExperimentError("CLAM has no file for a slide without patches", where=bag.file.path)
    features, side = bag.features.astype(np.float32), bag.file.patch_px_level0
    attrs = {} if side is None else {"patch_size": round(side), "patch_level": 0, "downsample": 1.0}
    _write_h5(out / "h5_files" / f"{bag.file.slide_id}.h5", features, bag.coords, {}, {}, attrs)
    path = out / "pt_files" / f"{bag.file.slide_id}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    torch.save(torch.from_numpy(features), partial)
    partial.rename(path)


def _write_h5(
    path: Path,
    features: NDArray[np.floating],
    coords: NDArray[np.int32] | None,
    of_file: Mapping[str, Any],
    of_features: Mapping[str, Any],
    of_coords: Mapping[str, Any],
) -> None:
    """Write features and coordinates with attributes; the file has its name once it is complete."""
    if path.exists():
        raise ArtifactError("the file exists", where=path, do="Name an empty folder with --out.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with h5py.File(partial, "w", locking=False) as file:
        file.attrs.update(of_file)
        file.create_dataset("features", data=features, track_times=False).attrs.update(of_features)
        if coords is not None:
            file.create_dataset("coords", data=coords, track_times=False).attrs.update(of_coords)
    partial.rename(path)


LAYOUTS: Mapping[str, Callable[[ConvertedBag, Path], None]] = {
    "oceanpath": write_oceanpath,
    "trident": write_trident,
    "clam": write_clam,
}
"""Name of a layout → the function that writes one slide."""

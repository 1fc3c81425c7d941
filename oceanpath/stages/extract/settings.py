"""Keys of `[extract]`."""

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from oceanpath.settings import Settings, added, outside, runtime, shared
from oceanpath.slides.encoders import canonical_name
from oceanpath.slides.encoders.spec import EncoderOptions
from oceanpath.slides.encoders.user_code import source_digest


class ExtractSettings(Settings):
    """Tissue, patches and the patch encoder."""

    backend: Literal["native", "trident"] = "native"
    """Software that reads and encodes slides: OceanPath, or TRIDENT in its own interpreter (docs/trident.md)."""
    encoder: str = "efficientnet_lite0"
    """Patch encoder: a name from `oceanpath encoders list`, a custom ``module:factory``, or a name of TRIDENT."""
    weights: Path | None = outside()
    """Local weights file of the encoder; default: from the hub or its cache."""
    revision: str = ""
    """Commit of the encoder's hub repository; default: the pinned one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the encoder; auto is bfloat16 if the device supports it natively, otherwise float32."""
    patch_px: int = Field(256, ge=16, le=4096)
    """Side of a patch in pixels at `target_mpp`."""
    target_mpp: float = Field(0.5, ge=0.05, le=10)
    """Micrometres per pixel of a patch; 0.5 corresponds to a 20x objective."""
    magnification: float | None = Field(None, gt=0, strict=True)
    """Alternative to `target_mpp`: magnification 20 means 0.5 (10 divided by the magnification)."""
    geometry: Literal["mpp", "trident"] = "mpp"
    """Patch grid: patches of exact physical size inside the slide, or the grid of TRIDENT (docs/trident.md)."""
    overlap: int = Field(0, ge=0)
    """Overlap of neighbouring patches in patch pixels."""
    min_tissue: float = Field(0.25, ge=0, le=1)
    """Minimum fraction of tissue in a patch."""
    tissue: Path | None = outside()
    """Folder of tissue contours (`<slide_id>.geojson`) or masks (`<slide_id>.png`); default: tissue detection."""
    coords: Path | None = outside()
    """Folder of patch coordinates from TRIDENT or CLAM, used instead of tissue detection and grid."""
    tissue_origin: Literal["auto", "slide", "bounds"] = added("auto")
    """Origin of the coordinates of contours and masks: the corner of the slide, or of the scanned area, as QuPath
    exports them for scanners that record one (Leica, Mirax). auto uses the one that fits, and fails if both do."""
    on_bad_tile: Literal["fail", "skip"] = added("fail")
    """If pixels cannot be decoded: fail the slide, or skip the affected patches and count them."""
    colours: Literal["stored", "srgb"] = added("stored")
    """Colours of pixels: as stored, or converted to sRGB with the ICC profile of the slide, if it has one."""
    mpp: float | None = Field(None, gt=0)
    """Micrometres per level-0 pixel of every slide; overrides the metadata."""
    default_mpp: float | None = Field(None, gt=0)
    """Micrometres per level-0 pixel of slides whose metadata contain no plausible value."""
    exclude: tuple[str, ...] = ()
    """Slide ids to leave out."""
    shard: str = Field("", pattern=r"^([1-9]\d*/[1-9]\d*)?$")
    """``i/n``: every n-th slide from the i-th, to divide them among machines; a run without it collects the results."""
    trident_segmenter: Literal["hest", "grandqc", "otsu"] = "hest"
    """Tissue segmentation of TRIDENT; otsu needs no download."""
    trident_python: str = runtime("")
    """Python interpreter of TRIDENT, a path or a command; default: OCEANPATH_TRIDENT_PYTHON."""
    trident_silence_s: float = runtime(1800.0, gt=0)
    """Seconds without output after which TRIDENT is ended."""
    vendor_limit_s: float = runtime(120.0, gt=0)
    """Seconds after which a package that opens or reads a .czi, .kfb or .sdpc slide is ended."""
    slides: Path | None = outside("data.slides")
    labels: Path | None = shared("data.labels", None, is_runtime=True)
    """Table of the slides to extract; only their ids are part of the fingerprint."""
    slide_id: str = shared("data.slide_id", "slide_id", is_runtime=True)
    match_ids: str = shared("data.match_ids", "", is_runtime=True)
    encoding: str = shared("data.encoding", "", is_runtime=True)
    sheet: str = shared("data.sheet", "", is_runtime=True)
    allow_missing: bool = shared("data.allow_missing", False, is_runtime=True)
    whole_folder: bool = shared("stage.curate", False, is_runtime=True)
    """Whether all slides of the folder are extracted, because they are curated afterwards."""
    device: str = shared("runtime.device", "auto", is_runtime=True)
    workers: int = shared("runtime.workers", 2, is_runtime=True, ge=0)
    """Number of processes that prefetch patches for a GPU; on a CPU each core reads and encodes."""

    @model_validator(mode="before")
    @classmethod
    def _as_mpp(cls, values: Any) -> Any:
        """`target_mpp` from `magnification`; a value that is not a positive number is rejected by the field itself."""
        power = values.get("magnification") if isinstance(values, dict) else None
        if isinstance(power, bool) or not isinstance(power, int | float) or power <= 0:
            return values
        mpp = 10 / power
        also = values.get("target_mpp", mpp)
        if isinstance(also, int | float) and abs(also / mpp - 1) > 1e-6:
            raise ValueError(
                f"magnification = {power:g} means target_mpp = {mpp:g}, not {also:g}; set only one of them"
            )
        return {"target_mpp": mpp, **values}

    @field_validator("encoder")
    @classmethod
    def _one_name(cls, name: str, info: ValidationInfo) -> str:
        """An alias and its encoder have the same fingerprint; TRIDENT has its own names."""
        return name if info.data.get("backend") == "trident" else canonical_name(name)

    @field_validator("shard")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value and int(value.partition("/")[0]) > int(value.partition("/")[2]):
            raise ValueError("in a shard i/n, i must be from 1 to n")
        return value

    @model_validator(mode="after")
    def _needs_the_native_backend(self) -> Self:
        if self.coords is not None and self.backend != "native":
            raise ValueError('coords requires backend = "native", because TRIDENT selects patches itself')
        if self.geometry != "mpp" and self.backend != "native":
            raise ValueError('geometry requires backend = "native", because TRIDENT selects patches itself')
        return self

    def reads_files(self) -> bool:
        """The source of a custom encoder, and the label table if it selects slides."""
        return ":" in self.encoder or not (self.labels is None or self.slides is None or self.whole_folder)

    def identity(self) -> dict[str, Any]:
        """The normalised settings, the source of a custom encoder, and the selected slides.

        Raises: OceanPathError: the label table cannot be read.
        """
        has_source = self.backend == "native" and ":" in self.encoder
        custom: dict[str, Any] = {"encoder_source": source_digest(self.encoder)} if has_source else {}
        selected = self.selected_ids()
        custom |= {} if selected is None else {"slides_of_table": _summary_of(selected), "match_ids": self.match_ids}
        custom |= {"allow_missing": True} if self.allow_missing else {}
        known = {name: value for name, value in super().identity().items() if name != "magnification"}
        return {**known, **custom}

    def selected_ids(self) -> list[str] | None:
        """The slide ids of the label table, sorted; None if all slides of the folder are extracted.

        Raises: OceanPathError: the table cannot be read.
        """
        if self.labels is None or self.slides is None or self.whole_folder:
            return None
        from oceanpath.artifacts.cohort.table import TableQuery, read_slide_ids  # most extractions have no table

        query = TableQuery(slide_id=self.slide_id, encoding=self.encoding, sheet=self.sheet)
        return sorted({name for name in read_slide_ids(self.labels, query) if name})

    def encoder_options(self) -> EncoderOptions:
        """Options of `build_encoder`."""
        return EncoderOptions(weights=self.weights, revision=self.revision, precision=self.precision)


def _summary_of(names: list[str]) -> str:
    """Number and digest of slides: the same text for the same slides."""
    return f"{len(names)} slides ({hashlib.blake2b(chr(10).join(names).encode(), digest_size=16).hexdigest()})"

"""Scores of patches as a DICOM Parametric Map (PS3.3, A.75), tiled like a slide, with one image per score.

A map of a DICOM slide refers to it: patient, study, frame of reference and origin are those of the slide. Of any other
slide only the id is known. Identifiers are made from the slide id, so a map that is written again has the same ones.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oceanpath import __version__
from oceanpath.artifacts.score_images.raster import ScoreImage
from oceanpath.errors import ArtifactError

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIX = ".dcm"
TILE = 256
MM_PER_UM = 1e-3
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""VL Whole Slide Microscopy Image Storage."""
ROOT = "2.25."
"""Root of identifiers that are made from UUIDs (PS3.5, B.2)."""
IDS = uuid.UUID("7a3f0f57-53a0-5b6e-bb0c-2f7a5f3c9d02")
RIGHT_AND_DOWN = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Directions of rows and columns, for slides that do not state theirs."""
PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
STUDY = ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName")
"""Attributes that may be empty."""
IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
PLACE = ("ImageOrientationSlide", "TotalPixelMatrixOriginSequence", "SharedFunctionalGroupsSequence")
LONGEST_TEXT, LONGEST_LABEL = 64, 16
UTF_8 = "ISO_IR 192"
SMALLEST_WINDOW = 1e-30
"""Width of the window of equal scores, which must be positive."""


def write_parametric_map(path: Path, image: ScoreImage) -> None:
    """Write an image at its highest level.

    Raises: ArtifactError: the slide is DICOM, and does not state its place.
    """
    from highdicom import VOILUTTransformation  # of the extra `dicom`
    from highdicom.pm import ParametricMap

    known = _read(image.plane.file)
    low, high = _limits(image.values[0])
    made = ParametricMap(
        source_images=[_frame(image, known)],
        pixel_array=np.ascontiguousarray(np.moveaxis(image.values, 0, -1))[None],
        series_instance_uid=_uid("series", image),
        series_number=1,
        sop_instance_uid=_uid("instance", image),
        instance_number=1,
        manufacturer="OceanPath",
        manufacturer_model_name="oceanpath predict",
        software_versions=__version__,
        device_serial_number=__version__,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[[_mapping(*each)] for each in zip(image.names, image.values, strict=True)],
        voi_lut_transformations=[VOILUTTransformation((low + high) / 2, max(high - low, SMALLEST_WINDOW))],
        content_description="Scores of patches",
        tile_pixel_array=True,
        tile_size=(TILE, TILE),
    )
    made.SeriesDescription = image.slide_id[:LONGEST_TEXT]
    if known is None:
        _remove_references(made)
    made.save_as(path)


def _read(file: Path | None) -> Dataset | None:
    """What a DICOM slide states; None for any other one. Raises: ArtifactError: it does not state its place."""
    if file is None or file.suffix.lower() != SUFFIX:
        return None
    from pydicom import dcmread

    slide = dcmread(file, stop_before_pixels=True)
    if missing := [name for name in (*IDENTITY, *PLACE) if name not in slide]:
        raise ArtifactError("the DICOM slide does not state its place", where=file, got=f"no {', '.join(missing)}")
    return slide


def _frame(image: ScoreImage, slide: Dataset | None) -> Dataset:
    """The slide with the pixels of the map, from which the library takes all but the scores."""
    from pydicom import Dataset

    frame, (_, height, width), spacing = Dataset(), image.values.shape, _spacing(image)
    for name in (*PATIENT, *STUDY):
        setattr(frame, name, None if slide is None else slide.get(name))
    frame.SOPClassUID, frame.SpecificCharacterSet = WHOLE_SLIDE, UTF_8
    for name in IDENTITY:
        setattr(frame, name, _uid(name, image) if slide is None else slide[name].value)
    frame.Rows = frame.Columns = TILE
    frame.TotalPixelMatrixRows, frame.TotalPixelMatrixColumns = height, width
    frame.NumberOfFrames = -(-height // TILE) * -(-width // TILE)
    frame.DimensionOrganizationType, frame.TotalPixelMatrixFocalPlanes = "TILED_FULL", 1
    frame.NumberOfOpticalPaths, frame.OpticalPathSequence = 1, [Dataset()]
    frame.ImageOrientationSlide = list(RIGHT_AND_DOWN if slide is None else slide.ImageOrientationSlide)
    frame.TotalPixelMatrixOriginSequence = [_origin(frame.ImageOrientationSlide, spacing, slide)]
    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [_decimal(each) for each in spacing], MM_PER_UM
    groups.PixelMeasuresSequence = [measures]
    frame.SharedFunctionalGroupsSequence = [groups]
    return frame


def _origin(orientation: list[float], spacing: tuple[float, float], slide: Dataset | None) -> Dataset:
    """The place of the centre of the map's first pixel, whose corner is that of the slide."""
    from pydicom import Dataset

    corner = np.zeros(2)
    along_rows, along_columns = np.array(orientation, float)[:2], np.array(orientation, float)[3:5]
    if slide is not None:
        start = slide.TotalPixelMatrixOriginSequence[0]
        own = slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
        corner = np.array([start.XOffsetInSlideCoordinateSystem, start.YOffsetInSlideCoordinateSystem], float)
        corner -= (along_rows * float(own[1]) + along_columns * float(own[0])) / 2
    x, y = corner + (along_rows * spacing[1] + along_columns * spacing[0]) / 2
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = _decimal(x), _decimal(y)
    return origin


def _spacing(image: ScoreImage) -> tuple[float, float]:
    """Millimetres between rows and between columns."""
    width_um, height_um = image.pixel_um
    return height_um * MM_PER_UM, width_um * MM_PER_UM


def _decimal(value: float) -> Any:
    """A number with at most 16 characters."""
    from pydicom.valuerep import DSfloat

    return DSfloat(value, auto_format=True)


def _mapping(name: str, values: NDArray[np.float32]) -> Any:
    """The numbers of a score, which are stored as they are."""
    from highdicom.pm import RealWorldValueMapping
    from pydicom.sr.codedict import codes

    label, limits = name[:LONGEST_LABEL], _limits(values)
    return RealWorldValueMapping(label, name, codes.UCUM.NoUnits, limits, slope=1.0, intercept=0.0)


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """The smallest and the largest score."""
    scores = values[np.isfinite(values)]
    return (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)


def _uid(what: str, image: ScoreImage) -> str:
    """An identifier that depends only on the slide id."""
    return f"{ROOT}{uuid.uuid5(IDS, f'{what} {image.slide_id}').int}"


def _remove_references(made: Dataset) -> None:
    """Remove references to a slide that does not exist as DICOM."""
    for name in ("SourceImageSequence", "ReferencedSeriesSequence"):
        if name in made:
            delattr(made, name)
    for groups in (*made.SharedFunctionalGroupsSequence, *made.get("PerFrameFunctionalGroupsSequence", ())):
        if "DerivationImageSequence" in groups:
            del groups.DerivationImageSequence

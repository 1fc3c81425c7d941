"""DICOM Parametric Maps, read by pydicom: numbers, pixel spacing, place, and the identity of the slide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oceanpath.artifacts.score_images.dicom import write_parametric_map
from oceanpath.artifacts.score_images.raster import SlidePlane, image_of
from oceanpath.errors import ArtifactError

from .images import MPP, centres, image, patches

pytest.importorskip("highdicom", reason="needs oceanpath[dicom]")
pydicom: Any = pytest.importorskip("pydicom", reason="needs oceanpath[dicom]")

SLIDE = Path(__file__).resolve().parents[3] / "../shared/data/slides_real/boxes_dicom/boxes_0.dcm"
PLACE = "RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix"


def scores_of(dataset: Any) -> dict[str, np.ndarray]:
    """Name → the whole image, put together from tiles by their stated positions."""
    tiles = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(-1, dataset.Rows, dataset.Columns)
    height, width = dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns
    images: dict[str, np.ndarray] = {}
    for tile, groups in zip(tiles, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        (mapping,), (place,) = groups.RealWorldValueMappingSequence, groups.PlanePositionSlideSequence
        assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
        whole = images.setdefault(mapping.LUTExplanation, np.zeros((height + 256, width + 256), np.float32))
        row, column = (place[name].value - 1 for name in PLACE)
        whole[row : row + 256, column : column + 256] = tile
    return {name: whole[:height, :width] for name, whole in images.items()}


def test_pydicom_reads_the_scores_and_the_pixel_spacing(tmp_path: Path) -> None:
    drawn, path = image(), tmp_path / "s.dcm"
    write_parametric_map(path, drawn)
    found = pydicom.dcmread(path)
    assert found.SOPClassUID.name == "Parametric Map Storage" and found.BitsAllocated == 32
    scores = scores_of(found)
    assert list(scores) == ["attention", "contribution"]
    for name, values in zip(drawn.names, drawn.values, strict=True):
        assert np.array_equal(scores[name], values, equal_nan=True)
    what = patches()
    rows, columns = centres(what, 8)
    assert np.array_equal(scores["attention"][rows, columns], what.scores["attention"])
    assert np.isnan(scores["attention"]).any() and not (scores["attention"] == 0).any()
    (measures,) = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert [float(each) for each in measures.PixelSpacing] == pytest.approx([8 * MPP[1] / 1000, 8 * MPP[0] / 1000])
    (origin,) = found.TotalPixelMatrixOriginSequence
    centre = [float(origin.XOffsetInSlideCoordinateSystem), float(origin.YOffsetInSlideCoordinateSystem)]
    assert centre == pytest.approx([4 * MPP[0] / 1000, 4 * MPP[1] / 1000])


def test_a_slide_that_is_not_dicom_is_not_referred_to_and_its_identifiers_are_kept(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm"):
        write_parametric_map(tmp_path / name, image(Path("slide.svs")))
    one, other = (pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "b.dcm"))
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert one[name].value == other[name].value and one[name].value.startswith("2.25.")
    assert one.SeriesDescription == "slide 1" and one.PatientID == ""
    text = str(one)
    assert "Source Image Sequence" not in text and "Referenced SOP Instance UID" not in text


@pytest.mark.real
@pytest.mark.skipif(not SLIDE.exists(), reason="needs shared/data/slides_real")
def test_a_map_of_a_dicom_slide_has_its_identity_and_begins_at_its_corner(tmp_path: Path) -> None:
    slide, path = pydicom.dcmread(SLIDE, stop_before_pixels=True), tmp_path / "s.dcm"
    write_parametric_map(path, image(SLIDE))
    found = pydicom.dcmread(path)
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "StudyDate", "ImageOrientationSlide"):
        assert found[name].value == slide[name].value
    assert found.SeriesInstanceUID != slide.SeriesInstanceUID
    (source,) = found.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert source.ReferencedSOPInstanceUID == slide.SOPInstanceUID

    def corner(dataset: Any) -> np.ndarray:
        (start,) = dataset.TotalPixelMatrixOriginSequence
        own = [float(each) for each in dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing]
        directions = np.reshape([float(each) for each in dataset.ImageOrientationSlide], (2, 3))[:, :2]
        place = [float(start.XOffsetInSlideCoordinateSystem), float(start.YOffsetInSlideCoordinateSystem)]
        half: np.ndarray = np.array(place) - (directions[0] * own[1] + directions[1] * own[0]) / 2
        return half

    assert corner(found) == pytest.approx(corner(slide), abs=1e-9)


def test_a_dicom_slide_without_a_place_is_refused(tmp_path: Path) -> None:
    slide = pydicom.Dataset()
    slide.SOPClassUID, slide.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.3"
    slide.file_meta = pydicom.dataset.FileMetaDataset()
    slide.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    slide.save_as(tmp_path / "slide.dcm", enforce_file_format=True)
    with pytest.raises(ArtifactError, match="does not state its place; got no StudyInstanceUID, SeriesInstanceUID"):
        write_parametric_map(tmp_path / "s.dcm", image_of(patches(), SlidePlane(MPP, None, tmp_path / "slide.dcm")))

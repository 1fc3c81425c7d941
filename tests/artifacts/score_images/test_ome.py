"""OME-TIFF and OME-Zarr, read by other packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from oceanpath.artifacts.score_images.formats import FORMATS, check_packages
from oceanpath.artifacts.score_images.ome_tiff import write_ome_tiff
from oceanpath.artifacts.score_images.ome_zarr import write_ome_zarr
from oceanpath.errors import MissingExtraError

from .images import MPP, centres, image, patches

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


def test_tifffile_reads_the_scores_the_levels_and_the_physical_size(tmp_path: Path) -> None:
    drawn, path = image(), tmp_path / "s.ome.tiff"
    write_ome_tiff(path, drawn)
    with tifffile.TiffFile(path) as file:
        (series,) = file.series
        assert (series.axes, series.kind) == ("CYX", "ome") and series.dtype == np.float32
        levels = [level.asarray() for level in series.levels]
        description = file.ome_metadata
        page: Any = file.pages[0]
        per_cm = [number / unit for number, unit in (page.tags[name].value for name in ("XResolution", "YResolution"))]
    expected = [drawn.values, *drawn.lower_levels()]
    assert all(np.array_equal(got, level, equal_nan=True) for got, level in zip(levels, expected, strict=True))
    what = patches()
    rows, columns = centres(what, 8)
    assert np.array_equal(levels[0][0, rows, columns], what.scores["attention"])
    assert description is not None
    (pixels,) = ElementTree.fromstring(description).iter(f"{OME}Pixels")
    for axis, mpp, found in zip("XY", MPP, per_cm, strict=True):
        assert float(pixels.attrib[f"PhysicalSize{axis}"]) == pytest.approx(8 * mpp, rel=1e-9)
        assert pixels.attrib[f"PhysicalSize{axis}Unit"] == "µm"
        assert found == pytest.approx(10_000 / (8 * mpp), rel=1e-6)
    assert [each.attrib["Name"] for each in pixels.iter(f"{OME}Channel")] == ["attention", "contribution"]


def test_equal_images_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.ome.tiff", "b.ome.tiff"):
        write_ome_tiff(tmp_path / name, image())
    assert (tmp_path / "a.ome.tiff").read_bytes() == (tmp_path / "b.ome.tiff").read_bytes()


def test_zarr_reads_the_scores_and_the_place_of_every_level(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr (extra formats) is not installed")
    drawn, path = image(), tmp_path / "s.ome.zarr"
    for _ in range(2):  # a folder of an interrupted command is replaced
        write_ome_zarr(path, drawn)
    root = zarr.open_group(path, mode="r")
    ome = root.attrs["ome"]
    assert ome["version"] == "0.5" and [each["label"] for each in ome["omero"]["channels"]] == list(drawn.names)
    (multiscale,) = ome["multiscales"]
    assert [(axis["name"], axis.get("unit")) for axis in multiscale["axes"]] == [
        ("c", None), ("y", "micrometer"), ("x", "micrometer")
    ]  # fmt: skip
    for number, level in enumerate([drawn.values, *drawn.lower_levels()]):
        dataset = multiscale["datasets"][number]
        assert np.array_equal(root[dataset["path"]][:], level, equal_nan=True)
        scale, shift = (part[part["type"]] for part in dataset["coordinateTransformations"])
        assert scale == pytest.approx([1, 8 * 2**number * MPP[1], 8 * 2**number * MPP[0]])
        # the left edge of the first pixel is that of level 0, whose first centre is the origin
        assert np.subtract(shift, np.divide(scale, 2))[1:] == pytest.approx([-MPP[1] / 2, -MPP[0] / 2])


def test_a_missing_package_is_an_error_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oceanpath.artifacts.score_images.formats.find_spec", lambda name: None)
    check_packages(["ome-tiff", "attention"])
    for option, package, extra in (("ome-zarr", "zarr", "formats"), ("dicom", "highdicom", "dicom")):
        with pytest.raises(MissingExtraError, match=rf"--{option} needs the package {package}") as caught:
            check_packages(["ome-tiff", option])
        assert caught.value.do == f"Install it with: python -m pip install 'oceanpath[{extra}]'"
    assert set(FORMATS) == {"ome-tiff", "ome-zarr", "dicom"}

"""Who is believed about micrometres a pixel."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.slides.resolution import PLAUSIBLE, resolve_mpp

PATH = Path("a.svs")
ALL = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.26", "aperio.MPP": "0.3", "openslide.objective-power": "20"}


def test_the_order_of_sources() -> None:
    properties = dict(ALL)
    assert resolve_mpp(properties, PATH, override=0.4).source == "override"
    result = resolve_mpp(properties, PATH, default=0.4)
    assert (result.x, result.y, result.source) == (0.25, 0.26, "openslide.mpp")
    del properties["openslide.mpp-x"], properties["openslide.mpp-y"]
    assert resolve_mpp(properties, PATH, default=0.4).source == "aperio.MPP"
    del properties["aperio.MPP"]
    result = resolve_mpp(properties, PATH, default=0.4)
    assert (result.x, result.source) == (0.5, "objective_nominal")
    assert resolve_mpp({}, PATH, default=0.4).source == "default_mpp"


def test_the_resolution_of_an_sdk_is_recorded_under_its_name() -> None:
    properties = {"sdk.mpp-x": "0.25", "sdk.mpp-y": "0.26", "sdk.mpp-source": "czi.Scaling"}
    properties["sdk.objective-power"] = "40"
    result = resolve_mpp(properties, PATH)
    assert (result.x, result.y, result.source) == (0.25, 0.26, "czi.Scaling")
    result = resolve_mpp(properties | {"sdk.mpp-x": "0.0", "sdk.mpp-y": "nan"}, PATH)
    assert (result.x, result.source) == (0.25, "objective_nominal")


@given(mpp=st.floats(1e-6, 1e6))
def test_implausible_values_of_a_tiff_are_refused(mpp: float) -> None:
    properties = {"openslide.mpp-x": repr(mpp), "openslide.mpp-y": repr(mpp), "openslide.vendor": "generic-tiff"}
    if PLAUSIBLE[0] <= mpp <= PLAUSIBLE[1]:
        assert resolve_mpp(properties, PATH).x == mpp
    else:
        assert resolve_mpp(properties, PATH, default=0.5).source == "default_mpp"
        with pytest.raises(StageError, match="no plausible resolution"):
            resolve_mpp(properties, PATH)


def test_the_refused_value_and_the_key_are_named() -> None:
    with pytest.raises(StageError, match=r"a\.svs.*got openslide\.mpp = 352\.8.*extract\.default_mpp"):
        resolve_mpp({"openslide.mpp-x": "352.8"}, PATH)
    with pytest.raises(StageError, match="no mpp and no objective power"):
        resolve_mpp({"aperio.MPP": "unknown", "openslide.mpp-x": "0"}, PATH)


def test_the_spacing_of_dicom_is_always_used() -> None:
    properties = {"openslide.mpp-x": "28.97", "openslide.mpp-y": "28.97", "openslide.vendor": "dicom"}
    assert resolve_mpp(properties, PATH, default=0.5).x == 28.97


def test_one_axis_is_used_for_both() -> None:
    result = resolve_mpp({"openslide.mpp-y": "0,5"}, PATH)
    assert (result.x, result.y) == (0.5, 0.5)


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" {}/></Image></OME>'
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.26"', (0.25, 0.26)),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="0.00026" PhysicalSizeYUnit="mm"', (0.25, 0.26)),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="µm"', (0.25, 0.25)),
    ],
)
def test_the_physical_size_of_ome_xml_precedes_tags(message: str, expected: tuple[float, float]) -> None:
    properties = {"tiff.ImageDescription": OME.format(message), "openslide.mpp-x": "0.5", "openslide.mpp-y": "0.5"}
    result = resolve_mpp(properties, PATH)
    assert (result.x, result.y) == pytest.approx(expected) and result.source == "ome"


@pytest.mark.parametrize("message", ['PhysicalSizeX="3" PhysicalSizeXUnit="pixel"', "", 'PhysicalSizeX="x"', "<<"])
def test_ome_xml_without_a_length_is_ignored(message: str) -> None:
    assert resolve_mpp({"tiff.ImageDescription": OME.format(message)}, PATH, default=0.5).source == "default_mpp"

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
    told = dict(ALL)
    assert resolve_mpp(told, PATH, override=0.4).source == "override"
    found = resolve_mpp(told, PATH, default=0.4)
    assert (found.x, found.y, found.source) == (0.25, 0.26, "openslide.mpp")
    del told["openslide.mpp-x"], told["openslide.mpp-y"]
    assert resolve_mpp(told, PATH, default=0.4).source == "aperio.MPP"
    del told["aperio.MPP"]
    found = resolve_mpp(told, PATH, default=0.4)
    assert (found.x, found.source) == (0.5, "objective_nominal")
    assert resolve_mpp({}, PATH, default=0.4).source == "default_mpp"


def test_what_a_makers_package_tells_is_recorded_under_its_name() -> None:
    told = {"sdk.mpp-x": "0.25", "sdk.mpp-y": "0.26", "sdk.mpp-source": "czi.Scaling"}
    told["sdk.objective-power"] = "40"
    found = resolve_mpp(told, PATH)
    assert (found.x, found.y, found.source) == (0.25, 0.26, "czi.Scaling")
    found = resolve_mpp(told | {"sdk.mpp-x": "0.0", "sdk.mpp-y": "nan"}, PATH)
    assert (found.x, found.source) == (0.25, "objective_nominal")


@given(mpp=st.floats(1e-6, 1e6))
def test_nothing_outside_the_window_gets_through_from_a_tiff(mpp: float) -> None:
    told = {"openslide.mpp-x": repr(mpp), "openslide.mpp-y": repr(mpp), "openslide.vendor": "generic-tiff"}
    if PLAUSIBLE[0] <= mpp <= PLAUSIBLE[1]:
        assert resolve_mpp(told, PATH).x == mpp
    else:
        assert resolve_mpp(told, PATH, default=0.5).source == "default_mpp"
        with pytest.raises(StageError, match="no plausible resolution"):
            resolve_mpp(told, PATH)


def test_the_refused_value_and_the_key_are_named() -> None:
    with pytest.raises(StageError, match=r"a\.svs.*got openslide\.mpp = 352\.8.*extract\.default_mpp"):
        resolve_mpp({"openslide.mpp-x": "352.8"}, PATH)
    with pytest.raises(StageError, match="no mpp and no objective power"):
        resolve_mpp({"aperio.MPP": "unknown", "openslide.mpp-x": "0"}, PATH)


def test_a_dicom_overview_is_believed_and_no_default_hides_it() -> None:
    told = {"openslide.mpp-x": "28.97", "openslide.mpp-y": "28.97", "openslide.vendor": "dicom"}
    assert resolve_mpp(told, PATH, default=0.5).x == 28.97


def test_one_axis_stands_for_both() -> None:
    found = resolve_mpp({"openslide.mpp-y": "0,5"}, PATH)
    assert (found.x, found.y) == (0.5, 0.5)


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" {}/></Image></OME>'
)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.26"', (0.25, 0.26)),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="0.00026" PhysicalSizeYUnit="mm"', (0.25, 0.26)),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="µm"', (0.25, 0.25)),
    ],
)
def test_the_physical_size_of_ome_xml_goes_before_tags(said: str, wanted: tuple[float, float]) -> None:
    told = {"tiff.ImageDescription": OME.format(said), "openslide.mpp-x": "0.5", "openslide.mpp-y": "0.5"}
    found = resolve_mpp(told, PATH)
    assert (found.x, found.y) == pytest.approx(wanted) and found.source == "ome"


@pytest.mark.parametrize("said", ['PhysicalSizeX="3" PhysicalSizeXUnit="pixel"', "", 'PhysicalSizeX="x"', "<<"])
def test_ome_xml_without_a_length_says_nothing(said: str) -> None:
    assert resolve_mpp({"tiff.ImageDescription": OME.format(said)}, PATH, default=0.5).source == "default_mpp"

"""Micrometres per pixel (mpp) of a slide, and their source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from oceanpath.errors import StageError

PLAUSIBLE = (0.05, 10.0)
"""Range of µm per level-0 pixel of a microscope; the value of a 72-dpi tag, 352.8, is outside."""

MICROMETRES = {"µm": 1.0, "\u03bcm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Length units of OME-XML in micrometres; the micro sign and the Greek letter are both in use."""

POWER_TIMES_MPP = 10.0
"""A 20x objective corresponds to about 0.5 µm per pixel."""


@dataclass(frozen=True)
class Resolution:
    """Size of a level-0 pixel in micrometres."""

    x: float
    y: float
    source: str
    """``override``, the property that records it, ``objective_nominal`` or ``default_mpp``."""


def resolve_mpp(
    properties: Mapping[str, str], path: Path, *, override: float | None = None, default: float | None = None
) -> Resolution:
    """The first plausible resolution: override, OME-XML, OpenSlide's, the vendor's, nominal objective power, default.

    The pixel spacing of a DICOM slide is mandatory, so it is used even if it is implausible; TIFF tags, in
    contrast, are often a program's default of 72 or 96 dots per inch.

    Args:
        properties: OpenSlide's properties of the slide, or those of `SdkSlide`.
        path: The slide, for the message.
        override: Used instead of the properties.
        default: Used if the slide has no plausible resolution.

    Raises: StageError: there is no value inside `PLAUSIBLE`; the error lists the rejected values.
    """
    rejected = []
    for source, x, y in _candidates(properties, override, default):
        trusted = properties.get("openslide.vendor") == "dicom" and source == "openslide.mpp"
        if trusted or (PLAUSIBLE[0] <= min(x, y) and max(x, y) <= PLAUSIBLE[1]):
            return Resolution(x, y, source)
        rejected.append(f"{source} = {x:g}")
    raise StageError(
        "the metadata of the slide contain no plausible resolution",
        where=path,
        expected=f"micrometres per pixel between {PLAUSIBLE[0]:g} and {PLAUSIBLE[1]:g}",
        got=", ".join(rejected) or "no mpp and no objective power",
        do="Set extract.default_mpp if you know it, or leave the slide out with extract.exclude.",
    )


def _candidates(
    properties: Mapping[str, str], override: float | None, default: float | None
) -> Iterator[tuple[str, float, float]]:
    if override is not None:
        yield "override", override, override
    if ome := _ome_mpp(properties.get("tiff.ImageDescription", "")):
        yield "ome", *ome
    x, y = _number(properties, "openslide.mpp-x"), _number(properties, "openslide.mpp-y")
    if x or y:
        yield "openslide.mpp", x or y, y or x
    x, y = _number(properties, "sdk.mpp-x"), _number(properties, "sdk.mpp-y")
    if x or y:
        yield properties["sdk.mpp-source"], x or y, y or x
    if mpp := _number(properties, "aperio.MPP"):
        yield "aperio.MPP", mpp, mpp
    powers = ("openslide.objective-power", "aperio.AppMag", "sdk.objective-power")
    if power := next(filter(None, (_number(properties, key) for key in powers)), 0.0):
        yield "objective_nominal", POWER_TIMES_MPP / power, POWER_TIMES_MPP / power
    if default is not None:
        yield "default_mpp", default, default


def _ome_mpp(description: str) -> tuple[float, float] | None:
    """Micrometres per pixel in x and y of the first image of OME-XML; None without both, or in an unknown unit.

    OME schema 2016-06: `Pixels/@PhysicalSizeX`, its unit in `@PhysicalSizeXUnit`, µm by default.
    """
    if "<OME" not in description[:2000]:
        return None
    try:
        root = ElementTree.fromstring(description.encode())  # expat stops at entity expansion
    except ElementTree.ParseError:
        return None
    pixels = next((node for node in root.iter() if node.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None
    sizes = [
        _number(pixels.attrib, f"PhysicalSize{axis}") * MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"), 0)
        for axis in "XY"
    ]
    return (sizes[0] or sizes[1], sizes[1] or sizes[0]) if any(sizes) else None


def _number(properties: Mapping[str, str], key: str) -> float:
    """A positive number, or 0 if the property is absent or not such a number."""
    try:
        value = float(properties.get(key, "0").replace(",", "."))
    except ValueError:
        return 0.0
    return value if 0 < value < float("inf") else 0.0

"""Which package reads which maker's format, and what it needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from oceanpath.errors import MissingExtraError
from oceanpath.subprocess_worker import python_environment


@dataclass(frozen=True)
class Sdk:
    """The package behind one suffix."""

    package: str
    """Its name on PyPI, and what it is imported as."""
    extra: str
    """The extra of OceanPath that installs it."""
    note: str = ""
    """What whoever installs it should know first."""
    libraries: tuple[str, ...] = ()
    """Folders inside the package where its shared libraries look for each other."""

    @property
    def name(self) -> str:
        """Package and version, as they are recorded beside features.

        Raises: metadata.PackageNotFoundError: it is not installed.
        """
        return f"{self.package} {metadata.version(self.package)}"


SDKS: Mapping[str, Sdk] = {
    ".czi": Sdk("pylibCZIrw", "czi"),
    ".kfb": Sdk("kfbslide", "kfb"),
    ".sdpc": Sdk(
        "opensdpc",
        "sdpc",
        "Linux on x86-64; it holds the maker's closed decoder and parts under the GPL",
        ("LINUX", "LINUX/ffmpeg", "LINUX/jpeg"),
    ),
}


def sdk_of(path: Path) -> Sdk:
    """The maker of a slide, whose package is installed.

    Raises: MissingExtraError: it is not; the message says which line installs it.
    """
    maker = SDKS[path.suffix.lower()]
    if installed(path):
        return maker
    note = f" ({maker.note})" if maker.note else ""
    do = (
        f'pip install "oceanpath[{maker.extra}]"{note}; or export SVS or pyramidal TIFF with the maker\'s program; '
        "or leave the slide out with extract.exclude."
    )
    suffix = path.suffix.lower()
    raise MissingExtraError(f"{suffix} slides are read by {maker.package}, which is not here", where=path, do=do)


def installed(path: Path) -> str:
    """Package and version that read a slide of a maker's format; "" where the package is not installed."""
    try:
        return SDKS[path.suffix.lower()].name
    except metadata.PackageNotFoundError:
        return ""


def surroundings(maker: Sdk) -> dict[str, str]:
    """The environment of a process that loads the maker's package.

    The loader reads LD_LIBRARY_PATH when a process starts, so a package whose libraries do not say where their
    neighbours lie can only be loaded by a process that is started for it.
    """
    told = python_environment()
    found = util.find_spec(maker.package) if maker.libraries else None
    folders = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    places = [str(folder / name) for folder in folders for name in maker.libraries]
    if places:
        told["LD_LIBRARY_PATH"] = os.pathsep.join([*places, *filter(None, [told.get("LD_LIBRARY_PATH")])])
    return told

"""Which SDK reads which vendor's format, and what it needs."""

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
    """The package that reads one suffix."""

    package: str
    """Its name on PyPI and its import name."""
    extra: str
    """The extra of OceanPath that installs it."""
    note: str = ""
    """Note for the user before installing it."""
    libraries: tuple[str, ...] = ()
    """Folders of the package with its shared libraries."""

    @property
    def name(self) -> str:
        """Package and version, as recorded with the features.

        Raises: metadata.PackageNotFoundError: it is not installed.
        """
        return f"{self.package} {metadata.version(self.package)}"


SDKS: Mapping[str, Sdk] = {
    ".czi": Sdk("pylibCZIrw", "czi"),
    ".kfb": Sdk("kfbslide", "kfb"),
    ".sdpc": Sdk(
        "opensdpc",
        "sdpc",
        "Linux on x86-64; it contains the vendor's closed-source decoder and parts under the GPL",
        ("LINUX", "LINUX/ffmpeg", "LINUX/jpeg"),
    ),
}


def sdk_of(path: Path) -> Sdk:
    """The installed SDK for a slide.

    Raises: MissingExtraError: it is not installed; the error contains the command that installs it.
    """
    sdk = SDKS[path.suffix.lower()]
    if installed(path):
        return sdk
    note = f" ({sdk.note})" if sdk.note else ""
    do = (
        f'pip install "oceanpath[{sdk.extra}]"{note}; or export SVS or pyramidal TIFF with the vendor\'s program; '
        "or leave the slide out with extract.exclude."
    )
    suffix = path.suffix.lower()
    raise MissingExtraError(
        f"{suffix} slides need the package {sdk.package}, which is not installed", where=path, do=do
    )


def installed(path: Path) -> str:
    """Package and version that read a slide of a vendor's format; "" if the package is not installed."""
    try:
        return SDKS[path.suffix.lower()].name
    except metadata.PackageNotFoundError:
        return ""


def sdk_environment(sdk: Sdk) -> dict[str, str]:
    """The environment of a process that loads the SDK.

    The dynamic loader reads LD_LIBRARY_PATH when a process starts, so a package whose libraries do not record each
    other's location can be loaded only by a process that is started for it.
    """
    environment = python_environment()
    spec = util.find_spec(sdk.package) if sdk.libraries else None
    locations = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    folders = [str(location / name) for location in locations for name in sdk.libraries]
    if folders:
        present = filter(None, [environment.get("LD_LIBRARY_PATH")])
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*folders, *present])
    return environment

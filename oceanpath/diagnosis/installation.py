"""Versions of OceanPath, Python and the required packages, and of the packages of every extra."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from oceanpath import __version__
from oceanpath.diagnosis.finding import Finding, State

GROUP = "installation"
DISTRIBUTION = "oceanpath"
FOR_DEVELOPERS = "dev"
MAIN_PACKAGES = ("torch", "numpy", "h5py", "pyarrow", "openslide-python", "onnxruntime", "pydantic")
"""Packages whose versions are listed."""


def check_installation() -> list[Finding]:
    """Python, the required packages and every extra."""
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        do = "Install it with: python -m pip install -e ."
        return [Finding(GROUP, "package", State.MISSING, "OceanPath is imported from a folder, not installed", do)]
    requirements = [Requirement(text) for text in installed.requires or ()]
    python = platform.python_version()
    allowed = python in SpecifierSet(installed.metadata["Requires-Python"] or "")
    state = State.OK if allowed else State.MISSING
    text = f"oceanpath {__version__}, Python {python} ({sys.executable})"
    return [
        Finding(GROUP, "versions", state, text),
        _required([each for each in requirements if _applies(each, "")]),
        *(_extra(name, requirements) for name in installed.metadata.get_all("Provides-Extra") or ()),
    ]


def _required(requirements: Iterable[Requirement]) -> Finding:
    wrong = _unmet(requirements)
    if wrong:
        do = "Install them with: python -m pip install --upgrade oceanpath"
        return Finding(GROUP, "packages", State.MISSING, ", ".join(wrong), do)
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in MAIN_PACKAGES)
    return Finding(GROUP, "packages", State.OK, shown)


def _extra(name: str, requirements: Iterable[Requirement]) -> Finding:
    own = [each for each in requirements if _applies(each, name) and not _applies(each, "")]
    wrong, subject = _unmet(own), f"extra {name}"
    if not own:
        return Finding(GROUP, subject, State.ABSENT, "not available for this system")
    if wrong:
        do = f"Install it with: python -m pip install 'oceanpath[{name}]'"
        return Finding(GROUP, subject, State.ABSENT, f"not complete: {', '.join(wrong)}", do)
    return Finding(GROUP, subject, State.OK, ", ".join(f"{each.name} {metadata.version(each.name)}" for each in own))


def _applies(requirement: Requirement, extra: str) -> bool:
    """Whether the installation with this extra needs the package on this system."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _unmet(requirements: Iterable[Requirement]) -> list[str]:
    """Requirements that are not met, with the installed version."""
    unmet = []
    for each in requirements:
        try:
            version = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            unmet.append(f"{each.name} is not installed")
            continue
        if not each.specifier.contains(version, prereleases=True):
            unmet.append(f"{each.name} {version} instead of {each.specifier}")
    return unmet

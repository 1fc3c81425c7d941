"""Writes constraints.txt: the installed versions of all required packages, for a reproducible installation.

usage: python -m tests.constraints FILE
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
HEAD = """# Versions with which the tests passed: python -m pip install -c constraints.txt .
# Written by `nox -s constraints`; extras are not included.
"""


def versions_of(requirements: Iterable[str]) -> dict[str, str]:
    """Package → installed version, for these requirements and everything that they require on this system."""
    versions, waiting = dict[str, str](), list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name not in versions and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            versions[name] = Version(metadata.version(name)).public
            waiting += metadata.requires(name) or ()
    return versions


if __name__ == "__main__":
    lines = [f"{name}=={version}\n" for name, version in sorted(versions_of(PROJECT["dependencies"]).items())]
    Path(sys.argv[1]).write_text(HEAD + "".join(lines))

"""Files of the repository agree with the package."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import oceanpath

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINTS = dict(re.findall(r"^([^#=\s]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))


def test_constraints_satisfy_every_requirement_and_name_no_host() -> None:
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            version = CONSTRAINTS[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), text
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"#.*|[a-z0-9-]+==[\w.]+", line) for line in lines)


def test_the_citation_has_the_version_and_the_licence() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {oceanpath.__version__}\n" in citation and PROJECT["version"] == oceanpath.__version__
    assert f"\nlicense: {PROJECT['license']}\n" in citation


def test_files_and_sessions_that_pages_name_exist() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), flags=re.MULTILINE))
    for page in ("CONTRIBUTING.md", "AGENTS.md", "SECURITY.md"):
        text = (ROOT / page).read_text()
        for link in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (ROOT / link).exists(), f"{page}: {link}"
        for names in re.findall(r"nox -s ((?:[a-z]+ ?)+)", text):
            assert set(names.split()) <= sessions, f"{page}: {names}"

"""Every vendor's format has an SDK, an extra that installs it, and an error if it is missing."""

from __future__ import annotations

import os
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES
from oceanpath.errors import MissingExtraError
from oceanpath.slides.readers.sdk.sdks import SDKS, Sdk, installed, sdk_environment, sdk_of

ROOT = Path(__file__).resolve().parents[4]


def test_every_format_has_an_sdk_and_every_sdk_an_extra() -> None:
    assert set(SDKS) == set(CLOSED_SUFFIXES)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for sdk in SDKS.values():
        assert [line.startswith(sdk.package) for line in extras[sdk.extra]] == [True]
    assert extras["vendor"] == ["oceanpath[czi,kfb,sdpc]"]


@pytest.mark.parametrize("suffix", CLOSED_SUFFIXES)
def test_a_missing_package_is_reported_with_the_command_that_installs_it(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    path = Path(f"a{suffix.upper()}")
    assert installed(path) == ""
    sdk = SDKS[suffix]
    message = (
        rf'{suffix} slides need the package {sdk.package}.*pip install "oceanpath\[{sdk.extra}\]".*extract.exclude'
    )
    with pytest.raises(MissingExtraError, match=message) as error:
        sdk_of(path)
    assert error.value.exit_code == 5
    assert ("GPL" in str(error.value)) == (suffix == ".sdpc")


def test_a_process_finds_the_libraries_of_its_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boxed").mkdir()
    (tmp_path / "boxed/__init__.py").write_text("raise OSError('not to be imported here')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    environment = sdk_environment(Sdk("boxed", "x", "", ("LIB", "LIB/more")))
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep) == [
        str(tmp_path / "boxed/LIB"),
        str(tmp_path / "boxed/LIB/more"),
        "/elsewhere",
    ]
    assert sdk_environment(SDKS[".czi"])["LD_LIBRARY_PATH"] == "/elsewhere"

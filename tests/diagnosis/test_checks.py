"""Checks of the installation, the workspace and access."""

from __future__ import annotations

import json
import os
from importlib import metadata

import pytest

from oceanpath.cli.app import run_app
from oceanpath.diagnosis import workspace
from oceanpath.diagnosis.access import check_access
from oceanpath.diagnosis.finding import State
from oceanpath.diagnosis.installation import check_installation
from oceanpath.diagnosis.workspace import check_workspace

from ..conftest import Cohort


def test_required_packages_are_installed_and_extras_are_listed() -> None:
    checks = {each.subject: each for each in check_installation()}
    assert checks["versions"].state is State.OK
    assert checks["packages"].state is State.OK and "torch 2" in checks["packages"].text
    assert "extra encoders" in checks


def test_a_package_that_is_missing_or_too_old_is_named(monkeypatch) -> None:
    known = metadata.version
    old = {"numpy": "1.26.0"}

    def version(name: str) -> str:
        if name == "h5py":
            raise metadata.PackageNotFoundError(name)
        return old.get(name) or known(name)

    monkeypatch.setattr(metadata, "version", version)
    (packages,) = [each for each in check_installation() if each.subject == "packages"]
    assert packages.state is State.MISSING
    assert packages.text == "h5py is not installed, numpy 1.26.0 instead of >=2.0"


def test_a_workspace_is_checked_and_left_as_it_was(tmp_path) -> None:
    checks = check_workspace(tmp_path / "new" / "outputs")
    assert {each.subject for each in checks} >= {"disk", "locks", "rename", "database", "hard links", "flock"}
    assert all(each.state is State.OK for each in checks)
    assert list(tmp_path.iterdir()) == []


def test_operations_that_a_file_system_lacks_are_reported(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    states = {each.subject: each for each in check_workspace(tmp_path)}
    assert states["hard links"].state is State.ABSENT
    assert "Operation not supported" in states["hard links"].text
    monkeypatch.setattr(workspace, "try_lock", refuse)
    monkeypatch.setattr(workspace, "CHECKS", (("locks", workspace._locks, State.MISSING, "do"),))
    assert check_workspace(tmp_path)[-1].state is State.MISSING


def test_the_token_is_never_printed(tmp_path, monkeypatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "OCEANPATH_TRIDENT_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert {each.subject: each.state for each in check_access()} == dict.fromkeys(
        ("hub token", "weights", "TRIDENT"), State.ABSENT
    )
    (tmp_path / "token").write_text("hf_secret")
    assert "hf_secret" not in str(check_access()) and str(tmp_path / "token") in check_access()[0].text
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "hf_other" not in str(check_access()) and check_access()[0].text == "present (HF_TOKEN)"


@pytest.mark.parametrize(
    ("change", "code", "subject"),
    [
        ("", 0, ""),
        ("[runtime]\ndevice = 'cuda:0'\n", 6, "device"),
        ("[train]\nepochs = 1\n[model]\nname='clam_sb'\n", 0, ""),
    ],
)
def test_what_an_experiment_lacks_is_exit_code_6(cohort: Cohort, change, code, subject, monkeypatch, capsys) -> None:
    monkeypatch.chdir(cohort.folder)
    (cohort.folder / "mine.toml").write_text(cohort.toml + change)
    assert run_app(["doctor", "mine.toml", "--json"]) == code
    record = json.loads(capsys.readouterr().out)
    assert record["ok"] is (code == 0)
    missing = [each["subject"] for each in record["checks"] if each["state"] == "missing"]
    assert missing == [subject] * bool(subject)


def test_the_list_names_every_problem_with_its_remedy(cohort: Cohort, monkeypatch, capsys) -> None:
    monkeypatch.chdir(cohort.folder)
    encoder = cohort.toml.replace('features = "features"', 'slides = "features"') + "[extract]\nencoder = 'uni_v1'\n"
    (cohort.folder / "oceanpath.toml").write_text(encoder)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(cohort.folder))
    assert run_app(["doctor"]) == 6
    printed = capsys.readouterr()
    assert "missing  encoder" in printed.out and "access is granted by their owner" in printed.out
    assert "the folder contains no slides" in printed.out
    assert "requirements are not met; got experiment data, experiment encoder" in printed.err

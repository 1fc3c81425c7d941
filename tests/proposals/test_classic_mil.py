from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.cli.app import run_app
from oceanpath.errors import ArtifactError
from oceanpath.proposals import classic_mil
from oceanpath.proposals.classic_mil import Size, convert_classic_mil


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(classic_mil.SIZES, "musk1", Size(3, 6, 4))


def archive(path: Path, features: int = 4, **changed: object) -> Path:
    rows = np.arange(6 * features).reshape(6, features)
    arrays = {"X": rows, "bag_id": np.array([7, 2, 7, 2, 7, 9]), "bag_label_per_instance": np.array([1, 0, 1, 0, 1, 1])}
    np.savez(path, **(arrays | changed))  # type: ignore[arg-type]  # numpy declares one of them as bool
    return path


def test_bags_labels_and_an_experiment_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = archive(tmp_path / "d.npz"), tmp_path / "out"
    assert run_app(["demo", "--dataset", "musk1", str(source), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"oceanpath eval -e {out / 'musk1.toml'}\n"
    assert (out / "cohort.csv").read_text() == (
        "slide_id,patient_id,label\nbag_002,bag_002,negative\nbag_007,bag_007,positive\nbag_009,bag_009,positive\n"
    )
    with h5py.File(out / "features" / "bag_007.h5") as file:
        rows = file["features"][()]
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11], [16, 17, 18, 19]]
    assert run_app(["config", "show", str(out / "musk1.toml")]) == 0
    assert 'scheme = "repeated_kfold"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"features": 5}, "contain the label of each instance"),
        ({"features": 3}, "not this data set.*3 bags, 6 instances, 4 features"),
        ({"bag_label_per_instance": np.array([1, 0, 0, 0, 1, 1])}, "several labels.*bag 7"),
        ({"bag_label_per_instance": np.array([1, 0, 1, 0, 1, 2])}, "do not agree.*label 0 or 1"),
        ({"bag_id": np.arange(5)}, "do not agree"),
    ],
    ids=["extra column", "other size", "labels differ", "another label", "lengths"],
)
def test_another_file_is_refused(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    source = archive(tmp_path / "d.npz", **changed)  # type: ignore[arg-type]  # keys of several types
    with pytest.raises(ArtifactError, match=words):
        convert_classic_mil("musk1", source, tmp_path)


def test_a_file_that_is_no_archive_and_an_unknown_name_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.npz").write_bytes(b"no archive")
    with pytest.raises(ArtifactError, match="cannot be read as a data set"):
        convert_classic_mil("musk1", tmp_path / "d.npz", tmp_path)
    assert run_app(["demo", "--dataset", "muskk1", str(tmp_path / "d.npz")]) == 2
    assert run_app(["demo", "--dataset", "musk1"]) == 2
    err = capsys.readouterr().err
    assert "Did you mean 'musk1'?" in err
    assert "--dataset and FILE belong together" in err

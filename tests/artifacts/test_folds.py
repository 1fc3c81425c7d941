"""A fold that breaks a promise is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oceanpath.artifacts.folds import check, read_fold, write_folds
from oceanpath.errors import ArtifactError


def fold(roles: list[str], patients: list[str] | None = None) -> pd.DataFrame:
    names = [f"s{i}" for i in range(len(roles))]
    return pd.DataFrame({"slide_id": names, "patient_id": patients or names, "label": "a", "role": roles})


def test_folds_come_back_sorted_by_slide(tmp_path: Path) -> None:
    one, two = fold(["test", "train", "val", "train"]), fold(["train", "test", "train", "val"])
    three, four = fold(["train", "val", "test", "train"]), fold(["val", "train", "train", "test"])
    write_folds(tmp_path, [one.iloc[::-1], two, three, four], {"scheme": "kfold", "classes": ["a"]})
    check(tmp_path)
    assert read_fold(tmp_path, 0)["role"].tolist() == ["test", "train", "val", "train"]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (fold(["train", "val", "tset"]), "unknown role"),
        (fold(["train", "val", "test"], ["p", "q", "p"]), "several roles"),
        (pd.concat([fold(["train"]), fold(["train"])]), "twice"),
    ],
)
def test_a_broken_promise_is_refused(tmp_path: Path, frame: pd.DataFrame, words: str) -> None:
    write_folds(tmp_path, [frame], {"scheme": "holdout", "classes": ["a"]})
    with pytest.raises(ArtifactError, match=words):
        check(tmp_path)


def test_a_slide_that_is_never_tested_is_refused(tmp_path: Path) -> None:
    write_folds(tmp_path, [fold(["train", "val", "test"])], {"scheme": "kfold", "classes": ["a"]})
    with pytest.raises(ArtifactError, match="exactly once"):
        check(tmp_path)


def test_a_missing_or_torn_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        check(tmp_path)
    write_folds(tmp_path, [fold(["train", "val", "test"])], {"scheme": "holdout", "classes": ["a"]})
    (tmp_path / "fold_0.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="parquet"):
        check(tmp_path)

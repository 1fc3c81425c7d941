"""From raw feature files, `predict` and the server reproduce the evaluated predictions of each member."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from oceanpath.cli.app import run_app

CLASSES = ("low", "middle", "high")
DIM, FOLDS, CAP = 8, 2, 20
MODEL = """
[model]
name = "perceiver"
positions = "fourier"
hidden = 16
heads = 2
latents = 4
layers = 1
"""
CASES = [(2, CAP), (3, None)]
"""Numbers of classes and caps: every combination in ``nox -s bundles``."""
if os.environ.get("OCEANPATH_AGGREGATORS") == "all":
    CASES = [(2, None), (2, CAP), (3, None), (3, CAP)]


@dataclass(frozen=True)
class Evaluated:
    """An experiment that was run: its raw features, its bundle and its test predictions."""

    features: Path
    bundle: Path
    stored: pd.DataFrame
    classes: list[str]
    cap: int | None

    def wanted(self, slide: str) -> tuple[int, np.ndarray]:
        """The test fold of a slide, and the prediction of its member."""
        row = self.stored.set_index("slide_id").loc[slide]
        assert isinstance(row, pd.Series)
        return int(row["fold"]), row[[f"prob_{name}" for name in self.classes]].to_numpy(float)


def write_cohort(folder: Path, classes: list[str]) -> None:
    """Float32 features of 24 slides on a grid with holes, some with more patches than the cap."""
    (folder / "features").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), ["slide_id,patient_id,label"]
    for i in range(24):
        n = int(rng.integers(8, 60))
        cells = np.sort(rng.permutation(4 * n)[:n])
        with h5py.File(folder / "features" / f"s{i:02d}.h5", "w") as file:
            file["features"] = (rng.standard_normal((n, DIM)) + 0.7 * (i % len(classes))).astype(np.float32)
            file["coords"] = (np.stack([cells % 12, cells // 12], axis=1) * 512 + 700).astype(np.int32)
            file.attrs["encoder"] = "toy_encoder"
        rows.append(f"s{i:02d},p{i},{classes[i % len(classes)]}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]} classes, cap {case[1]}")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    count, cap = request.param
    classes, folder = list(CLASSES[:count]), tmp_path_factory.mktemp("raw")
    write_cohort(folder, classes)
    text = f'name = "raw"\n[data]\nfeatures = "features"\nlabels = "cohort.csv"\nclasses = {classes}\n[mmap]\n'
    text += "" if cap is None else f"max_instances = {cap}\n"
    text += f"[split]\nfolds = {FOLDS}\n{MODEL}\n[train]\nepochs = 2\nlr = 1e-2\n[eval]\n"
    text += '[export]\nformats = ["onnx"]\nparity_patches = [7]\nparity_batches = [2]\n'
    (folder / "raw.toml").write_text(text.replace("'", '"'))
    assert run_app(["export", "-e", str(folder / "raw.toml"), "--workspace", str(folder / "out"), "--quiet"]) == 0
    results = folder / "out" / "experiments" / "raw"
    stored = pd.read_parquet(results / "train" / "oof_predictions.parquet")
    return Evaluated(folder / "features", results / "export", stored, classes, cap)


def predicted(made: Evaluated, out: Path, *paths: Path) -> pd.DataFrame:
    named = [str(path) for path in paths]
    assert run_app(["predict", *named, "--bundle", str(made.bundle), "--members", "--out", str(out)]) == 0
    return pd.read_csv(out, keep_default_na=False)


def test_predict_reproduces_the_evaluation(made, tmp_path, capsys):
    table = predicted(made, tmp_path / "table.csv", made.features)
    assert len(table) == 24
    for row in table.to_dict("records"):
        fold, wanted = made.wanted(row["slide_id"])
        predictions = [row[f"prob_{name}_fold{fold}"] for name in made.classes]
        assert np.abs(predictions - wanted).max() < 1e-5, row["slide_id"]
        assert row["n_used"] == min(row["n_patches"], made.cap or 10_000)
    assert table["in_training"].all()
    assert (
        "24 of 24 slides (s00, s01, s02, s03, s04 and 19 more): this slide was part of the training cohort"
        in capsys.readouterr().err
    )


def test_the_server_reproduces_the_evaluation(made, tmp_path, serving):
    server = serving(made.bundle, tmp_path / "log")
    for path in sorted(made.features.glob("*.h5")):
        status, answer = server.ask(f"/predict?members=1&attention=1&slide_id={path.stem}", path.read_bytes())
        assert status == 200, answer
        fold, wanted = made.wanted(path.stem)
        predictions = [answer["members"][fold]["probabilities"][name] for name in made.classes]
        assert np.abs(np.array(predictions) - wanted).max() < 1e-5, path.stem
        weights = np.array(answer["attention"])
        assert len(weights) == len(answer["coords"]) == answer["n_patches"]
        assert (weights > 0).sum() == answer["n_used"] == min(answer["n_patches"], made.cap or 10_000)
        assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_another_file_name_changes_predictions_only_with_a_note(made, tmp_path, serving):
    """Another slide id samples other patches of a capped model: a note states the id, and a given id is used."""
    longest = max(made.features.glob("*.h5"), key=lambda path: path.stat().st_size)
    renamed = tmp_path / "renamed.h5"
    shutil.copy(longest, renamed)
    plain = predicted(made, tmp_path / "plain.csv", longest).iloc[0]
    other = predicted(made, tmp_path / "other.csv", renamed).iloc[0]
    assert other["slide_id"] == "renamed"
    assert other["in_training"]
    if made.cap is None:
        assert other["prob_low"] == plain["prob_low"]
        return
    assert "sampled by the slide id renamed" in other["notes"]
    with h5py.File(renamed, "a") as file:
        file.attrs["slide_id"] = longest.stem
    predictions = predicted(made, tmp_path / "predictions.csv", renamed).iloc[0]
    assert (predictions["slide_id"], predictions["prob_low"]) == (longest.stem, plain["prob_low"])
    assert f"the slide id in the file is {longest.stem}, not renamed" in predictions["notes"]
    server = serving(made.bundle, tmp_path / "log")
    status, answer = server.ask("/predict", longest.read_bytes())
    assert (status, answer["error"]["code"]) == (422, "slide_id_needed")
    assert server.ask("/predict", renamed.read_bytes())[1]["probabilities"]["low"] == pytest.approx(plain["prob_low"])
    answer = server.ask("/predict?slide_id=another", renamed.read_bytes())[1]
    assert (answer["slide_id"], answer["notes"][0]) == (
        longest.stem,
        f"the slide id in the file is {longest.stem}, not another",
    )

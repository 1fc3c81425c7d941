"""Through the front door: what is wrong is told before work, one bad slide does not stop the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oceanpath.cli.app import run_app
from oceanpath.slides.demo.aperio import write_aperio

TOML = """
[data]
slides = "slides"
labels = "cohort.csv"
classes = ["A", "B"]
[extract]
encoder = "hed_stats"
patch_px = 64
[mmap]
[split]
folds = 2
"""
MODEL = '[model]\nname = "static"\nhidden = 8\n[train]\nepochs = 1\n[eval]\nresamples = 100\n'


class Desk:
    """Ten slides of ten patients and their table."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.slides = folder, folder / "slides"
        self.slides.mkdir()
        for number in range(10):
            self.draw(f"S{number}", number)
        self.rows = [f"S{i},P{i},{'AB'[i % 2]}" for i in range(10)]
        (folder / "e.toml").write_text(TOML)
        self.write_table()

    def draw(self, name: str, seed: int) -> None:
        pixels = np.full((512, 512, 3), (243, 242, 244), np.uint8)
        pixels[128:384, 128:384] = np.random.default_rng(seed).integers(60, 200, (32, 32, 3)).repeat(8, 0).repeat(8, 1)
        write_aperio(self.slides / f"{name}.svs", pixels, 0.5)

    def write_table(self) -> None:
        (self.folder / "cohort.csv").write_text("\n".join(["slide_id,patient_id,label", *self.rows]) + "\n")

    def spoil(self, name: str) -> None:
        path = self.slides / f"{name}.svs"
        path.write_bytes(path.read_bytes()[:2000])

    def run(self, *more: str) -> int:
        return run_app(["run", str(self.folder / "e.toml"), "--workspace", str(self.folder / "out"), *more])

    def read(self, name: str) -> Any:
        return json.loads((self.folder / "out/experiments/e" / name).read_text())


@pytest.fixture
def step_lock(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_wrong_column_is_told_before_the_first_slide(step_lock: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ("--set", "data.label=response", "--set", "data.patient_id=case", "--set", "extract.shard=11/11")
    step_lock.rows[0] = "S_0,P0,A"
    step_lock.write_table()
    for command in (
        step_lock.run,
        lambda *more: step_lock.run("--dry-run", *more),
        lambda *more: validate(step_lock, *more),
    ):
        assert command(*wrong) == 2
        said = capsys.readouterr().err
        for words in (
            "problems. Correct all of them",
            "rows of the table have no slide; got 1: S_0",
            "no column 'response' for data.label",
            "no column 'case' for data.patient_id",
            "the shard contains no slides; got 11/11",
        ):
            assert words in said, words
    assert not (step_lock.folder / "out" / "parts").exists()


def validate(step_lock: Desk, *more: str) -> int:
    return run_app(["config", "validate", str(step_lock.folder / "e.toml"), *more])


def test_one_bad_slide_does_not_stop_the_others(step_lock: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    step_lock.spoil("S3")
    (step_lock.slides / "S4.svs").unlink()
    (step_lock.slides / "S4.svs").symlink_to(step_lock.folder / "gone.svs")
    assert step_lock.run("--set", 'extract.exclude=["S4"]') != 0
    said = capsys.readouterr().err
    assert (
        "1 of 9 parts failed. The others are kept. To continue without the failed ones, set data.allow_missing" in said
    )
    assert step_lock.run("--keep-going") == 0
    said = capsys.readouterr().out
    assert "split: 10 slides in the table, 8 with features, 8 used" in said
    assert "left out: 2 failed" in said
    assert "  S3: OpenSlide cannot open" in said and "  S4: the slide is a link without a target" in said
    flow = step_lock.read("split/splits.json")["cohort_flow"]
    assert set(flow.pop("failed_slides")) == {"S3", "S4"}
    counts = {"in_table": 10, "with_features": 8, "failed": 2, "blank": 0, "excluded": {}, "not_in_table": 0, "used": 8}
    assert flow == counts
    assert str(step_lock.folder) not in (step_lock.folder / "out/experiments/e/extract/left_out.json").read_text()
    assert step_lock.run("--keep-going") == 0
    assert "extract: " not in capsys.readouterr().err, "what failed is not tried again"
    step_lock.draw("S3", 3)
    assert step_lock.run("--keep-going") == 0
    assert step_lock.read("split/splits.json")["cohort_flow"]["failed"] == 1


def test_what_is_excluded_is_no_mistake_of_the_table(step_lock: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert step_lock.run("--set", 'extract.exclude=["S3"]') == 0
    flow = step_lock.read("split/splits.json")["cohort_flow"]
    assert (flow["excluded"], flow["used"]) == ({"excluded on request": 1}, 9)
    assert "left out: 1 excluded on request" in capsys.readouterr().out


def test_slides_outside_the_table_are_not_extracted(step_lock: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("extra", "S3"):
        step_lock.spoil(name) if name == "S3" else step_lock.draw(name, 99)
    step_lock.rows.pop(3)
    step_lock.write_table()
    assert step_lock.run() == 0
    assert "2 slides of the folder are not in the table and were not extracted" in capsys.readouterr().err
    assert len(list((step_lock.folder / "out/parts/extract").iterdir())) == 9
    text = (step_lock.folder / "e.toml").read_text()
    step_lock.draw("S3", 3)
    (step_lock.folder / "e.toml").write_text(text + "[curate]\nsources = ['other']\nmin_patches = 1\n")
    step_lock.run("--to", "curate")
    assert len(list((step_lock.folder / "out/parts/extract").iterdir())) == 11


def test_another_label_encodes_no_slide_again(step_lock: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert step_lock.run() == 0
    step_lock.rows[0] = "S0,P0,B"
    step_lock.write_table()
    capsys.readouterr()
    assert step_lock.run() == 0
    said = capsys.readouterr().err
    assert "split: labels changed" in said and "extract" not in said


@pytest.mark.slow
def test_the_flow_is_in_the_metrics(step_lock: Desk) -> None:
    step_lock.spoil("S3")
    (step_lock.folder / "e.toml").write_text(TOML + MODEL)
    assert step_lock.run("--set", "data.allow_missing=true") == 0
    assert step_lock.read("eval/metrics.json")["cohort_flow"] == step_lock.read("split/splits.json")["cohort_flow"]

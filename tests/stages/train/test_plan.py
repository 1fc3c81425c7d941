from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.artifacts import folds
from oceanpath.fit.batch_size import batch_size_for
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.train.fold import fit_fold
from oceanpath.stages.train.settings import TrainSettings

SMALL = {"model": {"name": "abmil", "hidden": 8, "attention": 4}, "epochs": 1}


class Notes(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(("slides", "size"), [(1, 4), (66, 4), (226, 4), (227, 8), (613, 16), (960, 16), (10**6, 16)])
def test_the_batch_follows_the_number_of_slides(slides: int, size: int) -> None:
    assert batch_size_for(slides, compares_slides=False) == size
    assert batch_size_for(slides, compares_slides=True) == 4


def noted(inputs: Inputs, out: Path, number: int = 0, **keys: object) -> list[str]:
    out.mkdir()
    notes = Notes()
    fit_fold(TrainSettings.model_validate(SMALL | keys), inputs, number, out, notes)
    return notes.lines


def test_the_plan_states_what_was_chosen_and_why(inputs: Inputs, tmp_path: Path) -> None:
    task, batch, steps, bags = noted(inputs, tmp_path / "out")
    frame = folds.read_fold(inputs["split"], 0)
    train = frame[frame["role"] == "train"]
    assert task == (
        "plan of fold 0: task classification, loss ce, epoch selected by val_loss; "
        f"{len(train)} training slides (no {(train['label'] == 'no').sum()}, yes {(train['label'] == 'yes').sum()})"
    )
    assert batch.startswith("  batch_size 4: the smallest by default")
    assert batch.endswith("rarest class 2.0 per batch, each slide once per epoch (train.balance)")
    assert steps == "  about 3 steps per epoch, at most 1 epochs, warm-up 1 epochs (train.warmup), then cosine"
    assert "patches of 6 features, all patches (train.max_patches); abmil of width 8 (model.hidden)" in bags


def test_a_key_overrides_a_rule_and_later_folds_do_not_repeat_the_plan(inputs: Inputs, tmp_path: Path) -> None:
    lines = noted(inputs, tmp_path / "first", batch_size=6, max_patches=5, balance="sampling")
    assert "batch_size 6: set by train.batch_size; rarest class 3.0 per batch, each equally often" in lines[1]
    assert "at most 5 patches per epoch" in lines[3]
    assert noted(inputs, tmp_path / "second", number=1) == []

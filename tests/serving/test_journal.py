"""A prediction that was interrupted at any byte of its journal resumes, predicts only the rest and ends equal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oceanpath.artifacts.bundle.folder import read_bundle
from oceanpath.serving.engine import Engine
from oceanpath.serving.journal import Journal
from oceanpath.serving.offline import predict_slides
from oceanpath.serving.slide_inputs import find_inputs

SETTINGS = {"bundle": "a" * 64, "members": True}
SLIDES = ("a", "b", "c", "d")


class Counting(Engine):
    """Counts its predictions, and is interrupted before prediction number `stop`."""

    count, stop = 0, -1

    def predict(self, *arguments: Any, **options: Any) -> Any:
        if self.count == self.stop:
            raise KeyboardInterrupt
        self.count += 1
        return super().predict(*arguments, **options)


@pytest.fixture(scope="module")
def counting(bundle_path: Path) -> Counting:
    return Counting(read_bundle(bundle_path), threads=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "features").mkdir()
    for number, name in enumerate(SLIDES):
        bag = np.random.default_rng(number).standard_normal((5, 12)).astype(np.float16)
        np.save(tmp_path / "features" / f"{name}.npy", bag)
    return tmp_path


def predict(engine: Counting, folder: Path, settings: dict[str, Any] = SETTINGS, stop: int = -1) -> tuple[bytes, int]:
    """The table as CSV, and the number of slides that were predicted."""
    engine.count, engine.stop = 0, stop
    with Journal(folder / "journal.jsonl", settings) as journal:
        predicted = predict_slides(engine, find_inputs([folder / "features"]), members=True, journal=journal)
    assert not predicted.failures
    return predicted.table.to_csv(index=False).encode(), engine.count


def test_a_second_run_predicts_nothing(counting, folder):
    table, count = predict(counting, folder)
    assert count == len(SLIDES)
    assert predict(counting, folder) == (table, 0)


def test_the_journal_is_json_lines_with_one_per_slide(counting, folder):
    predict(counting, folder)
    first, *lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert first["settings"] == SETTINGS
    assert [line["row"]["slide_id"] for line in lines] == list(SLIDES)


@pytest.mark.parametrize("stop", range(len(SLIDES)))
def test_an_interrupted_run_loses_only_the_slide_of_the_interruption(counting, folder, stop):
    with pytest.raises(KeyboardInterrupt):
        predict(counting, folder, stop=stop)
    table, count = predict(counting, folder)
    assert count == len(SLIDES) - stop
    (folder / "journal.jsonl").unlink()
    assert predict(counting, folder)[0] == table


def test_a_journal_cut_at_any_byte_or_with_any_byte_changed_gives_the_same_table(counting, folder):
    table, _ = predict(counting, folder)
    journal = folder / "journal.jsonl"
    content, rng = journal.read_bytes(), np.random.default_rng(0)
    lines = content.count(b"\n")
    for at in rng.choice(len(content), 20, replace=False).tolist():
        journal.write_bytes(content[:at])
        again, count = predict(counting, folder)
        complete = max(0, content[:at].count(b"\n") - 1)
        assert (again, count) == (table, len(SLIDES) - complete), at
        assert journal.read_bytes() == content
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        journal.write_bytes(changed)
        again, count = predict(counting, folder)
        assert again == table, at
        assert count >= lines - 1 - content[: at + 1].count(b"\n") - (content[at] == ord("\n")), at
        assert journal.read_bytes() == content


@pytest.mark.parametrize("settings", [{**SETTINGS, "bundle": "b" * 64}, {**SETTINGS, "members": False}])
def test_another_bundle_or_setting_predicts_every_slide_again(counting, folder, settings):
    predict(counting, folder)
    assert predict(counting, folder, settings)[1] == len(SLIDES)
    assert predict(counting, folder)[1] == len(SLIDES)


def test_a_changed_or_new_file_is_predicted_and_the_others_are_not(counting, folder):
    table, _ = predict(counting, folder)
    changed = folder / "features" / "b.npy"
    stamp = changed.stat()
    np.save(changed, np.load(changed)[::-1] * np.float16(2))
    os.utime(changed, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))  # the same size
    np.save(folder / "features" / "e.npy", np.ones((3, 12), np.float16))
    again, count = predict(counting, folder)
    assert count == 2
    assert (again == table, again.count(b"\n")) == (False, len(SLIDES) + 2)
    changed.unlink()
    assert predict(counting, folder)[0].count(b"\n") == len(SLIDES) + 1

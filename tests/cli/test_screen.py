"""What a run shows while it works: which stage of how many, what is counted, and how long the rest takes."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from oceanpath.cli import screen
from oceanpath.cli.screen import Lines
from oceanpath.cli.steps import Steps

from ..conftest import MAIN, Cohort


def step(name: str) -> Any:
    return SimpleNamespace(name=name, stage=SimpleNamespace(name=name))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    monkeypatch.setattr(screen, "EVERY_SECONDS", 0.0)
    return Lines(io.StringIO(), Steps((step("mmap"), step("train"), step("analyze"))))


def printed(lines: Lines) -> list[str]:
    assert isinstance(lines.stream, io.StringIO)
    return lines.stream.getvalue().splitlines()


def test_the_stage_and_its_number_begin_every_line(lines: Lines) -> None:
    progress = lines.begin(step_of(lines, "train"), ["lr: 0.1 -> 0.2", "parent mmap changed"])
    progress.start(5, "folds")
    progress.advance()
    progress.inside(1.5, "15/30 epochs, 2.0/s")
    progress.phase("compiling UMAP")
    progress.note("a line")
    assert printed(lines) == [
        "[2/3] train: lr: 0.1 -> 0.2; parent mmap changed",
        "[2/3] train: 1/5 folds",
        "[2/3] train: 1/5 folds, 15/30 epochs, 2.0/s",
        "[2/3] train: compiling UMAP",
        "[2/3] train: a line",
    ]


def step_of(lines: Lines, name: str) -> Any:
    return next(one for one in lines.steps.steps if one.name == name)


def test_a_step_that_counts_nothing_shows_no_zeros(lines: Lines) -> None:
    progress = lines.begin(step_of(lines, "analyze"), ["first run"])
    progress.inside(0.5, "3 slides/s")
    assert printed(lines)[-1] == "[3/3] analyze: 3 slides/s"


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.slow
def test_folds_and_epochs_of_a_training(jobs: str, cohort: Cohort, monkeypatch, capsys) -> None:
    monkeypatch.setattr(screen, "EVERY_SECONDS", 0.0)
    cohort.toml += '[train]\nepochs = 60\npatience = 60\n[model]\nname = "static"\nhidden = 4\n'
    assert cohort.run("--jobs", jobs) == 0
    said = capsys.readouterr().err
    assert "[3/3] train: first run" in said
    assert re.search(r"\[3/3\] train: [012]/2 folds", said)
    assert re.search("loading PyTorch|epochs/s", said), "of several processes it is what they do together"
    assert jobs == "2" or re.search(r"\d+/60 epochs, \d", said)


def test_bars_on_a_terminal(cohort: Cohort) -> None:
    """What a person sees at 80 columns: bars that are gone at the end, and whole lines that stay."""
    cohort.toml = (
        cohort.toml.replace('"cohort.csv"', '"cohort.csv"') + "[curate]\nsources = ['other']\nmin_patches = 1\n"
    )
    (cohort.folder / "oceanpath.toml").write_text(cohort.toml)
    main, terminal = pty.openpty()
    command = [sys.executable, "-c", MAIN, "run", "--workspace", "out"]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=cohort.folder, stderr=terminal, stdout=subprocess.DEVNULL, env=environment)
    os.close(terminal)
    seen = b""
    while True:
        try:
            block = os.read(main, 65536)
        except OSError:  # the terminal is gone with the last process that had it
            break
        if not block:
            break
        seen += block
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    for label in ("[1/3] curate", "[2/3] mmap", "[3/3] split", "total"):
        assert label in text
    assert "/3 stages" in text
    assert "[3/3] split: done in" in text
    assert max(len(line) for line in re.split(r"[\r\n]+", text)) <= 80

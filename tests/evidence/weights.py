"""Pretrained weights, by the command `oceanpath pretrain`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oceanpath.cli.app import run_app

HERE = Path(__file__).parent
SEEDS = (1, 2, 3)
LABEL_FREE = ("simclr", "vicreg")


@dataclass(frozen=True)
class Inputs:
    """Where data and results are."""

    workspace: Path
    pancancer: Path
    """Folder with features/, and with the tables of `cohorts.write_tables`."""
    lung: Path
    """Folder with features/ and cohort.csv."""

    def store(self, cohort: str) -> Path:
        """The store of `pancancer` or `lung`."""
        folder = {"pancancer": self.pancancer, "lung": self.lung}[cohort]
        return self.run("mmap", cohort, folder, f"{cohort}_store", ()) / "mmap"

    def label_free(self, table: str, method: str, seed: int) -> Path:
        """The folder of weights that were pretrained without labels on a table of the pan-cancer cohort."""
        return self.pretrain(table, method, seed, "pretrain.method.hidden=512", "pretrain.batching.patches=12")

    def pretrain(self, table: str, method: str, seed: int, *more: str) -> Path:
        """The folder of weights that were pretrained on a table of the pan-cancer cohort."""
        name = "_".join(("pancancer", table, method, str(seed), *(text.split("=")[-1] for text in more)))
        sets = (f"data.labels={self.pancancer / table}.csv", f"pretrain.method.name={method}", f"seed={seed}", *more)
        return self.run("pretrain", "pancancer", self.pancancer, name, sets) / "pretrain"

    def pretrain_folds(self, method: str, seed: int, *more: str) -> Path:
        """The folder of weights that were pretrained on the training patients of each fold of lung."""
        name = "_".join(("lung", method, str(seed), *(text.split("=")[-1] for text in more)))
        own = (f"data.labels={self.lung / 'cohort.csv'}", f"pretrain.method.name={method}", f"seed={seed}")
        folds = ("split.scheme=custom", f"split.file={self.folds()}")
        return self.run("pretrain", "lung", self.lung, name, (*own, *folds, *more)) / "pretrain"

    def folds(self) -> Path:
        """Split files of the folds of lung, which are the same for all seeds of pretraining."""
        out = self.workspace / "lung_folds"
        if not out.exists():
            labels = (f"data.labels={self.lung / 'cohort.csv'}",)
            experiment = self.run("split", "lung", self.lung, "lung_store", labels)
            _call(["splits", "export", str(experiment / "split"), "--out", str(out)])
        return out

    def run(self, command: str, experiment: str, folder: Path, name: str, sets: Sequence[str]) -> Path:
        """The results of a command for an experiment of this folder."""
        own = self.workspace / "experiment_files" / f"{name}.toml"  # the name of the file is that of the experiment
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / f"{experiment}.toml", own)
        options = [text for each in (f"data.features={folder / 'features'}", *sets) for text in ("--set", each)]
        where = ["-e", str(own), "--workspace", str(self.workspace)]
        _call([command, *where, "--workers", "1", "--quiet", *options])
        return self.workspace / "experiments" / name


def _call(arguments: list[str]) -> None:
    if code := run_app(arguments):
        raise SystemExit(f"oceanpath {' '.join(arguments)} ended with {code}")

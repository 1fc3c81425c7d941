"""A damaged file is refused by the command that reads it, or made again; nothing damaged is used in silence."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from .trials import BAD, Kind, Project, count

SAME_SIZE = ("flipped", "zeroed")
AT = "{top}/e.toml --workspace {top}/out"
ON = "--workspace {top}/out"
RUNS, STORE, LINKS = "out/runs", "out/runs/mmap/*", "out/experiments/study"
COVERAGE = f"coverage {{top}}/features {{top}}/{LINKS}/mmap --out {{top}}/drawn --no-maps --montage 0"
PREDICT = f"predict {{top}}/features -e {AT}"


def step(verb: str, more: str = "") -> str:
    return f"{verb} -e {AT} --quiet {more}".strip()


def again(stage: str) -> str:
    return step(stage, f"--force {stage}")


def of_step(name: str, files: str, reader: str, stage: str, state: str = "study") -> Kind:
    """Files that a stage published: a command reads them; cut off, they are made again by their own stage."""
    return Kind(name, state, f"{RUNS}/{files}", (reader,), (step(stage),))


KINDS = (
    of_step("store: features (eval)", "mmap/*/features_*.bin", again("eval"), "mmap"),
    of_step("store: features (train)", "mmap/*/features_*.bin", again("train"), "mmap"),
    of_step("store: coordinates", "mmap/*/coords_*.bin", again("eval"), "mmap"),
    of_step("store: index", "mmap/*/index_arrays.npz", again("split"), "mmap"),
    of_step("store: sources", "mmap/*/source_arrays.npz", again("train"), "mmap"),
    Kind("store: coverage", "study", f"{STORE}/[cis]*.*", (COVERAGE,)),
    Kind("store: mmap --verify", "study", f"{STORE}/[cifs]*.*", (step("mmap", "--verify"),)),
    Kind("store: places of adopted files", "adopted", f"{STORE}/local/places.npz", (again("split"),)),
    Kind("adopted feature files", "adopted", "features/*.h5", (step("mmap", "--verify"),)),
    Kind("earlier store", "grown", f"{STORE}/*.*", (step("mmap"), step("mmap", "--verify"))),
    Kind("killed build: journal", "killed", f"{RUNS}/mmap/.*/local/journal.txt", (step("mmap"),)),
    Kind("killed build: bags", "killed", f"{RUNS}/mmap/.*/*.bin", (step("mmap"),)),
    of_step("folds", "split/*/fold_*.parquet", again("train"), "split"),
    of_step("splits.json", "split/*/splits.json", again("train"), "split"),
    of_step("best.ckpt (export)", "train/*/*/best.ckpt", again("export"), "train"),
    of_step("best.ckpt (analyze)", "train/*/*/best.ckpt", step("analyze"), "train"),
    Kind("best.ckpt of variants", "variants", f"{RUNS}/train/*/*/best.ckpt", (step("analyze"),), (), SAME_SIZE),
    of_step("oof_predictions.parquet", "train/*/oof_*.parquet", again("eval"), "train"),
    of_step("cv_results.json", "train/*/cv_results.json", again("eval"), "train"),
    of_step("other files of a fold", "train/*/*/[efhp]*.*", again("export"), "train"),
    Kind("parts of training", "parts", "out/parts/train/*/*.*", (step("train"),)),
    of_step("metrics.json", "eval/*/metrics.json", again("export"), "eval"),
    Kind("metrics.json (end of a run)", "study", f"{RUNS}/eval/*/metrics.json", (f"run -e {AT}",)),
    Kind("splits.json (end of a run)", "study", f"{RUNS}/split/*/splits.json", (f"run -e {AT}",)),
    of_step("pictures of eval", "eval/*/*.png", again("export"), "eval"),
    Kind("model.onnx", "study", f"{RUNS}/export/*/model.onnx", (PREDICT,)),
    Kind("model.ts", "study", f"{RUNS}/export/*/model.ts", (PREDICT,)),
    Kind("bundle.json", "study", f"{RUNS}/export/*/bundle.json", (PREDICT,)),
    Kind("MODEL_CARD.md", "study", f"{RUNS}/export/*/MODEL_CARD.md", (PREDICT,)),
    Kind("manifest.json (run, planned)", "study", f"{RUNS}/*/*/manifest.json", (step("run", "--dry-run"),)),
    Kind("manifest.json (split)", "study", f"{RUNS}/split/*/manifest.json", (step("split"),)),
    Kind("manifest.json (ledger verify)", "study", "out/[rp]*/*/*/manifest.json", (f"ledger verify {ON}",)),
    Kind("manifest.json (ledger prune)", "study", f"{RUNS}/*/*/manifest.json", (f"ledger prune {ON}",)),
    Kind("ledger.sqlite (show)", "study", "out/ledger.sqlite", (f"ledger show {ON}",)),
    Kind("ledger.sqlite (list)", "study", "out/ledger.sqlite", (f"ledger list --metric auroc {ON}",)),
    Kind("ledger.sqlite (export)", "study", "out/ledger.sqlite", (f"ledger export {ON}",)),
    Kind("ledger.sqlite (diff)", "study", "out/ledger.sqlite", (f"ledger diff 1 2 {ON}",)),
    Kind("ledger.sqlite (why)", "study", "out/ledger.sqlite", (f"ledger why -e {AT}",)),
    Kind("ledger.sqlite (run)", "study", "out/ledger.sqlite", (step("run"),)),
    Kind("digests.sqlite", "study", "out/digests.sqlite", (step("run"),)),
    Kind("experiment links (run)", "study", f"{LINKS}/*", (step("run"),)),
    Kind("experiment links (predict)", "study", f"{LINKS}/export", (PREDICT,)),
    of_step("slides of demo", "demo/*/slides/*.svs", again("extract"), "demo", "slides"),
    of_step("extracted features (mmap)", "extract/*/*.h5", again("mmap"), "extract", "slides"),
    of_step("extracted features (curate)", "extract/*/*.h5", again("curate"), "extract", "slides"),
    of_step("extracted features (--out)", "extract/*/*.h5", step("extract", "--out {top}/laid"), "extract", "slides"),
    Kind("parts of extraction", "slide parts", "out/parts/extract/*/**/*.[hj]*", (step("extract"), step("mmap"))),
    of_step("list of curate", "curate/*/pre*", again("mmap"), "curate", "slides"),
)  # fmt: skip  # one line for each
LONG = {"best.ckpt of variants", "metrics.json (end of a run)"}
"""Each trial takes many seconds; other kinds read the same files."""
TRIED = KINDS if "OCEANPATH_DAMAGE" in os.environ else [kind for kind in KINDS if kind.name not in LONG]
"""All kinds: in ``nox -s damage``."""


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", TRIED, ids=lambda kind: kind.name)
def test_nothing_damaged_is_used_in_silence(kind: Kind, project: Callable[[str], Project]) -> None:
    for how, counts in count(project(kind.state), kind).items():
        assert not [verdict for verdict in BAD if counts[verdict]], (how, counts)

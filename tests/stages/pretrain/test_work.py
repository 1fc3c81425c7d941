"""Pretraining through experiments: files, patients, reuse, and the start of training from its weights."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.pretrained import read_facts, read_weights
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.artifacts.store.reader import Store

from ...conftest import Cohort

MODEL = '[model]\nname = "abmil"\nhidden = 16\nattention = 8\n'
PRETRAIN = "[pretrain]\nmax_steps = 6\nbatch_size = 4\nval_fraction = 0.3\nmonitor_every = 3\n"
METHOD = '[pretrain.method]\nname = "vicreg"\nhidden = 16\nout = 8\n'
TRAIN = "[train]\nepochs = 2\n"
FILES = ["aggregator.safetensors", "best.ckpt", "curves.png", "last.ckpt", "monitors.csv", "pretrain.json"]
FILES += ["manifest.json", "split_manifest.json"]


def without_split(cohort: Cohort) -> str:
    return cohort.toml.partition("[split]")[0]


def folder(cohort: Cohort, stage: str, name: str = "oceanpath") -> Path:
    return cohort.folder / "out/experiments" / name / stage


def records_in(value: object) -> Iterator[dict[str, object]]:
    """Every record of a number, at any depth."""
    if isinstance(value, dict) and "value" in value:
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from records_in(item)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A cohort after a pretraining on all its slides, in an experiment of its own."""
    cohort = Cohort(tmp_path_factory.mktemp("pretrained"))
    split = cohort.toml
    cohort.toml = f'name = "pre"\n{without_split(cohort)}{MODEL}{PRETRAIN}{METHOD}'
    assert cohort.run() == 0
    cohort.toml = f"{split}{MODEL}{TRAIN}"
    return cohort


@pytest.fixture
def pretrained(original: Cohort, tmp_path: Path) -> Cohort:
    """A copy of it."""
    shutil.copytree(original.folder, tmp_path / "copy", symlinks=True)
    cohort = copy.copy(original)
    cohort.folder = tmp_path / "copy"
    return cohort


def test_all_files_are_published_and_patients_are_not_shared(pretrained: Cohort) -> None:
    out = folder(pretrained, "pretrain", "pre")
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == sorted(FILES)
    manifest = SplitManifest.read(out)
    assert sorted([*manifest.train_ids, *manifest.val_ids]) == pretrained.names()
    assert len({manifest.patients[name] for name in manifest.val_ids}) == 2
    facts, tensors = read_weights(out / "aggregator.safetensors")
    assert (facts.method["name"], facts.model["name"], facts.in_dim) == ("vicreg", "abmil", 8)
    assert len(facts.patients) == 8
    assert "score.weight" in tensors
    rows = (out / "monitors.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "0", "3", "6"]
    result = json.loads((out / "pretrain.json").read_text())
    assert result["best_step"] in (3, 6)
    assert result["rankme_limit"] == 3  # four monitored slides
    assert not list(out.rglob("neighbours*"))


def test_the_result_is_reused_and_other_keys_make_another(
    pretrained: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrained.toml = f'name = "pre"\n{without_split(pretrained)}{MODEL}{PRETRAIN}{METHOD}'
    before = folder(pretrained, "pretrain", "pre").resolve()
    capsys.readouterr()
    assert pretrained.run("--set", "pretrain.checkpoint_every=1") == 0
    assert "up to date" in capsys.readouterr().out
    assert pretrained.run("--set", "pretrain.lr=0.001") == 0
    assert folder(pretrained, "pretrain", "pre").resolve() != before
    assert pretrained.run("--set", "pretrain.metod=byol") == 2
    assert "Did you mean 'method'?" in capsys.readouterr().err


def test_a_method_by_name_and_every_refused_strategy_names_another(
    cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort.toml = f"{without_split(cohort)}{MODEL}{PRETRAIN}"
    assert cohort.run("--set", "pretrain.method=nonsense") == 2
    assert "unknown method" in capsys.readouterr().err
    assert cohort.run("--set", "pretrain.method=vicreg", "--set", "pretrain.batching.strategy=jepa") == 2
    assert "subsample_fixed_n" in capsys.readouterr().err


def test_patients_come_from_a_table_or_from_a_rule_that_is_named(
    cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = f"{without_split(cohort)}{MODEL}{PRETRAIN}{METHOD}"
    cohort.toml = re.sub(r"labels = .*\n", "", tables)
    assert cohort.run() == 2
    message = capsys.readouterr().err
    assert "tcga_barcode" in message
    assert "data.labels" in message
    assert cohort.run("--set", "data.patient_rule=tcga_barcode") == 2
    assert "slide_00" in capsys.readouterr().err
    assert cohort.run("--set", "data.patient_rule=slide") == 0
    manifest = SplitManifest.read(folder(cohort, "pretrain"))
    assert all(slide == patient for slide, patient in manifest.patients.items())


def test_tested_patients_that_were_used_for_pretraining_are_refused_unless_accepted(
    pretrained: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pretrained.run("--set", "train.aggregator_weights=pre") == 6
    assert "used for pretraining" in capsys.readouterr().err
    accepted = ("--set", 'train.weights_allow=["seen_patients"]', "--set", "train.aggregator_weights=pre")
    pretrained.toml += "[eval]\n"
    assert pretrained.run(*accepted) == 0
    assert "4 tested patients" not in capsys.readouterr().out
    results = json.loads((folder(pretrained, "train") / "cv_results.json").read_text())
    assert results["seen_in_pretraining"] == 8
    report = json.loads((folder(pretrained, "eval") / "metrics.json").read_text())
    assert report["seen_in_pretraining"] == 8
    assert any(note.startswith("seen_in_pretraining") for note in report["notes"])
    marked = [record.get("seen_in_pretraining") for record in records_in(report)]
    assert len(marked) > 50
    assert set(marked) == {8}


def test_another_cohort_has_its_own_store_and_other_experiments_keep_their_test_patients(
    cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    """The experiment "fixed" tests the patients p0 to p3; the other cohort has all slides of p0 and p1."""
    shutil.copytree(cohort.folder / "features", cohort.folder / "pan")
    for path in (cohort.folder / "pan").glob("slide_0[4-7].h5"):
        path.unlink()
    plain = without_split(cohort)
    split = cohort.toml.replace("folds = 2", """scheme = "custom"\ntest = "case_id in ['p0', 'p1', 'p2', 'p3']\"""")
    cohort.toml = f'name = "fixed"\n{split}'
    assert cohort.run() == 0
    other = 'features = "pan"\npatient_rule = "slide"\nexclude = ["fixed"]\n'
    cohort.toml = f"{plain}{MODEL}{PRETRAIN}{other}{METHOD}"
    assert cohort.run("--set", 'pretrain.exclude=["fixed", "unknown"]') == 2
    assert "expected a folder, an experiment" in capsys.readouterr().err
    assert cohort.run() == 0
    assert "4 slides excluded" in capsys.readouterr().err
    manifest = SplitManifest.read(folder(cohort, "pretrain"))
    assert manifest.excluded == [f"slide_{i:02d}" for i in range(4)]
    assert len(manifest.patients) == 8
    stores = [Store(folder(cohort, stage), check=False) for stage in ("mmap", "pretrain_mmap")]
    assert [len(store) for store in stores] == [16, 12]


def test_each_fold_starts_from_weights_that_have_not_seen_its_test_patients(cohort: Cohort) -> None:
    cohort.toml += f'{MODEL}{PRETRAIN}rows = "fold_train"\n{METHOD}{TRAIN}'
    assert cohort.run() == 0
    for number in range(2):
        manifest = SplitManifest.read(folder(cohort, "pretrain") / f"fold_{number}")
        fold = json.loads((folder(cohort, "train") / f"fold_{number}/fold.json").read_text())
        assert fold["seen_in_pretraining"] == 0
        assert 0 < len(manifest.patients) < 16
    weights = [folder(cohort, "pretrain") / f"fold_{k}/aggregator.safetensors" for k in range(2)]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert "seen_in_pretraining" not in json.loads((folder(cohort, "train") / "cv_results.json").read_text())


@pytest.mark.parametrize(
    ("key", "is_kept"),
    [
        ("freeze_aggregator=true", True),
        ("freeze_aggregator=1", True),
        ("mode=linear_probe", True),
        ("mode=full", False),
    ],
)
def test_a_frozen_aggregator_keeps_its_weights(pretrained: Cohort, key: str, is_kept: bool) -> None:
    import torch

    more = ("--set", 'train.weights_allow=["seen_patients"]', "--set", f"train.{key}")
    assert pretrained.run("--set", "train.aggregator_weights=pre", "--set", "train.epochs=1", *more) == 0
    tensors = read_weights(folder(pretrained, "pretrain", "pre") / "aggregator.safetensors")[1]
    state = torch.load(folder(pretrained, "train") / "fold_0/best.ckpt")["state"]
    same = [np.array_equal(state[f"aggregator.{name}"].numpy(), value) for name, value in tensors.items()]
    assert all(same) == is_kept


def test_weights_are_found_by_experiment_fingerprint_and_file(
    pretrained: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder(pretrained, "pretrain", "pre").resolve()
    allow = ("--set", 'train.weights_allow=["seen_patients"]')
    results = set()
    for name in ("pre", run.name, run.name[:12], str(run / "aggregator.safetensors")):
        assert pretrained.run("--set", f"train.aggregator_weights={name}", *allow) == 0
        results.add(folder(pretrained, "train").resolve())
    assert len(results) == 1, "the same weights are the same result"
    capsys.readouterr()
    assert pretrained.run("--set", "train.aggregator_weights=prepare", *allow) == 2
    assert "expected a file aggregator.safetensors, an experiment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.hidden=8", "another model.hidden"),
        ("model.name=static", "another architecture"),
        ("model.input_norm=none", '"input_norm" to train.weights_allow'),
    ],
)
def test_weights_of_another_architecture_are_refused(
    pretrained: Cohort, change: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "static" in change:
        pretrained.toml = pretrained.toml.replace("attention = 8\n", "")
    assert pretrained.run("--set", "train.aggregator_weights=pre", "--set", change) == 2
    assert words in capsys.readouterr().err


def test_weights_are_loaded_strictly_also_where_a_difference_is_accepted(
    pretrained: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    allow = ("--set", 'train.weights_allow=["seen_patients", "model"]', "--set", "train.aggregator_weights=pre")
    assert pretrained.run(*allow, "--set", "model.hidden=8") in (3, 4)
    assert "do not fit the aggregator" in capsys.readouterr().err
    assert pretrained.run(*allow, "--set", "model.dropout=0.4") == 0
    assert read_facts(folder(pretrained, "pretrain", "pre") / "aggregator.safetensors").model["dropout"] == 0.25


def test_damaged_and_foreign_weights_are_named(pretrained: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.numpy import save_file

    source = folder(pretrained, "pretrain", "pre") / "aggregator.safetensors"
    damaged, foreign = pretrained.folder / "damaged.safetensors", pretrained.folder / "foreign.safetensors"
    damaged.write_bytes(source.read_bytes()[:200])
    save_file({"a": np.zeros(2, np.float32)}, foreign)
    for path, words in ((damaged, "cannot be read"), (foreign, "not weights of a pretraining")):
        assert pretrained.run("--set", f"train.aggregator_weights={path}") == 4
        assert words in capsys.readouterr().err

"""What pretrained weights are compared with, each difference accepted by its own name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.pretrained import WeightFacts, hash_ids, write_weights
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, ExperimentError, GateError
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.pipeline.stage import ParentSources
from oceanpath.slides.encoders import ENCODERS, pinned_revision
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.train.preflight import preflight
from oceanpath.stages.train.pretrained import check_weights, load_weights, seen_patients
from oceanpath.stages.train.settings import TrainSettings

from ...conftest import write_store

DIM = 6
MODEL = ABMILSettings(hidden=8, attention=4)
COMMIT = next(name for name, spec in ENCODERS.items() if spec.hub is not None and spec.hub.revision != "main")
FACTS = WeightFacts(
    method={"name": "vicreg"},
    model=MODEL.model_dump(mode="json"),
    in_dim=DIM,
    encoder="random",
    encoder_revision=pinned_revision(COMMIT, "", is_local=False),
    patch_um=128.0,
    mpp=0.5,
    step=7,
    patients=hash_ids(["p1", "TCGA-AB-1234"]),
    slides=hash_ids(["s1"]),
)
EXTRACT = {"extract": ExtractSettings(encoder=COMMIT), "extracts": True}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_store(tmp_path_factory.mktemp("weights") / "store", {"a": np.zeros((3, DIM))}, encoder="random")


def weights(path: Path, **changed: object) -> Path:
    aggregator = build_aggregator(MODEL, DIM)
    tensors = {name: value.numpy() for name, value in aggregator.state_dict().items()}
    write_weights(path, tensors, replace(FACTS, **changed))  # type: ignore[arg-type]  # fields of the facts
    return path


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"encoder": "other"}, "encoder"),
        ({"encoder_revision": "0123abcd"}, "revision"),
        ({"patch_um": 256.0}, "patch_um"),
        ({"mpp": 1.0}, "mpp"),
        ({"model": FACTS.model | {"input_norm": "none"}}, "input_norm"),
        ({"model": FACTS.model | {"dropout": 0.7}}, "model"),
    ],
)
def test_each_difference_is_refused_and_accepted_by_its_name(
    store: Store, tmp_path: Path, changed: dict[str, object], name: str
) -> None:
    path = weights(tmp_path / "w.safetensors", **changed)
    with pytest.raises(ExperimentError, match=f'Add "{name}" to train.weights_allow'):
        check_weights(TrainSettings(model=MODEL, **EXTRACT), path, store)
    allowed = {"weights_allow": (name,)}
    check_weights(TrainSettings.model_validate({"model": MODEL, **EXTRACT, **allowed}), path, store)


def test_all_differences_are_reported_at_once_and_unknown_facts_are_not_compared(store: Store, tmp_path: Path) -> None:
    path = weights(tmp_path / "w.safetensors", patch_um=64.0, mpp=0.25, encoder="other")
    with pytest.raises(ExperimentError) as caught:
        check_weights(TrainSettings(model=MODEL, **EXTRACT), path, store)
    assert len(caught.value.each) == 3
    check_weights(TrainSettings(model=MODEL, weights_allow=("encoder",)), path, store)  # of features without attributes
    unknown = weights(tmp_path / "u.safetensors", patch_um=None, mpp=None, encoder_revision="")
    check_weights(TrainSettings(model=MODEL, **EXTRACT), unknown, store)
    equal = weights(tmp_path / "e.safetensors", patch_um=float(np.float32(128.00001)))
    check_weights(TrainSettings(model=MODEL, **EXTRACT), equal, store)


def test_weights_without_tensors_or_with_broken_ones_are_refused(tmp_path: Path) -> None:
    aggregator = build_aggregator(MODEL, DIM)
    count = len(aggregator.state_dict())
    assert load_weights(aggregator, weights(tmp_path / "w.safetensors")) == count
    tensors = {name: value.numpy() for name, value in aggregator.state_dict().items()}
    first = next(iter(tensors))
    broken = {**tensors, first: np.full_like(tensors[first], np.nan)}
    for case, words in (({}, "no weights"), (broken, "not finite"), (dict(list(tensors.items())[1:]), "do not fit")):
        write_weights(tmp_path / "bad.safetensors", case, FACTS)
        with pytest.raises(ArtifactError, match=words):
            load_weights(aggregator, tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("slide", "patient", "is_seen"),
    [("x", "p1", True), ("s1", "x", True), ("TCGA-AB-1234-01Z", "17", True), ("TCGA-AB-1235-01Z", "p2", False)],
)
def test_a_tested_patient_is_recognised_by_patient_slide_and_barcode(
    tmp_path: Path, slide: str, patient: str, is_seen: bool
) -> None:
    path = weights(tmp_path / "w.safetensors")
    fold = pd.DataFrame({"slide_id": [slide], "patient_id": [patient], "role": ["test"]})
    accepting = TrainSettings(weights_allow=("seen_patients",))
    assert seen_patients(accepting, path, fold, "fold 0") == [patient] * is_seen
    if is_seen:
        with pytest.raises(GateError, match="1 of 1"):
            seen_patients(TrainSettings(), path, fold, "fold 0")


def test_a_linear_probe_is_frozen_and_needs_weights() -> None:
    probe = TrainSettings.model_validate({"mode": "linear_probe"})
    assert probe.freeze_aggregator is True
    (problem,) = preflight(probe, ParentSources()).problems
    assert "needs pretrained weights" in problem.what
    assert not preflight(probe, ParentSources(names=frozenset({"pretrain"}))).problems
    with pytest.raises(ValueError, match="remove freeze_aggregator"):
        TrainSettings.model_validate({"mode": "linear_probe", "freeze_aggregator": 3})

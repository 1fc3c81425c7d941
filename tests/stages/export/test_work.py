"""The export room, door to door: what is published is equal to the members it was made of."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from oceanpath.artifacts.bundle import folder as bundle
from oceanpath.artifacts.bundle.facts import Contract
from oceanpath.artifacts.external import write_external
from oceanpath.artifacts.predictions import read_oof
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.stage import Inputs, Quiet, resolve
from oceanpath.serving.engine import Engine
from oceanpath.stages.export import model_files, work
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.stage import STAGE
from oceanpath.stages.export.torchscript_file import to_torchscript

from .conftest import TASK
from .example_facts import example_facts, parity


@pytest.fixture(scope="session")
def exported(study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    progress = Counted()
    summary = resolve(STAGE.work)(ExportSettings(), study.inputs(), out, progress)
    resolve(STAGE.check)(out)
    assert progress.total == progress.done > 0
    parity = bundle.read_facts(out).parity
    evaluated = max(parity.stored.differences.values())
    size = (out / bundle.ONNX).stat().st_size
    wanted = {"members": 2, "parity": parity.worst, "parity_stored": evaluated, "onnx_bytes": size}
    assert {name: summary.metrics[name] for name in wanted} == wanted
    return out


class Counted(Quiet):
    """Counts the steps that are announced and those that are reported."""

    total = done = 0

    def start(self, total: int, unit: str) -> None:
        self.total = total

    def advance(self, count: int = 1) -> None:
        self.done += count


def mean_of_members(study, facts: bundle.BundleFacts, bag: np.ndarray) -> np.ndarray:
    """The promise, written a second time: mean over members of softmax(logits / temperature), in float64."""
    h = torch.from_numpy(bag.astype(np.float32))[None]
    with torch.inference_mode():
        logits = [classifier(h)[0].double() for classifier in study.classifiers]
    scaled = [torch.softmax(z / m.temperature, 0) for z, m in zip(logits, facts.members, strict=True)]
    return torch.stack(scaled).mean(0).numpy()


def test_the_engine_answers_as_the_mean_of_the_calibrated_members(study, exported):
    engine, store = Engine.load(exported), Store(study.mmap)
    for i in (0, 6, 59):
        answer = engine.predict(store.features(i))
        wanted = mean_of_members(study, engine.facts, store.features(i))
        assert np.abs(answer.probabilities - wanted).max() < 1e-6
        assert answer.n_patches == store.length(i) == len(answer.attention)


def test_attention_is_the_mean_attention_of_the_members(study, exported):
    bag = Store(study.mmap).features(40)
    h = torch.from_numpy(bag.astype(np.float32))[None]
    with torch.inference_mode():
        parts = [c.output(h, return_attention=True).extras["attention"][0] for c in study.classifiers]
    answer = Engine.load(exported).predict(bag)
    assert np.abs(answer.attention - torch.stack(parts).mean(0).numpy()).max() < 1e-6
    assert answer.attention.min() >= 0
    assert answer.attention.sum() == pytest.approx(1, abs=1e-5)


def test_every_member_is_shipped(exported):
    model = onnx.load(exported / bundle.ONNX)
    size = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    matrices_of_one = 24 * 16 + 2 * 16 * 8 + 8 + 16 * 2  # equal vectors of zeros and ones are stored once
    assert size >= 2 * matrices_of_one
    facts = bundle.read_facts(exported)
    assert len(facts.members) == 2
    assert facts.classes == ["NR", "R"]


def test_parity_was_measured_at_every_size_and_format(exported):
    facts = bundle.read_facts(exported)
    cases = {(case.format, case.batch, case.patches) for case in facts.parity.cases}
    assert cases == {(f, b, n) for f in ("onnx", "torchscript") for b in (1, 3) for n in (1, 2, 17, 4096)}
    assert 0 <= facts.parity.worst <= 1e-5


def test_torchscript_loads_without_oceanpath_and_agrees(study, exported):
    loaded = torch.jit.load(io.BytesIO((exported / bundle.TORCHSCRIPT).read_bytes()))
    bag = Store(study.mmap).features(33).astype(np.float32)
    probabilities, attention, logits = loaded(torch.from_numpy(bag)[None])
    answer = Engine.load(exported).predict(bag)
    assert np.abs(probabilities[0].numpy() - answer.probabilities).max() < 1e-6
    assert attention.shape == (1, 34)
    assert logits.shape == (2, 1, 2)


def test_the_same_inputs_give_the_same_bytes(study, exported, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        work.run(ExportSettings(), study.inputs(), tmp_path, Quiet())
    finally:
        torch.set_num_threads(threads)
    for name in (bundle.ONNX, bundle.TORCHSCRIPT, bundle.TRAINING, bundle.CARD, bundle.FACTS):
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes(), name


def test_nothing_of_the_machine_is_in_the_files(exported):
    package = str(Path(bundle.__file__).parents[3]).encode()
    for name in (bundle.ONNX, bundle.TORCHSCRIPT):
        content = (exported / name).read_bytes()
        assert package not in content
        assert b"site-packages" not in content


def test_the_facts_say_what_the_numbers_are(exported):
    facts = bundle.read_facts(exported)
    assert "The ensemble itself was not evaluated" in facts.performance.meaning
    assert "metrics are those of single members" in facts.performance.meaning
    assert facts.performance.slide["auroc"].value == 0.81
    assert facts.performance.patient["mcc"].reason == "one class only"
    assert facts.cohort is not None
    assert facts.cohort.slides == 60
    assert facts.cohort.patients == 30
    assert facts.cohort.patches_max == 60
    assert facts.contract == Contract(encoder="toy_encoder", feature_dim=24, dtype="float16")


def test_the_card_says_the_same(exported):
    card = (exported / bundle.CARD).read_text()
    for words in (
        "research use only",
        "60 slides of 30 patients",
        "0.810 (0.700 to 0.900)",
        "toy_encoder",
        "The ensemble itself was not evaluated",
    ):
        assert words in card, words


@pytest.fixture
def exported_before(exported, monkeypatch) -> None:
    """The ONNX file of the session, instead of three more seconds of exporting the same one."""
    monkeypatch.setattr(model_files, "to_onnx", lambda *_, **__: (exported / bundle.ONNX).read_bytes())


def test_onnx_alone_when_asked(study, tmp_path, exported_before):
    work.run(ExportSettings(formats=("onnx",), parity_patches=(3,)), study.inputs(), tmp_path, Quiet())
    bundle.check(tmp_path)
    assert not (tmp_path / bundle.TORCHSCRIPT).exists()


def test_a_format_that_differs_is_never_sealed(study, tmp_path, monkeypatch, exported_before):

    def other(module, dim, **how):
        with torch.inference_mode():
            module.members[0].head.bias += 0.01
            content = to_torchscript(module, dim, **how)
            module.members[0].head.bias -= 0.01
        return content

    monkeypatch.setattr(model_files, "to_torchscript", other)
    with pytest.raises(StageError, match="torchscript differs"):
        work.run(ExportSettings(parity_patches=(3,)), study.inputs(), tmp_path, Quiet())
    assert not (tmp_path / bundle.FACTS).exists()
    with pytest.raises(ArtifactError):
        bundle.check(tmp_path)


def test_a_member_of_other_features_is_refused(study, tmp_path):
    broken = tmp_path / "train"
    shutil.copytree(study.train, broken)
    contents = torch.load(broken / "fold_1" / "best.ckpt", weights_only=True)
    contents["classes"] = ["R", "NR"]
    torch.save(contents, broken / "fold_1" / "best.ckpt")
    inputs = Inputs({**study.inputs().parents, "train": broken})
    with pytest.raises(StageError, match="does not fit"):
        work.run(ExportSettings(), inputs, tmp_path, Quiet())


def test_onnx_cannot_be_left_out():
    with pytest.raises(ValueError, match="onnx"):
        ExportSettings(formats=("torchscript",))


def test_external_cohorts_of_the_inputs_are_described(study, tmp_path, exported_before):
    """Their folders are inputs of the export by the name of the cohort."""
    rows = read_oof(study.train, TASK).assign(role="test")
    members = [rows.assign(fold=fold, patient_id="x" + rows["patient_id"]) for fold in range(2)]
    (tmp_path / "external").mkdir()
    write_external(pd.concat(members, ignore_index=True), tmp_path / "external", TASK)
    inputs = Inputs({**study.inputs().parents, "external.B": tmp_path / "external"})
    (tmp_path / "out").mkdir()
    work.run(ExportSettings(formats=("onnx",), parity_patches=(3,)), inputs, tmp_path / "out", Quiet())
    facts = bundle.read_facts(tmp_path / "out")
    assert [(one.name, one.slides) for one in facts.external] == [("B", 60)]
    assert "evaluated on external cohorts: B" in facts.threshold.reason
    assert "evaluated on external cohorts only" in facts.performance.meaning


def test_the_summary_states_the_comparisons_in_order() -> None:
    facts = example_facts(parity=parity(elsewhere=2))
    summary = work._summary(facts, 3 * 2**20)
    assert summary.lines == (
        "2 members, 3.0 MB, model 0123456789ab",
        "reproduces 50 of 60 stored test predictions within 3.0e-07",
        "2 of them were computed on another device, with differences of up to 4.0e-04 from this CPU; for these the "
        "files were compared with torch on this CPU",
        "agrees with torch within 1.0e-07 at 7, 100 patches",
        "temperatures 1.50, 1.00",
    )
    assert summary.metrics == {"members": 2, "parity": 1e-7, "parity_stored": 3e-7, "onnx_bytes": 3 * 2**20}
    assert len(work._summary(example_facts(), 1).lines) == 4

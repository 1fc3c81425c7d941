from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.explain import PatchExplainer
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.classification import ClassificationObjective, softmax
from oceanpath.fit.predict import predict
from oceanpath.models import streaming
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.settings import ABMILSettings


@pytest.fixture
def classifier() -> WSIClassifier:
    torch.manual_seed(0)
    return WSIClassifier(ABMILSettings(hidden=8, attention=4), 6, ["a", "b", "c"])


def test_a_row_depends_on_its_slide_alone(classifier: WSIClassifier, store: Store) -> None:
    together, alone = predict(classifier, store, [4, 0, 7], "cpu"), predict(classifier, store, [0], "cpu")
    assert np.array_equal(together.outputs[1], alone.outputs[0])
    assert np.array_equal(together.embeddings[1], alone.embeddings[0])
    assert together.embeddings.shape == (3, 8)
    assert together.embeddings.dtype == together.outputs.dtype == np.float32


def test_probabilities_are_the_softmax_of_the_whole_bag_without_dropout(
    classifier: WSIClassifier, store: Store, objective: ClassificationObjective
) -> None:
    classifier.train()
    probabilities = objective.values(predict(classifier, store, [3], "cpu").outputs)
    assert classifier.training
    logits = classifier.eval()(torch.from_numpy(np.array(store.features(3)))[None])
    np.testing.assert_allclose(probabilities, torch.softmax(logits.double(), 1).detach().numpy(), atol=1e-7)
    assert probabilities.dtype == np.float64
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)


def test_no_slides_give_empty_tables_of_the_right_width(
    classifier: WSIClassifier, store: Store, objective: ClassificationObjective
) -> None:
    found = predict(classifier, store, [], "cpu")
    assert (found.outputs.shape, found.embeddings.shape) == ((0, 3), (0, 8))
    assert objective.values(found.outputs).shape == (0, 3)


def test_softmax_of_large_logits_is_finite() -> None:
    assert softmax(np.array([[1e4, -1e4]], np.float32)).tolist() == [[1.0, 0.0]]


def test_attention_of_a_slide(classifier: WSIClassifier, store: Store, objective: Objective, tmp_path: Path) -> None:
    save_checkpoint(classifier, objective, tmp_path / "best.ckpt")
    attention = PatchExplainer(tmp_path / "best.ckpt").explain(store.features(5), store.coords(5)).attention
    assert attention.shape == (store.length(5),)
    assert (attention >= 0).all()
    assert attention.sum() == pytest.approx(1.0, abs=1e-5)
    features = torch.from_numpy(np.array(store.features(5)))
    bag = Batch(features, torch.tensor([0, len(features)]))
    packed = classifier.eval().output_packed(bag, return_attention=True).extras["attention"].detach()
    padded = classifier.output(features[None], return_attention=True).extras["attention"][0].detach()
    np.testing.assert_array_equal(attention, packed.numpy())
    np.testing.assert_allclose(attention, padded.numpy(), atol=1e-7, rtol=0)


def test_attention_of_a_long_slide_is_read_in_blocks(
    classifier: WSIClassifier, store: Store, objective: Objective, tmp_path: Path
) -> None:
    save_checkpoint(classifier, objective, tmp_path / "best.ckpt")
    whole = PatchExplainer(tmp_path / "best.ckpt").explain(store.features(5), store.coords(5)).attention
    with streaming.limits(2, 3):
        in_blocks = PatchExplainer(tmp_path / "best.ckpt").explain(store.features(5), store.coords(5)).attention
    np.testing.assert_allclose(in_blocks, whole, atol=1e-7, rtol=0)


@pytest.mark.parametrize("shape", [(4, 5), (0, 6), (6,)])
def test_features_of_another_shape_are_refused(
    classifier: WSIClassifier, objective: Objective, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    save_checkpoint(classifier, objective, tmp_path / "best.ckpt")
    with pytest.raises(ArtifactError, match=r"the features do not fit this model; expected \[n, 6\]"):
        PatchExplainer(tmp_path / "best.ckpt").explain(np.zeros(shape, np.float32), None)

"""Auxiliary losses of architectures: which predictions and penalties they add in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from oceanpath.bags.batch import Batch
from oceanpath.errors import ExperimentError
from oceanpath.models.acmil import ACMIL, _similarity
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.dtfd import DTFD
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.models.verify.contract import ragged

from ..narrowing import required

LENGTHS = [7, 2, 9]
LABELS = torch.tensor([0, 2, 1])


def built(raw: dict[str, Any]) -> WSIClassifier:
    torch.manual_seed(0)
    return WSIClassifier(parse_model({"hidden": 8, "attention": 4, "dropout": 0.0, **raw}), 6, ["a", "b", "c"]).train()


def labelled() -> Batch:
    batch = ragged(LENGTHS, 6)
    return Batch(batch.features, batch.offsets, labels=LABELS)


def cross_entropies(logits: Tensor) -> Tensor:
    return cross_entropy(logits, LABELS, reduction="none")


@pytest.mark.parametrize(
    ("raw", "predictions"),
    [
        ({"name": "acmil", "branches": 4, "masked_share": 0.0}, 4),
        ({"name": "dtfd", "pseudo_bags": 3}, 3),
    ],
    ids=str,
)
def test_branches_and_pseudo_bags_are_classified_in_training(raw: dict[str, Any], predictions: int) -> None:
    model = built(raw)
    output = model.output_packed(labelled())
    logits = output.extras["auxiliary_logits"]
    assert logits.shape == (predictions, len(LENGTHS), 3)
    own = cross_entropies(output.logits)
    expected = torch.stack([cross_entropies(one) for one in logits]).mean(dim=0)
    expected = expected + output.extras.get("auxiliary_loss", torch.zeros(()))
    blended = model.blend(own, [output], cross_entropies)
    torch.testing.assert_close(blended, 0.5 * own + 0.5 * expected)
    blended.sum().backward()
    assert all(required(weight.grad).abs().sum() > 0 for name, weight in model.named_parameters() if "weight" in name)
    assert model.eval().output_packed(labelled()).extras == {}


def test_the_losses_of_several_batches_are_those_of_one() -> None:
    model, batch = built({"name": "acmil", "masked_share": 0.0}), labelled()
    parts = [Batch(batch.features[:7], torch.tensor([0, 7]), labels=LABELS[:1])]
    parts.append(Batch(batch.features[7:], torch.tensor([0, 2, 11]), labels=LABELS[1:]))
    whole, split = model.output_packed(batch), [model.output_packed(part) for part in parts]
    losses = [model.blend(torch.zeros(3), outputs, cross_entropies) for outputs in ([whole], split)]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize(
    "raw", [{"name": "acmil", "branch_weight": 0.0}, {"name": "dtfd", "tier1_weight": 0.0}], ids=str
)
def test_without_weight_there_is_no_auxiliary_loss(raw: dict[str, Any]) -> None:
    model = built(raw)
    assert model.auxiliary is None
    assert model.output_packed(labelled()).extras == {}


def test_similarity_is_the_mean_cosine_of_two_branches() -> None:
    weights = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
    torch.testing.assert_close(_similarity(weights), torch.tensor((0 + 2 * 0.5**0.5) / 3))
    assert _similarity(torch.ones(4, 1)) == 0
    torch.testing.assert_close(_similarity(torch.ones(4, 2)), torch.tensor(1.0))


@pytest.mark.parametrize(("patches", "left_out"), [(20, 6), (4, 2), (1, 0)])
def test_only_highly_attended_patches_are_left_out_and_never_all(patches: int, left_out: int) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model({"name": "acmil", "branches": 3}), 6).train()
    assert isinstance(model, ACMIL)
    scores = torch.randn(3, patches)
    masked = model.bag_scores(scores, 0).isinf()
    assert masked.sum(dim=1).tolist() == [left_out] * 3
    highest = scores.topk(min(10, patches), dim=1).indices
    assert masked.gather(1, highest).sum(dim=1).tolist() == [left_out] * 3
    assert torch.equal(model.eval().bag_scores(scores, 0), scores)


@torch.no_grad()
def test_pseudo_bags_are_disjoint_and_of_a_random_assignment_in_training() -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model({"name": "dtfd", "pseudo_bags": 3}), 6).eval()
    assert isinstance(model, DTFD)
    scores = torch.zeros(1, 7)
    member = model.bag_scores(scores, 0) == 0
    assert member.int().argmax(dim=0).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert member.sum(dim=0).tolist() == [1] * 7
    assert torch.equal(model.bag_scores(scores[:, 2:], 2), model.bag_scores(scores, 0)[:, 2:])
    drawn = [model.train().bag_scores(scores, 0) == 0 for _ in range(2)]
    assert not torch.equal(*drawn)
    assert all(one.sum(dim=0).tolist() == [1] * 7 and sorted(one.sum(dim=1).tolist()) == [2, 2, 3] for one in drawn)


def test_each_branch_of_clam_selects_the_patches_of_its_class() -> None:
    model = built({"name": "clam_mb", "branches": 3, "instance_weight": 0.3, "instance_patches": 1})
    batch, head = labelled(), required(model.auxiliary)
    attention = torch.zeros(18, 3)
    attention[1, 0] = attention[8, 2] = attention[10, 1] = 1.0  # the most attended patch of each bag in its own class
    loss = head(model.aggregator.get_submodule("patches"), batch, attention)
    moved = attention.clone()
    moved[1, 0], moved[2, 0] = 0.0, 1.0
    other = head(model.aggregator.get_submodule("patches"), batch, moved)
    assert loss[0] != other[0]
    assert torch.equal(loss[1:], other[1:])


def test_a_patch_level_loss_needs_a_branch_per_class() -> None:
    with pytest.raises(ExperimentError, match=r"\[model\] branches: .*expected 3, got 2"):
        built({"name": "clam_mb", "instance_weight": 0.3})
    assert built({"name": "clam_mb"}).auxiliary is None

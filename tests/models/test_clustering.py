from __future__ import annotations

import pytest
import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.clustering import InstanceClustering
from oceanpath.models.settings import ClamSBSettings

from ..narrowing import required

SMALL = ClamSBSettings(hidden=4, attention=3, instance_weight=0.25, instance_patches=2)


def bags(lengths: list[int], labels: list[int] | None = None) -> Batch:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(sum(lengths), 6, generator=generator)
    return Batch(rows, torch.tensor([0, *lengths]).cumsum(0), labels=None if labels is None else torch.tensor(labels))


def svm(right: Tensor, wrong: Tensor) -> Tensor:
    """Berrada et al. (2018), equation 6, over two ways: log of the sum of the powers of margin + score - right."""
    return torch.log(torch.exp(right - right) + torch.exp(1 + wrong - right))


def no_logits(logits: Tensor) -> Tensor:
    raise AssertionError("CLAM has no auxiliary predictions")


@pytest.mark.parametrize("exclusive", [True, False])
@torch.no_grad()
def test_the_most_attended_are_evidence_and_the_least_are_not(exclusive: bool) -> None:
    torch.manual_seed(0)
    clustering = InstanceClustering(SMALL.model_copy(update={"exclusive": exclusive}), 3)
    batch, attention = bags([5, 4], [2, 0]), torch.tensor([[0.1, 0.3, 0.05, 0.35, 0.2, 0.4, 0.1, 0.3, 0.2]]).T
    embed = torch.nn.Linear(6, 4)
    found = clustering(embed, batch, attention)
    s = clustering.ways(embed(batch.features)).reshape(9, 3, 2)
    for bag, label, top, low in ((0, 2, [3, 1], [2, 0]), (1, 0, [5, 7], [6, 8])):
        yes, no = s[top][:, label], s[low][:, label]
        own = torch.cat([svm(yes[:, 1], yes[:, 0]), svm(no[:, 0], no[:, 1])]).mean()
        others = [svm(s[top][:, c, 0], s[top][:, c, 1]).mean() for c in range(3) if c != label]
        torch.testing.assert_close(found[bag], (own + sum(others)) / 3 if exclusive else own)


def test_a_short_bag_gives_half_to_each_side_and_a_single_patch_nothing() -> None:
    torch.manual_seed(0)
    clustering, embed = InstanceClustering(SMALL, 2), torch.nn.Linear(6, 4)
    batch, attention = bags([1, 3], [0, 1]), torch.tensor([[1.0, 0.2, 0.5, 0.3]]).T
    losses = clustering(embed, batch, attention)
    assert losses[0] == 0
    middle = batch.features.clone()
    middle[3] += 5
    moved = clustering(embed, Batch(middle, batch.offsets, labels=batch.labels), attention)
    assert torch.equal(moved, losses)  # of three patches the one in the middle is on no side
    losses.sum().backward()
    assert embed.weight.grad is not None


def test_the_loss_comes_only_in_training_with_labels_and_is_blended() -> None:
    torch.manual_seed(0)
    model, batch = WSIClassifier(SMALL, 6, ["a", "b"]), bags([9, 7], [0, 1])
    output, slide = model.train().output_packed(batch), torch.tensor([2.0, 4.0])
    assert set(output.extras) == {"auxiliary_loss"}
    assert set(model.output_packed(batch, return_attention=True).extras) == {"auxiliary_loss", "attention"}
    torch.testing.assert_close(
        model.blend(slide, [output], no_logits), 0.75 * slide + 0.25 * output.extras["auxiliary_loss"]
    )
    model.blend(slide, [output], no_logits).sum().backward()
    assert model.auxiliary is not None
    for weight in (model.get_parameter("auxiliary.ways.weight"), model.get_parameter("aggregator.patches.2.weight")):
        assert required(weight.grad).abs().sum() > 0
    unlabelled = Batch(batch.features, batch.offsets)
    for other in (model.output_packed(unlabelled), model.eval().output_packed(batch)):
        assert other.extras == {}
        assert model.blend(slide, [other], no_logits) is slide


def test_without_weight_it_is_the_slide_level_alone() -> None:
    torch.manual_seed(0)
    plain = WSIClassifier(SMALL.model_copy(update={"instance_weight": 0.0}), 6, ["a", "b"])
    torch.manual_seed(0)
    taught = WSIClassifier(SMALL, 6, ["a", "b"])
    assert plain.auxiliary is None
    assert plain.train().output_packed(bags([9], [0])).extras == {}
    assert set(taught.state_dict()) - set(plain.state_dict()) == {"auxiliary.ways.weight", "auxiliary.ways.bias"}
    for name, value in plain.state_dict().items():
        assert torch.equal(value, taught.state_dict()[name])

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from oceanpath.fit.objectives.losses import balanced_weights, build_loss

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.3], [-3.0, 1.0]])
LABELS = torch.tensor([0, 1, 0])


def test_cross_entropy_is_torch_s() -> None:
    torch.testing.assert_close(build_loss("ce")(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS, reduction="none"))


def test_focal_is_equation_5_of_lin_et_al() -> None:
    p = torch.softmax(LOGITS, 1)[torch.arange(3), LABELS]
    torch.testing.assert_close(build_loss("focal", gamma=2.0)(LOGITS, LABELS), -((1 - p) ** 2) * p.log())


def test_focal_without_focus_is_cross_entropy() -> None:
    torch.testing.assert_close(build_loss("focal", gamma=0.0)(LOGITS, LABELS), build_loss("ce")(LOGITS, LABELS))


def test_a_class_weight_multiplies_the_focal_loss_and_does_not_look_like_confidence() -> None:
    logits, labels = torch.tensor([[math.log(9.0), 0.0]]), torch.tensor([0])  # p = 0.9
    plain = build_loss("focal")(logits, labels)
    weighted = build_loss("focal", torch.tensor([8.0, 1.0]))(logits, labels)
    assert plain.item() == pytest.approx(0.01 * -math.log(0.9), rel=1e-4)
    assert weighted.item() == pytest.approx(8 * plain.item(), rel=1e-6)


def test_a_batch_of_one_keeps_its_class_weight() -> None:
    heavy = build_loss("ce", torch.tensor([5.0, 1.0]))(LOGITS[:1], LABELS[:1]).mean()
    assert heavy.item() == pytest.approx(5 * F.cross_entropy(LOGITS[:1], LABELS[:1]).item())


def test_smoothing_is_torch_s() -> None:
    expected = F.cross_entropy(LOGITS, LABELS, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(build_loss("ce", smoothing=0.1)(LOGITS, LABELS), expected)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=50))
def test_balanced_weights_have_mean_one_and_make_classes_equal(labels: list[int]) -> None:
    y = torch.tensor(labels)
    weights = balanced_weights(y, 5)
    assert weights[y].mean().item() == pytest.approx(1.0, abs=1e-5)
    totals = [weights[c].item() * labels.count(c) for c in set(labels)]
    assert totals == pytest.approx([totals[0]] * len(totals), rel=1e-5)
    assert weights[4] == 0

"""Whether a model learns multiple-instance concepts.

Synthetic bags after Raff and Holt, "Reproducibility in Multiple Instance Learning: A Case For Algorithmic Unit Tests",
NeurIPS 2023, with other distributions.

standard        a bag is positive if it contains one patch of a concept
threshold       a bag is positive if it contains three patches of a concept; negative bags contain one
false frequency as standard, but in training negative bags contain one more decoy than positive ones, and vice versa in
                the test. A model that counts decoys fails; counting them is not a defect, so only `standard` decides a
                verification, and the others are reported
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from oceanpath.models.base import BaseMIL

PATCHES, BAGS, STEPS = 12, 64, 150
STRONG = 5.0

Draw = Callable[[bool, int, torch.Generator], tuple[Tensor, Tensor]]


def auroc_after_training(model: BaseMIL, draw: Draw) -> float:
    """AUROC on new bags after a short training from the model's weights; changes the model."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    head = nn.Linear(model.embed_dim, 1)
    model.train()
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=3e-3, weight_decay=1e-4)
    for _ in range(STEPS):
        h, labels = draw(True, model.in_dim, generator)
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(head(model.forward_features(h)[0]).squeeze(1), labels)
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        optimizer.step()
    model.eval()
    with torch.no_grad():
        tests = [draw(False, model.in_dim, generator) for _ in range(4)]
        scores = torch.cat([head(model.forward_features(h)[0]).squeeze(1) for h, _ in tests])
    return _auroc(scores, torch.cat([labels for _, labels in tests]))


def standard(training: bool, dim: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG001  # one distribution
    """Bags [BAGS, PATCHES, dim] and labels [BAGS]: one patch of the concept or none."""
    h, labels = _background(dim, generator)
    h[labels.bool(), 0, 0] += STRONG
    return _shuffle(h, generator), labels


def threshold(training: bool, dim: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG001  # one distribution
    """Three patches of the concept, or one."""
    h, labels = _background(dim, generator)
    h[:, 0, 0] += STRONG
    h[labels.bool(), 1:3, 0] += STRONG
    return _shuffle(h, generator), labels


def false_frequency(training: bool, dim: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One patch of the concept or none, and decoys whose association with labels is reversed in the test."""
    h, labels = _background(dim, generator)
    h[labels.bool(), 0, 0] += STRONG
    has_two_decoys = labels.bool() != training
    h[:, 1, 1] += STRONG
    h[has_two_decoys, 2, 1] += STRONG
    return _shuffle(h, generator), labels


def _background(dim: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    h = torch.randn(BAGS, PATCHES, dim, generator=generator)
    return h, (torch.arange(BAGS) % 2).float()


def _shuffle(h: Tensor, generator: torch.Generator) -> Tensor:
    return h[:, torch.randperm(h.shape[1], generator=generator)]


def _auroc(scores: Tensor, labels: Tensor) -> float:
    above = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return float(((above > 0).float() + 0.5 * (above == 0).float()).mean())

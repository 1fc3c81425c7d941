"""All members as one module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import Checkpoint, load_checkpoint
from oceanpath.models.base import MILOutput
from oceanpath.models.classifier import WSIClassifier
from oceanpath.tasks.base import Task

Answer = tuple[Tensor, Tensor, Tensor]


class Ensemble(nn.Module):
    """features [B, n, D] float32, coords [B, n, 2] → probabilities [B, C], attention [B, n], member_logits [M, B, C].

    The probabilities are the mean of the members' softmax(logits / temperature); the attention is the mean of their
    attention. All members have the same weight; weights chosen on the reported rows would bias the report.
    """

    temperatures: Tensor

    def __init__(
        self,
        members: Sequence[WSIClassifier],
        temperatures: Sequence[float],
        class_logits: Callable[[Tensor], Tensor] = lambda outputs: outputs,
    ) -> None:
        """`class_logits` turns outputs of a member into logits of the classes."""
        super().__init__()
        self.class_logits = class_logits
        self.members = nn.ModuleList(members)
        self.register_buffer("temperatures", torch.tensor(list(temperatures), dtype=torch.float32).reshape(-1, 1, 1))
        self.requires_grad_(False)
        self.eval()

    @property
    def reads_coords(self) -> bool:
        """Whether the members' aggregator reads coordinates if they are known."""
        return _reads_coords(self.members)

    def forward(self, features: Tensor, coords: Tensor | None = None) -> Answer:
        """The outputs for B bags of n patches each; coordinates are integer level-0 pixels of any dtype."""
        outputs = _member_outputs(self.members, features, coords)
        logits = torch.stack([self.class_logits(output.logits) for output in outputs])
        probabilities = torch.softmax(logits / self.temperatures, dim=-1).mean(dim=0)
        return probabilities, _mean_attention(outputs), logits


class ValueEnsemble(nn.Module):
    """features [B, n, D] float32, coords [B, n, 2] → values [B, K] float64, attention [B, n], member_values [M, B, K].

    The values and the attention are the means of those of the members.
    """

    def __init__(self, members: Sequence[Checkpoint]) -> None:
        super().__init__()
        self.members = nn.ModuleList([member.model for member in members])
        self.objectives = [member.objective for member in members]
        self.requires_grad_(False)
        self.eval()

    @property
    def reads_coords(self) -> bool:
        """As for `Ensemble`."""
        return _reads_coords(self.members)

    def forward(self, features: Tensor, coords: Tensor | None = None) -> Answer:
        """As for `Ensemble`."""
        outputs = _member_outputs(self.members, features, coords)
        pairs = zip(self.objectives, outputs, strict=True)
        values = torch.stack([objective.exported_values(output.logits) for objective, output in pairs])
        return values.mean(dim=0), _mean_attention(outputs), values


def _member_outputs(members: nn.ModuleList, features: Tensor, coords: Tensor | None) -> list[MILOutput]:
    pixels = None if coords is None else coords.to(torch.int32)
    return [member.output(features, None, pixels, return_attention=True) for member in members]  # type: ignore[operator]  # ModuleList loses the type


def _mean_attention(outputs: Sequence[MILOutput]) -> Tensor:
    return torch.stack([output.extras["attention"] for output in outputs]).mean(dim=0)


def _reads_coords(members: nn.ModuleList) -> bool:
    return any(member.aggregator.reads_coords for member in members)  # type: ignore[union-attr]  # ModuleList loses the type


def load_members(train: Path, folds: Iterable[int], dim: int, task: Task) -> list[Checkpoint]:
    """The best checkpoint of these folds below `train`, in eval mode on the CPU.

    Raises: StageError: a member needs other features or has another task. ArtifactError: a checkpoint is damaged.
    """
    members = []
    for number in folds:
        path = train / f"fold_{number}" / "best.ckpt"
        loaded = load_checkpoint(path)
        member, objective = loaded
        if member.in_dim != dim or objective.task.record() != task.record():
            raise StageError(
                "a member does not fit the ensemble",
                where=path,
                expected=f"{dim} features, {task.record()}",
                got=f"{member.in_dim} features, {objective.task.record()}",
            )
        members.append(loaded)
    return members

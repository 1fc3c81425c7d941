"""Survival: a log hazard with Cox's partial likelihood, or the hazards of discrete times."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.batching.windows import Window
from oceanpath.errors import StageError
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.objectives.survival_losses import Ties, cox_losses, discrete_losses
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Column
from oceanpath.tasks.survival import Survival
from oceanpath.tasks.survival_labels import times_and_events

Floats = NDArray[np.float64]
NO_HAZARD = -700.0
"""Log of the cumulative hazard before the first event of the training rows: survival is then exactly 1."""


@dataclass(frozen=True)
class Curves:
    """How outputs become survival curves: one of the two."""

    log_hazard: tuple[float, ...] = ()
    """Cox: log of the baseline's cumulative hazard at each horizon; empty before the training ends."""
    edges: tuple[float, ...] = ()
    """Discrete times: the ends of the bins, rising."""


class SurvivalObjective(Objective):
    """One log hazard, or one logit per bin of time."""

    task: Survival

    def __init__(self, task: Task, curves: Curves, ties: Ties = "efron") -> None:
        assert isinstance(task, Survival), "the registry pairs them"
        self.task, self.curves, self.ties = task, curves, ties

    @classmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: Floats) -> Self:
        """The loss of the settings; the bins of discrete times end at quantiles of the times of training events."""
        if settings.loss == "cox":
            return cls(task, Curves(), settings.ties)
        return cls(task, Curves(edges=bin_edges(targets, settings.time_bins)))

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:
        """The baseline hazard or the bins of a checkpoint."""
        return cls(task, Curves(*(tuple(record.get(key, ())) for key in ("log_hazard", "edges"))))

    def record(self) -> dict[str, Any]:
        """The baseline hazard or the bins."""
        name = "edges" if self.curves.edges else "log_hazard"
        return {name: list(getattr(self.curves, name))}

    @property
    def outputs(self) -> tuple[str, ...]:
        """A log hazard, or one logit per bin."""
        if not self.curves.edges:
            return ("log_hazard",)
        return tuple(f"until_{edge:g}" for edge in self.curves.edges)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Partial likelihood of these slides together, or likelihood of each, [B]."""
        time, event = targets.abs(), targets > 0
        if not self.curves.edges:
            return cox_losses(outputs[:, 0], time, event, self.ties)
        inner = torch.tensor(self.curves.edges[:-1], dtype=time.dtype, device=time.device)
        return discrete_losses(outputs, torch.bucketize(time, inner), event)

    def window(self, settings: ObjectiveSettings, targets: Floats) -> Window | None:
        """The slides of one partial likelihood, of which one has an event.

        Raises: StageError: there are fewer events than windows.
        """
        if self.curves.edges:
            return None
        event = times_and_events(targets)[1]
        if event.sum() * settings.window < len(event):
            least = -(-len(event) // int(event.sum()))
            got = f"{event.sum()} events in {len(event)} slides, window {settings.window}"
            do = f'Set train.window to {least} or more, or train.loss = "nll".'
            raise StageError("there are fewer events than windows of slides", where="[train] window", got=got, do=do)
        return Window(settings.window, event.tolist())

    def validation_scores(self, outputs: NDArray[np.floating], targets: Floats) -> dict[str, float | None]:
        """The loss of all validation rows together, and the C-index."""
        if not times_and_events(targets)[1].any():
            raise StageError("no validation slide has an event", do="Use fewer folds, or a larger split.val_fraction.")
        wide = torch.from_numpy(outputs.astype(np.float64))
        loss = float(self.loss(wide, torch.from_numpy(targets)).mean())
        return {"val_loss": loss, **self.task.validation_scores(self._risks(outputs)[:, None], targets)}

    def completed(self, outputs: NDArray[np.floating], targets: Floats) -> Self:
        """With the baseline hazard of the training rows."""
        if self.curves.edges:
            return self
        hazard = self.task.baseline_hazard(outputs[:, 0].astype(np.float64), targets)
        if not np.isfinite(hazard[-1]):
            raise StageError("no training slide has an event until the last horizon", got=self.task.horizons[-1])
        done = copy(self)
        done.curves = Curves(log_hazard=tuple(np.maximum(hazard, NO_HAZARD).tolist()))
        return done

    def values(self, outputs: NDArray[np.floating]) -> Floats:
        """The risk, and survival at the horizons."""
        if not self.curves.edges:
            return self.task.values_of(outputs[:, 0].astype(np.float64), np.asarray(self.curves.log_hazard))
        steps = np.c_[np.ones(len(outputs)), self._survived(outputs)]
        at = np.r_[0.0, self.curves.edges]
        curves = [np.interp(self.task.horizons, at, own) for own in steps]
        return np.column_stack([self._risks(outputs), np.reshape(curves, (len(outputs), -1))])

    def exported_values(self, outputs: Tensor) -> Tensor:
        """The risk, and survival at the horizons."""
        wide = outputs.double()
        if not self.curves.edges:
            log_hazard = torch.tensor(self.curves.log_hazard, dtype=torch.float64)
            survival = torch.exp(-torch.exp(torch.clamp(wide + log_hazard, max=700.0)))
            return torch.cat([wide + log_hazard[-1:], survival], dim=1)
        hazards = torch.clamp(wide, min=0.0) + torch.log(1.0 + torch.exp(-wide.abs()))
        survived = torch.exp(-torch.cumsum(hazards, dim=1))
        ends = torch.cat([torch.ones_like(survived[:, :1]), survived], dim=1)
        return torch.cat([-survived.sum(dim=1, keepdim=True), ends @ self._interpolation()], dim=1)

    def _interpolation(self) -> Tensor:
        """[bins + 1, k]: the weights of survival at the ends of the bins for survival at each horizon."""
        at, ends = np.r_[0.0, self.curves.edges], np.eye(len(self.curves.edges) + 1)
        return torch.from_numpy(np.stack([np.interp(self.task.horizons, at, end) for end in ends]))

    def describe_columns(self) -> list[Column]:
        """The risk with its definition, and survival at each horizon."""
        risk, *survival = super().describe_columns()
        last = f"{self.task.horizons[-1]:g} {self.task.unit}"
        how = (
            "minus the sum of survival over the bins of time"
            if self.curves.edges
            else f"cumulative hazard until {last}, logarithm"
        )
        return [risk._replace(meaning=f"{risk.meaning} ({how})"), *survival]

    def _survived(self, outputs: NDArray[np.floating]) -> Floats:
        """Survival [n, K] at the end of each bin."""
        return np.asarray(np.exp(-np.cumsum(np.logaddexp(0.0, outputs.astype(np.float64)), axis=1)))

    def _risks(self, outputs: NDArray[np.floating]) -> Floats:
        """The log hazard, or minus the sum of survival over the bins (as Zadeh and Schmidt)."""
        return -self._survived(outputs).sum(axis=1) if self.curves.edges else outputs[:, 0].astype(np.float64)


def bin_edges(targets: Floats, bins: int) -> tuple[float, ...]:
    """Ends of the bins: quantiles of the times of events, equal ones merged, and the last time of all."""
    time, event = times_and_events(targets)
    quantiles = np.quantile(time[event], np.linspace(0, 1, bins + 1)[1:-1])
    inner = [edge for edge in sorted(set(quantiles.tolist())) if edge < time.max()]
    return (*inner, float(time.max()))

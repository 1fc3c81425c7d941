"""A study: trials of hyperparameters one after the other, recorded so that an interrupted study is resumed.

Values are proposed by TPE (Bergstra et al. 2011) and trials are ended by the median rule (Golovin et al. 2017), both by
Optuna. The sampler has a seed and sees only earlier trials, so the recorded trials can be repeated without training:
a resumed study proposes the same values as an uninterrupted one.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import StageError
from oceanpath.fit.search_settings import SearchSettings
from oceanpath.fit.search_space import Choices, Range, read_space

if TYPE_CHECKING:
    import optuna

State = Literal["complete", "pruned", "failed"]


class Study:
    """The trials of one search; lower scores are better."""

    def __init__(self, settings: SearchSettings, seed: int, file: Path) -> None:
        """Resume the study that is recorded in `file`, if there is one."""
        import optuna  # optional, and slow to import

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=settings.startup, n_warmup_steps=1)
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=settings.startup)
        self._study = optuna.create_study(
            sampler=sampler, pruner=pruner if settings.prune else optuna.pruners.NopPruner()
        )
        self.settings, self.file, self.trials = settings, file, list[dict[str, Any]]()
        self._space, self._started = read_space(settings.space), time.monotonic()
        recorded: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {"seconds": 0.0, "trials": []}
        self._seconds = float(recorded["seconds"])
        for record in recorded["trials"]:
            self._repeat(record)

    def next(self) -> Trial | None:
        """The next trial; None if the budget is used."""
        minutes = self.settings.minutes
        is_late = minutes is not None and self._elapsed() >= 60 * minutes and bool(self.trials)
        return None if is_late or len(self.trials) >= self.settings.trials else self._ask()

    def finish(self, trial: Trial, state: State, facts: Mapping[str, Any]) -> None:
        """Record the result of a trial, with further `facts` about it."""
        record = {"number": len(self.trials), "values": trial.values, "state": state, "path": trial.path, **facts}
        self._tell(trial, record)
        partial = self.file.with_name(f".{self.file.name}")
        write_json(partial, {"seconds": self._elapsed(), "trials": self.trials})
        partial.replace(self.file)

    def best(self) -> dict[str, Any]:
        """The record of the best complete trial. Raises: StageError: no trial has a score."""
        complete = [record for record in self.trials if record["state"] == "complete"]
        if not complete:
            reasons = [str(record["reason"]) for record in self.trials if "reason" in record]
            got = f"{len(self.trials)} trials" + (f"; the last that failed: {reasons[-1]}" if reasons else "")
            raise StageError("no trial of the search has a score", got=got, do="Change [train.search.space].")
        return min(complete, key=lambda record: (record["path"][-1], record["number"]))

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._started

    def _ask(self) -> Trial:
        asked = self._study.ask()
        return Trial(asked, {key: _suggest(asked, key, values) for key, values in self._space.items()})

    def _tell(self, trial: Trial, record: dict[str, Any]) -> None:
        from optuna.trial import TrialState

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        score = record["path"][-1] if record["state"] == "complete" else None
        self._study.tell(trial.asked, score, state=states[record["state"]])
        self.trials.append(record)

    def _repeat(self, record: dict[str, Any]) -> None:
        """Repeat a recorded trial without training."""
        trial = self._ask()
        for score in record["path"]:
            trial.report(score)
        self._tell(trial, record)


class Trial:
    """One training of a study."""

    def __init__(self, asked: optuna.trial.Trial, values: dict[str, Any]) -> None:
        self.asked, self.values, self.path = asked, values, list[float]()

    def report(self, score: float) -> None:
        """The score of the next epoch."""
        best = min([score, *self.path[-1:]])
        self.path.append(best)
        self.asked.report(best, len(self.path) - 1)

    def should_end(self, scores: Sequence[float]) -> bool:
        """Report the scores of all epochs so far; returns whether the trial is worse than the median of others."""
        for score in scores[len(self.path) :]:
            self.report(score if math.isfinite(score) else sys.float_info.max)
        return bool(self.asked.should_prune())


def _suggest(asked: optuna.trial.Trial, key: str, values: Choices | Range) -> Any:
    if isinstance(values, Choices):
        number = asked.suggest_categorical(key, list(range(len(values.values))))
        return values.values[number]
    if values.is_whole:
        return asked.suggest_int(key, int(values.low), int(values.high), log=values.log)
    return asked.suggest_float(key, values.low, values.high, log=values.log)

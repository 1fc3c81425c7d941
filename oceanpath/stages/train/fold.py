"""One fold: fit on its train rows, choose on its val rows, predict everything once with what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import place
from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.device import pick_device
from oceanpath.fit.early_stopping import BestWeights
from oceanpath.fit.losses import SlideLoss, balanced_weights, build_loss
from oceanpath.fit.predict import Predictions, predict
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.threads import torch_threads
from oceanpath.fit.trainer import ClassifierFit, fit_classifier
from oceanpath.models.classifier import WSIClassifier
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stats.discrimination import auroc
from oceanpath.stats.thresholds import Threshold, youden_threshold


@dataclass(frozen=True)
class Rows:
    """Slides of one role: their table, their numbers in the store and the numbers of their classes."""

    table: pd.DataFrame
    numbers: list[int]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass
class EarlyStopping:
    """Looks at the val rows after every epoch, keeps the best weights and says when to stop."""

    module: ClassifierFit
    store: Store
    val: Rows
    monitor: str
    best: BestWeights
    epoch_done: Callable[[], None]
    """Called after every epoch."""
    history: list[dict[str, float | int | None]] = field(default_factory=list)

    def __call__(self, epoch: int, train_loss: float) -> bool:
        """Score an epoch; True when the fit should stop."""
        found = predict(self.module.classifier, self.store, self.val.numbers, self.module.device)
        loss, area = val_scores(found.probabilities, self.val.labels)
        known = train_loss if np.isfinite(train_loss) else None
        self.history.append({"epoch": epoch, "train_loss": known, "val_loss": loss, "val_auroc": area})
        self.epoch_done()
        return self.best.update(epoch, self._scores(loss, area), self.module.classifier)

    def _scores(self, loss: float, area: float | None) -> tuple[float, ...]:
        """The lower the better. Small val sets reach the same AUROC at many epochs, so the loss decides among these."""
        if self.monitor == "val_loss":
            return (loss,)
        if area is None:
            raise StageError(
                "the val rows hold one class only", expected=self.monitor, do="Set train.monitor=val_loss."
            )
        return -area, loss


def fit_fold(settings: TrainSettings, inputs: Inputs, number: int, out: Path, progress: Progress) -> dict[str, Any]:
    """Fit fold `number` and write its files into `out`; the facts of fold.json come back.

    Raises: StageError: a role or a class has no rows, or the fit diverges. ArtifactError: a slide is not in the store.
    """
    device = pick_device(settings.device)
    store = place(Store(inputs["mmap"], check=inputs.verify), settings.placement, device)
    classes = [str(name) for name in folds.read_splits(inputs["split"])["classes"]]
    rows = read_rows(folds.read_fold(inputs["split"], number), store, classes, where=f"fold {number}")
    with torch_threads(settings.threads):
        progress.start(settings.epochs, "epochs")
        judge = _fit(settings, store, rows, derive(settings.seed, "fold", number), device, progress.advance)
        found = {role: predict(judge.module.classifier, store, part.numbers, device) for role, part in rows.items()}
    return _write(out, number, judge, rows, found)


def _fit(
    settings: TrainSettings,
    store: Store,
    rows: dict[str, Rows],
    seed: int,
    device: torch.device,
    epoch_done: Callable[[], None],
) -> EarlyStopping:
    """The judge of a finished fit; its module holds the weights that the val rows chose."""
    train, val = rows["train"], rows["val"]
    seed_torch(seed, "weights")
    classifier = WSIClassifier(settings.model, store.dim, val.classes)
    module = ClassifierFit(classifier, _loss(settings, train), settings, seed)
    judge = EarlyStopping(module, store, val, settings.monitor, BestWeights(settings.patience), epoch_done)
    labels = train.labels.tolist()
    dataset = BagDataset(store, train.numbers, labels, settings.max_patches, derive(seed, "rows"))
    fit_classifier(module, dataset, labels if settings.balance == "sampling" else None, device, judge)
    if not judge.best.state:
        raise StageError("no epoch had a finite validation score", got=judge.history, do="Lower train.lr.")
    classifier.load_state_dict(judge.best.state)
    return judge


def read_rows(frame: pd.DataFrame, store: Store, classes: list[str], where: str) -> dict[str, Rows]:
    """The rows of a fold by role.

    Raises: StageError: a label is no class, a role has no rows, or a class has no training rows. ArtifactError: a slide
        is not in the store.
    """
    if unknown := sorted(set(frame["label"]) - set(classes)):
        raise StageError("a label is no class of the split", where=where, expected=classes, got=unknown)
    found = {}
    for role in folds.ROLES:
        table = frame[frame["role"] == role].reset_index(drop=True)
        if table.empty:
            raise StageError(f"no {role} rows", where=where, do="Use fewer folds or more patients.")
        numbers = [store.number(name) for name in table["slide_id"]]
        labels = np.asarray([classes.index(name) for name in table["label"]], np.int64)
        found[role] = Rows(table, numbers, labels, tuple(classes))
    if missing := [name for i, name in enumerate(classes) if i not in found["train"].labels]:
        raise StageError("a class has no training rows", where=where, got=", ".join(missing), do="Use fewer folds.")
    return found


def val_scores(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float | None]:
    """Mean cross-entropy and AUROC of the val rows; the AUROC is None where they hold one class."""
    chosen = probabilities[np.arange(len(labels)), labels]
    loss = float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())
    return loss, auroc(labels, probabilities).value


def _loss(settings: TrainSettings, train: Rows) -> SlideLoss:
    balanced = settings.balance == "loss"
    weights = balanced_weights(torch.from_numpy(train.labels), len(train.classes)) if balanced else None
    return build_loss(settings.loss, weights, settings.focal_gamma, settings.label_smoothing)


def _write(
    out: Path, number: int, judge: EarlyStopping, rows: dict[str, Rows], found: dict[str, Predictions]
) -> dict[str, Any]:
    classifier = judge.module.classifier
    save_checkpoint(classifier, out / "best.ckpt")
    for role in ("val", "test"):
        table = prediction_table(rows[role].table, found[role], classifier.classes, number)
        predictions.write_predictions(table, out / f"preds_{role}.parquet")
    ids = pd.concat([found_rows.table for found_rows in rows.values()], ignore_index=True).sort_values("slide_id")
    embeddings = np.concatenate([found[role].embeddings for role in rows])[ids.index.to_numpy()]
    predictions.write_embeddings(embeddings, ids.reset_index(drop=True), out)
    facts = _facts(number, judge, rows, found["val"])
    write_json(out / "history.json", judge.history)
    write_json(out / "fold.json", facts)
    return facts


def prediction_table(table: pd.DataFrame, found: Predictions, classes: tuple[str, ...], number: int) -> pd.DataFrame:
    """Rows for `artifacts.predictions` from fold rows and what was predicted for them, in the same order."""
    probs = dict(zip(predictions.prob_columns(classes), found.probabilities.T, strict=True))
    return table.assign(**probs, fold=number)


def _facts(number: int, judge: EarlyStopping, rows: dict[str, Rows], val: Predictions) -> dict[str, Any]:
    threshold = _threshold(val.probabilities, rows["val"].labels)
    kept = judge.history[judge.best.epoch]
    return {
        "fold": number,
        "best_epoch": judge.best.epoch,
        "epochs": len(judge.history),
        "monitor": judge.monitor,
        "train_loss": kept["train_loss"],
        "val_loss": kept["val_loss"],
        "val_auroc": kept["val_auroc"],
        "threshold": threshold.value,
        "threshold_reason": threshold.reason,
        "skipped_steps": judge.module.guard.skipped,
        "slides": {role: len(found.numbers) for role, found in rows.items()},
    }


def _threshold(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Threshold:
    if probabilities.shape[1] != 2:
        return Threshold(None, n=len(labels), reason="a threshold is defined for two classes")
    return youden_threshold(labels == 1, probabilities[:, 1])

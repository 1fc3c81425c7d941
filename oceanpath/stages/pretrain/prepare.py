"""From settings and slides to a training that can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.random_subsampling import RandomSubsampling
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batching.kinds import refusal
from oceanpath.bags.batching.subsample_fixed_n import SubsampleFixedN
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbour_table import neighbour_table
from oceanpath.bags.view_loader import StoreFacts, ViewLoader, ViewSettings
from oceanpath.errors import ExperimentError
from oceanpath.fit.input_norm import fit_input_norm
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.step_plan import StepPlan
from oceanpath.models.registry import build_aggregator
from oceanpath.ssl.distributed import WHOLE, Share
from oceanpath.ssl.methods.base import ViewRequest
from oceanpath.ssl.methods.registry import build_method
from oceanpath.stages.pretrain.cohort import PretrainCohort
from oceanpath.stages.pretrain.devices import device_of
from oceanpath.stages.pretrain.evaluation import Evaluator, Slides
from oceanpath.stages.pretrain.preflight import refused_batching
from oceanpath.stages.pretrain.settings import PretrainSettings
from oceanpath.stages.pretrain.training import Training, TrainingData


def prepare_training(
    settings: PretrainSettings,
    store: Store,
    cohort: PretrainCohort,
    tables: Path,
    note: Callable[[str], None] = lambda _: None,
    share: Share = WHOLE,
) -> Training:
    """A training at its first step; the same for the same settings, store, slides and seed.

    The nearest neighbours of all patches are kept below `tables`; `note` receives the size of a new table. `share` is
    what this process computes of each batch.

    Raises: ExperimentError: the batching strategy does not make the views of the method, or there are fewer training
        slides than devices.
    """
    seed, device = training_seed(settings, cohort.folder), device_of(settings, share.rank)
    seed_torch(seed, "weights")
    aggregator = build_aggregator(settings.model, store.dim)
    method = build_method(settings.method, aggregator, len(cohort.label_names)).to(device)
    train, val = (_dataset(store, cohort, ids) for ids in (cohort.manifest.train_ids, cohort.manifest.val_ids))
    if len(train) < share.processes:
        most = f"at most {len(train)}, the number of training slides"
        raise ExperimentError("too many devices", where="[pretrain] devices", expected=most, got=share.processes)
    fit_input_norm(method, store, train.numbers, seed)
    facts = StoreFacts(feature_deviation(store, train.numbers, seed), neighbour_table(store, tables, note))
    readers, views = max(1, settings.workers), view_settings(settings, method.views, store)
    slides, validation = (
        Slides(ViewLoader(dataset, replace(views, seed=derive(seed, purpose), min_batch=least), facts, readers), people)
        for dataset, purpose, least, people in (
            (train, "rows", max(method.least_bags, share.processes), _patients(cohort, cohort.manifest.train_ids)),
            (val, "val", method.least_bags, _patients(cohort, cohort.manifest.val_ids)),
        )
    )
    pairs = monitored_pairs(val, facts, settings.monitor_slides, derive(seed, "monitor"))
    plan = StepPlan(slides.loader.batches, settings.accumulate, settings.epochs, settings.max_steps)
    data = TrainingData(slides, Evaluator(validation, pairs, device), plan)
    return Training(settings, method, data, seed, share)


def monitored_pairs(val: BagDataset, facts: StoreFacts, limit: int, seed: int) -> ViewLoader:
    """Two random samples of the first `limit` slides, of at most 512 patches, without further augmentation."""
    augment = AugmentSettings.off().model_copy(update={"random_subsampling": RandomSubsampling()})
    settings = ViewSettings(SubsampleFixedN(), augment, batch_size=limit, seed=seed)
    return ViewLoader(BagDataset(val.store, val.numbers[:limit]), settings, facts)


def training_seed(settings: PretrainSettings, folder: str = "") -> int:
    """The seed of a training, or of the one whose results are in the `folder` of a fold."""
    return derive(settings.seed, "pretrain", folder)


def view_settings(settings: PretrainSettings, wanted: ViewRequest, store: Store) -> ViewSettings:
    """How the views that a method wants are drawn, without a seed.

    Raises: ExperimentError: the batching strategy does not make them.
    """
    batching = settings.view_batching()
    if reason := refusal(settings.method.name, wanted.is_blocks, batching, store.has_coords):
        raise refused_batching(settings, reason)
    counts = wanted.global_views, wanted.local_views, wanted.is_blocks
    disjoint = settings.disjoint_views
    return ViewSettings(batching, settings.augment, settings.batch_size, 0, *counts, is_disjoint=disjoint)


def _patients(cohort: PretrainCohort, ids: list[str]) -> list[int]:
    """The patient of each slide as a number."""
    number_of = {name: k for k, name in enumerate(sorted(set(cohort.manifest.patients.values())))}
    return [number_of[cohort.manifest.patients[name]] for name in ids]


def _dataset(store: Store, cohort: PretrainCohort, ids: list[str]) -> BagDataset:
    class_of = {label: number for number, label in enumerate(cohort.label_names)}
    labels = [class_of[cohort.labels[name]] for name in ids] if class_of else None
    return BagDataset(store, [store.number(name) for name in ids], labels)

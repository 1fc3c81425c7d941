"""From settings and slides to a training that can run."""

from __future__ import annotations

from oceanpath.artifacts.store.reader import Store
from oceanpath.fit.device import pick_device
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.models.registry import build_aggregator
from oceanpath.ssl.methods.base import ViewRequest
from oceanpath.ssl.methods.registry import build_method
from oceanpath.stages.pretrain.cohort import PretrainCohort
from oceanpath.stages.pretrain.evaluation import Bags, Evaluator
from oceanpath.stages.pretrain.settings import PretrainSettings
from oceanpath.stages.pretrain.step_plan import StepPlan
from oceanpath.stages.pretrain.training import Training, TrainingData
from oceanpath.stages.pretrain.views import ViewSampler


def prepare_training(settings: PretrainSettings, store: Store, cohort: PretrainCohort) -> Training:
    """A training at its first step; the same for the same settings, store, slides and seed."""
    seed, device = derive(settings.seed, "pretrain", cohort.folder), pick_device(settings.device)
    classes = sorted(set(cohort.labels.values()))
    seed_torch(seed, "weights")
    method = build_method(settings.method, build_aggregator(settings.model, store.dim), len(classes)).to(device)
    train = _bags(store, cohort, cohort.manifest.train_ids, classes)
    val = _bags(store, cohort, cohort.manifest.val_ids, classes)

    def sampler(request: ViewRequest, purpose: str) -> ViewSampler:
        limits = settings.max_patches, settings.local_patches
        return ViewSampler(store, request, derive(seed, purpose), *limits)

    evaluator = Evaluator(
        val, sampler(ViewRequest(), "monitor"), sampler(method.views, "val"), device, settings.monitor_slides
    )
    lengths = [_length(store, number, settings) for number in train.numbers]
    plan = StepPlan(lengths, settings, seed, method.least_bags)
    return Training(settings, method, TrainingData(train, sampler(method.views, "rows"), evaluator, plan), seed)


def _bags(store: Store, cohort: PretrainCohort, ids: list[str], classes: list[str]) -> Bags:
    patients = {name: k for k, name in enumerate(sorted(set(cohort.manifest.patients.values())))}
    targets = [classes.index(cohort.labels[name]) for name in ids] if classes else None
    return Bags([store.number(name) for name in ids], [patients[cohort.manifest.patients[n]] for n in ids], targets)


def _length(store: Store, number: int, settings: PretrainSettings) -> int:
    length = store.length(number)
    return length if settings.max_patches is None else min(length, settings.max_patches)

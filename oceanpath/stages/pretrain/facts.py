"""What is recorded with pretrained weights."""

from __future__ import annotations

from oceanpath.artifacts.features.files import find_features, read_meta
from oceanpath.artifacts.features.metadata import FeatureMeta
from oceanpath.artifacts.pretrained import WeightFacts, hash_ids
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.pretrain.cohort import PretrainCohort
from oceanpath.stages.pretrain.settings import PretrainSettings


def describe_weights(
    settings: PretrainSettings, inputs: Inputs, store: Store, cohort: PretrainCohort, step: int
) -> WeightFacts:
    """The facts of the weights that one training kept after `step` steps."""
    meta, manifest = _meta(inputs), cohort.manifest
    return WeightFacts(
        method=settings.method.model_dump(mode="json"),
        model=settings.model.model_dump(mode="json"),
        in_dim=store.dim,
        encoder=store.index.encoder,
        encoder_revision="" if meta is None else meta.encoder_revision,
        patch_um=None if meta is None else float(meta.patch_px * meta.target_mpp),
        mpp=None if meta is None else float(meta.target_mpp),
        step=step,
        patients=hash_ids(manifest.patients.values()),
        slides=hash_ids(manifest.patients),
    )


def _meta(inputs: Inputs) -> FeatureMeta | None:
    """The metadata of one feature file, if OceanPath extracted the features; they are equal for all in these fields."""
    extract = inputs.get("extract")
    if extract is None:
        return None
    first = next(iter(find_features(extract).values()))
    inputs.check("extract", [first.relative_to(extract).as_posix()])
    return read_meta(first)

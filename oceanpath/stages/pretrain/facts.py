"""What is recorded with pretrained weights."""

from __future__ import annotations

from oceanpath.artifacts.cohort.patient_rule import person_ids
from oceanpath.artifacts.features.files import find_features, layout_of
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.artifacts.pretrained import WeightFacts, hash_ids
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.pretrain.cohort import PretrainCohort
from oceanpath.stages.pretrain.settings import PretrainSettings


def describe_weights(
    settings: PretrainSettings, inputs: Inputs, store: Store, cohort: PretrainCohort, step: int
) -> WeightFacts:
    """The facts of the weights that one training kept after `step` steps."""
    origin, manifest = _provenance(settings, inputs), cohort.manifest
    barcodes = [person_ids(slide, patient) - {slide} for slide, patient in manifest.patients.items()]
    return WeightFacts(
        method=settings.method.model_dump(mode="json"),
        model=settings.model.model_dump(mode="json"),
        in_dim=store.dim,
        encoder=store.index.encoder,
        encoder_revision=origin.encoder_revision,
        patch_um=origin.patch_um,
        mpp=origin.target_mpp,
        step=step,
        patients=hash_ids({*manifest.patients.values()}.union(*barcodes)),
        slides=hash_ids(manifest.patients),
    )


def _provenance(settings: PretrainSettings, inputs: Inputs) -> Provenance:
    """How the features were extracted, as one of their files states it; it is equal for all of them."""
    extract = inputs.get("extract") if settings.features is None else None
    folder = extract or settings.features or settings.data_features
    if folder is None:
        return UNKNOWN
    first = next(iter(find_features(folder).values()))
    if extract is not None:
        inputs.check("extract", [first.relative_to(extract).as_posix()])
    return layout_of(first, settings.features_key).provenance

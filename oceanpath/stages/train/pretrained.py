"""The pretrained weights from which a fold starts, and the checks that they belong to its features and patients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from oceanpath.artifacts.cohort.patient_rule import person_ids
from oceanpath.artifacts.features.files import find_features, layout_of
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.artifacts.pretrained import WEIGHTS, WeightFacts, hash_ids, read_facts, read_weights
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, ExperimentError, GateError, OceanPathError, refuse
from oceanpath.models.base import BaseMIL
from oceanpath.pipeline.stage import Inputs
from oceanpath.slides.encoders import pinned_revision
from oceanpath.stages.train.settings import TrainSettings

FREE = ("checkpoint", "kernels")
"""Keys of `[model]` that change no result."""


def find_weights(settings: TrainSettings, inputs: Inputs, fold: int) -> Path | None:
    """The weights from which a fold starts; None: it starts from random ones.

    Raises: ExperimentError: there are two.
    """
    pretrain = inputs.get("pretrain")
    if pretrain is None:
        return settings.aggregator_weights
    if settings.aggregator_weights is not None:
        do = "Remove [pretrain], or do not set train.aggregator_weights."
        raise ExperimentError("two sources of pretrained weights", where="[train] aggregator_weights", do=do)
    of_fold = pretrain / f"fold_{fold}" / WEIGHTS
    return of_fold if of_fold.is_file() else pretrain / WEIGHTS


def check_weights(settings: TrainSettings, path: Path, store: Store) -> None:
    """Compare what the weights were trained on with this experiment.

    Raises: ExperimentError: they differ, and the settings do not accept it. ArtifactError: the file is damaged.
    """
    facts, problems = read_facts(path), list[OceanPathError]()
    for what, key, expected, got in _differences(settings, facts, store):
        if key not in settings.weights_allow:
            do = f'Add "{key}" to train.weights_allow if that is intended.' if key else ""
            problems.append(ExperimentError(f"the weights have {what}", where=path, expected=expected, got=got, do=do))
    refuse(problems)


def _differences(settings: TrainSettings, facts: WeightFacts, store: Store) -> list[tuple[str, str, Any, Any]]:
    """What differs, the key that accepts it ("" if none does), the value here and that of the weights.

    Facts about the extraction that one side does not know are not compared.
    """
    own: Mapping[str, Any] = settings.model.model_dump(mode="json")
    rows = [("another architecture", "", own["name"], facts.model.get("name"))]
    rows.append(("patch features of another length", "", store.dim, facts.in_dim))
    rows.append(("patch features of another encoder", "encoder", store.index.encoder, facts.encoder))
    if own["name"] == facts.model.get("name"):
        keys = [key for key in own if key not in FREE]
        allowed_by = {key: "input_norm" if key == "input_norm" else "model" for key in keys}
        rows += [(f"another model.{key}", allowed_by[key], own[key], facts.model.get(key)) for key in keys]
    here = extraction_of(settings)
    known = [
        (
            "patch features of another revision of the encoder",
            "revision",
            here.encoder_revision,
            facts.encoder_revision,
        ),
        ("patches of another size [µm]", "patch_um", here.patch_um, facts.patch_um),
        ("patches of another resolution [µm per pixel]", "mpp", here.target_mpp, facts.mpp),
    ]
    rows += [row for row in known if row[2] and row[3]]
    return [row for row in rows if not _is_same(row[2], row[3])]


def _is_same(here: Any, there: Any) -> bool:
    """Whether two facts are equal; numbers to a millionth, because some files state them in single precision."""
    if isinstance(here, float) and isinstance(there, float):
        return math.isclose(here, there, rel_tol=1e-6)
    return bool(here == there)


def extraction_of(settings: TrainSettings) -> Provenance:
    """How the features of this experiment are extracted, as far as `[extract]` or their files state it."""
    extract = settings.extract
    if extract is not None and (settings.extracts or settings.slides is not None):
        own = extract.model_dump()
        return Provenance(
            encoder_revision=pinned_revision(own["encoder"], own["revision"], is_local=own["weights"] is not None),
            patch_px=own["patch_px"],
            target_mpp=own["target_mpp"],
        )
    files = find_features(settings.features) if settings.features is not None and settings.features.is_dir() else {}
    first = next(iter(files.values()), None)
    return UNKNOWN if first is None else layout_of(first, settings.features_key, settings.level).provenance


def seen_patients(settings: TrainSettings, path: Path, fold: pd.DataFrame, where: str) -> list[str]:
    """Patients of the test rows of a fold that the pretraining used, or whose slides it used.

    Raises: GateError: there are some, and the settings do not accept it.
    """
    facts = read_facts(path)
    tested = fold[fold["role"] == "test"]
    used = {*facts.patients, *facts.slides}
    is_seen = [
        not used.isdisjoint(hash_ids(person_ids(slide, patient)))
        for patient, slide in zip(tested["patient_id"], tested["slide_id"], strict=True)
    ]
    seen = sorted(set(tested.loc[is_seen, "patient_id"]))
    if seen and "seen_patients" not in settings.weights_allow:
        do = (
            'Pretrain on other patients, for example with pretrain.rows = "fold_train". If these ids are of other '
            'people, or for a comparison, add "seen_patients" to train.weights_allow; every result then says so.'
        )
        got = f"{len(seen)} of {tested['patient_id'].nunique()}, for example {seen[0]}"
        raise GateError(
            "patients of the test set were used for pretraining", where=f"{where} of {path}", got=got, do=do
        )
    return seen


def describe_weights(path: Path) -> str:
    """Method, step and number of tensors of pretrained weights, which are all loaded.

    Raises: ArtifactError: the file is damaged.
    """
    facts, tensors = read_weights(path)
    return f"{facts.method['name']}, step {facts.step}, {len(tensors)} tensors"


def load_weights(aggregator: BaseMIL, path: Path) -> int:
    """Load pretrained weights strictly; returns the number of tensors.

    Raises: ArtifactError: they do not fit the aggregator, are not finite, or there are none.
    """
    tensors = read_weights(path)[1]
    if not tensors:
        raise ArtifactError("the file has no weights", where=path)
    if broken := [name for name, value in tensors.items() if not np.isfinite(value).all()]:
        raise ArtifactError("weights are not finite", where=path, got=", ".join(broken))
    try:
        aggregator.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=True)
    except RuntimeError as error:
        got = " ".join(str(error).split())  # torch's message has several lines
        raise ArtifactError("the weights do not fit the aggregator", where=path, got=got) from error
    return len(tensors)

"""An external cohort shares no patient and no slide with the training cohort."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from oceanpath.artifacts.cohort.patient_rule import person_ids
from oceanpath.artifacts.pretrained import WEIGHTS, hash_ids, read_facts
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ExperimentError, GateError, OceanPathError, shorten_list

SHOWN = 10


def _persons(slide: str, patient: str) -> set[str]:
    """The ids by which a patient is recognised; a slide id alone is not one, because two hospitals may use the same."""
    return {patient, *(person_ids(slide, patient) - {slide})}


def same_patients(external: Mapping[str, str], training: Mapping[str, str], where: str = "") -> list[OceanPathError]:
    """An error that names the patients of the external cohort who are also in the training cohort, if there are any.

    Both cohorts are slide → patient.
    """
    known = set[str]().union(*(_persons(slide, patient) for slide, patient in training.items()))
    both = sorted({patient for slide, patient in external.items() if not known.isdisjoint(_persons(slide, patient))})
    if not both:
        return []
    what = "patients of the external cohort are also in the training cohort"
    got = f"{len(both)} of {len(set(external.values()))}: {shorten_list(both, SHOWN)}"
    do = "Remove them from the label table of the external cohort; give patients who are other people other ids."
    return [ExperimentError(what, where=where, got=got, do=do)]


def same_slides(external: Store, training: Store, slides: Collection[str], where: str) -> list[OceanPathError]:
    """An error that names slides whose features are also in the training cohort, under any id; `slides` are its ids."""
    known = {training.index.digests[number]: name for name in slides for number in [training.number(name)]}
    digests = zip(external.slide_ids, external.index.digests, strict=True)
    both = [f"{name} = {known[digest]}" for name, digest in digests if digest in known]
    if not both:
        return []
    what = "slides of the external cohort have the same features as slides of the training cohort"
    do = "Remove them from the external cohort."
    return [ExperimentError(what, where=where, got=f"{len(both)}: {shorten_list(both, SHOWN)}", do=do)]


def weight_files(pretrain: Path | None, weights: Path | None) -> list[Path]:
    """The pretrained weights from which the models started: those of `[pretrain]`, or `train.aggregator_weights`."""
    if pretrain is not None:
        return sorted(pretrain.rglob(WEIGHTS))
    return [] if weights is None or not weights.is_file() else [weights]


def seen_in_pretraining(
    files: Sequence[Path], external: Mapping[str, str], *, allowed: bool, where: str = ""
) -> list[str]:
    """Patients of the external cohort who were used for pretraining.

    Raises: GateError: there are some, and that is not allowed. ArtifactError: weights are damaged.
    """
    used = set[str]()
    for facts in map(read_facts, files):
        used |= {*facts.patients, *facts.slides}
    rows = external.items() if used else ()
    seen = sorted({patient for slide, patient in rows if not used.isdisjoint(hash_ids(person_ids(slide, patient)))})
    if seen and not allowed:
        what = "patients of the external cohort were used for pretraining"
        got = f"{len(seen)} of {len(set(external.values()))}: {shorten_list(seen, SHOWN)}"
        do = 'Pretrain without them, or add "seen_patients" to train.weights_allow; the results then say so.'
        raise GateError(what, where=where, got=got, do=do)
    return seen

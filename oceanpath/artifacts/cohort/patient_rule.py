"""Patients read from slide ids, and the ids by which a person is recognised."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from oceanpath.errors import ExperimentError, shorten_list

PatientRule = Literal["", "tcga_barcode", "slide"]
TCGA = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?![A-Za-z0-9])")


def patients_of_slides(slide_ids: Iterable[str], rule: str) -> dict[str, str]:
    """Slide id → patient, by a rule that is not "".

    Raises: ExperimentError: some ids are no TCGA barcodes.
    """
    ids = list(slide_ids)
    if rule == "slide":
        return dict(zip(ids, ids, strict=True))
    barcodes = {name: TCGA.match(name) for name in ids}
    if wrong := [name for name, barcode in barcodes.items() if barcode is None]:
        do = 'Set patient_rule = "slide" if every slide is of another patient, or name a table of labels.'
        got = f"{len(wrong)} of {len(ids)}: {shorten_list(wrong)}"
        raise ExperimentError("slide ids are no TCGA barcodes", where="[data] patient_rule", got=got, do=do)
    return {name: barcode[0] for name, barcode in barcodes.items() if barcode is not None}


def person_ids(slide_id: str, patient_id: str) -> set[str]:
    """The ids by which the patient of a slide is recognised: patient, slide, and the TCGA barcode that one begins with.

    A cohort may name its patients by another rule, so two cohorts are compared by all of them.
    """
    barcodes = [TCGA.match(name) for name in (slide_id, patient_id)]
    return {slide_id, patient_id, *(barcode[0] for barcode in barcodes if barcode is not None)}

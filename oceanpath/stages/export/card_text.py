"""Texts that all model cards use."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.artifacts.bag_unit import PATIENT, SLIDE
from oceanpath.artifacts.bundle.facts import CohortFacts, Contract, FinalFacts, Parity, SimilarityFacts

COORDS = {
    "required": "required: level-0 pixels [N, 2] of every patch",
    "optional": "required only if a slide has more patches than are used, for sampling them",
    "unused": "not used",
}
"""Use of coordinates → its description."""


USE = """\
```
oceanpath predict --bundle FOLDER slide.h5     # writes a table of probabilities
oceanpath predict --bundle FOLDER slide.svs    # from a slide, if its features can be extracted on this machine
oceanpath serve FOLDER                         # predictions over HTTP, on this machine only
curl --data-binary @slide.h5 http://127.0.0.1:8000/predict
```"""
USE_OF_PATIENTS = """\
```
oceanpath predict --bundle FOLDER features --patients patients.csv     # writes a table of probabilities
```
`patients.csv` has the columns slide_id and patient_id; `features` has all slides of every patient."""


def use_text(contract: Contract) -> str:
    """Commands that use the bundle."""
    return USE if contract.patient_bags is None else USE_OF_PATIENTS


def input_rows(contract: Contract) -> list[tuple[str, str]]:
    """What the model reads."""
    bags = contract.patient_bags
    bag = "one slide" if bags is None else "all slides of one patient together"
    text = f"features of {bag}, [N, {contract.feature_dim}], one row per patch, rounded to {contract.dtype}"
    return [("Input", text), *([] if bags is None else [("Bags of patients", bags.rule)])]


def level_table(rows: Sequence[tuple[str, str, str]], contract: Contract) -> str:
    """A table of name, estimate of slides and estimate of patients; without slides if bags are patients."""
    if contract.patient_bags is None:
        return markdown_table(("", "Slide level", "Patient level"), rows)
    return markdown_table(("", "Patient level"), [(name, patient) for name, _, patient in rows])


def unit_text(contract: Contract) -> str:
    """What one bag, and so one prediction, is of."""
    return SLIDE if contract.patient_bags is None else PATIENT


def level_title(contract: Contract) -> str:
    """The level of predictions, at the beginning of a heading."""
    return f"{unit_text(contract).capitalize()}-level"


def patches_row(cohort: CohortFacts, contract: Contract) -> tuple[str, str]:
    """The size of the bags of the training cohort."""
    return f"Patches per {unit_text(contract)}", f"median {cohort.patches_median}, at most {cohort.patches_max}"


def cap_text(contract: Contract) -> str:
    """Which patches of a slide are used."""
    cap = contract.cap
    if cap is None:
        return "all"
    how = "at random" if cap.strategy == "random" else f"evenly over a grid of {cap.grid} x {cap.grid} cells"
    return f"at most {cap.max_patches}, sampled {how} by slide id (seed {cap.seed}), as in the evaluation"


def geometry_text(contract: Contract) -> str:
    """Size and resolution of the patches."""
    pixels = f"{contract.patch_px} px" if contract.patch_px else "not recorded"
    scale = f"{contract.target_mpp:g} µm/px" if contract.target_mpp else "not recorded"
    stride = f", stride {contract.stride_px} px" if contract.stride_px else ""
    if contract.patch_px_level0 is None:
        return f"{pixels}, {scale}{stride}"
    low, high = contract.patch_px_level0
    level0 = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{pixels}, {scale}{stride}; {level0} level-0 px wide in the training slides"


def markdown_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown; `head` may have empty names."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def join_numbers(numbers: list[int]) -> str:
    """Numbers as a list in a sentence."""
    return " and ".join([", ".join(map(str, numbers[:-1])), str(numbers[-1])]) if len(numbers) > 1 else str(numbers[0])


def similarity_text(similarity: SimilarityFacts | None) -> str:
    """How slides unlike the training slides are recognised."""
    if similarity is None:
        return "not recognised, because the training slides are not known"
    if similarity.limit is None:
        return f"not recognised: {similarity.reason}"
    return (
        f"flagged if the Mahalanobis distance of their mean feature exceeds {similarity.limit:.4g}, the 99th "
        f"percentile of the {similarity.slides} training slides, each by statistics of other patients"
    )


def final_rows(final: FinalFacts | None) -> list[tuple[str, str]]:
    """A row about the choice of a single model; none for the models of all folds."""
    return [] if final is None else [("Choice", final.description)]


def cohort_parity_text(parity: Parity) -> str:
    """The comparison on slides of the cohort, for a model without stored test predictions; otherwise empty."""
    stored = parity.stored
    if stored.total or not stored.rows:
        return ""
    return (
        f"There are no evaluated predictions of this model. {stored.rows} slides of the cohort were predicted with "
        f"every exported file and with PyTorch; the largest difference is {max(stored.differences.values()):.1e} "
        f"(allowed: {parity.tolerance:g}). "
    )


def parity_text(parity: Parity) -> str:
    """The comparison with the PyTorch model at several sizes."""
    sizes, bags = (sorted({getattr(case, name) for case in parity.cases}) for name in ("patches", "batch"))
    missing = [f" {form} could not be exported: {reason}." for form, reason in parity.not_made.items()]
    return (
        f"Every file was compared with the PyTorch model at {join_numbers(sizes)} patches and {join_numbers(bags)} "
        f"bags; the largest difference of any output is {parity.worst:.1e}.{''.join(missing)}"
    )

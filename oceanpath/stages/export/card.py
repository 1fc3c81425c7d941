"""MODEL_CARD.md: the facts of the bundle for people, after Mitchell et al., "Model Cards for Model Reporting"."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.artifacts.bundle.facts import BundleFacts, Contract, EstimateFacts

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "mcc": "MCC",
    "brier": "Brier score",
    "ece": "ECE",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
BASELINES = {
    "mean_pool_lr": "Mean-pooled features, logistic regression",
    "max_pool_lr": "Max-pooled features, logistic regression",
    "majority": "Majority class",
    "bag_length": "Number of patches alone",
}
COORDS = {
    "required": "needed: level-0 pixels [N, 2] of every patch; the model reads them",
    "optional": "needed only for slides with more patches than count: they choose these",
    "unused": "not used",
}
USE = """\
```
oceanpath predict --bundle FOLDER slide.h5     # probabilities as a table
oceanpath predict --bundle FOLDER slide.svs    # the same from a slide, where its features can be extracted
oceanpath serve FOLDER                         # the same over HTTP, on this machine only
curl --data-binary @slide.h5 http://127.0.0.1:8000/predict
```"""
LIMITS = """\
- It was tested on patients of the same cohort only. Other scanners, stains, laboratories and populations can change its
  answers without any sign of it.
- It answers for every input of the right shape, also for slides that show something else entirely.
- Attention says which patches weighed in; it is no map of tumour and no proof of a cause.
- Slides whose features come from another encoder, patch size or resolution are outside what it was made for. They are
  refused where their file states it; what a file does not state is not compared."""


def render_card(facts: BundleFacts) -> str:
    """The whole card as Markdown."""
    parts = [
        f"# {facts.name}",
        f"**{facts.notice}**",
        _what(facts),
        "## How to use it\n\n" + USE,
        _performance(facts),
        _members(facts),
        "## Limits\n\n" + LIMITS,
        _parity(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _what(facts: BundleFacts) -> str:
    contract, cohort = facts.contract, facts.cohort
    per_class = ", ".join(f"{count} {name}" for name, count in cohort.slides_per_class.items())
    rows = [
        ("Task", f"one of {len(facts.classes)} classes for a slide: {', '.join(facts.classes)}"),
        ("Model", f"{len(facts.members)} members ({facts.model['name']}), averaged"),
        (
            "Input",
            f"features of one slide, [N, {contract.feature_dim}], one row per patch, rounded to {contract.dtype}",
        ),
        ("Coordinates", COORDS[contract.coords]),
        ("Patches that count", _cap(contract)),
        ("Encoder", contract.encoder or "not recorded"),
        ("Patch size, resolution", _geometry(contract)),
        ("Output", "class probabilities; attention, one weight per patch"),
        ("Trained on", f"{cohort.slides} slides of {cohort.patients} patients ({per_class})"),
        ("Patches per slide", f"median {cohort.patches_median}, at most {cohort.patches_max}"),
    ]
    return "## What it is\n\n" + _table(("", ""), rows)


def _performance(facts: BundleFacts) -> str:
    found = facts.performance
    word = " (selected: these rows also chose something)" if found.selected else ""
    rows = [(NAMES[key], _text(slide), _text(found.patient.get(key))) for key, slide in found.slide.items()]
    table = _table(("", "slides", "patients"), rows)
    floors = _table(
        ("AUROC of baselines, slides", ""), [(BASELINES[k], _text(v)) for k, v in found.floor_auroc.items()]
    )
    intervals = "Intervals come from resampled patients."
    return f"## Performance{word}\n\n{found.meaning} {intervals}\n\n{table}\n\n{floors}"


def _members(facts: BundleFacts) -> str:
    cut = facts.threshold
    decision = (
        f"no threshold: {cut.reason}." if cut.value is None else f"{cut.value:.4f} on {cut.positive}: {cut.reason}."
    )
    rows = [
        (
            str(m.fold),
            str(m.n_val),
            f"{m.temperature:g}",
            m.reason or "fitted",
            _number(m.raw_threshold),
            _number(m.threshold),
        )
        for m in facts.members
    ]
    head = ("fold", "validation slides", "temperature", "", "raw threshold", "threshold")
    words = f"{facts.calibration.served} {facts.calibration.reported}"
    return f"## Calibration and threshold\n\n{words}\n\nDecision: {decision}\n\n{_table(head, rows)}"


def _parity(facts: BundleFacts) -> str:
    sizes = sorted({case.patches for case in facts.parity.cases})
    bags = sorted({case.batch for case in facts.parity.cases})
    stored = facts.parity.stored
    worst = max(stored.differences.values())
    said = (
        f"{stored.rows} of the {stored.total} test predictions that were evaluated were computed again from every "
        f"exported file, each by the member that had not seen its patient: the largest difference of a probability is "
        f"{worst:.1e} (allowed: {facts.parity.tolerance:g}). {_elsewhere(facts)}"
        f"Every file was also compared with the model in torch at {_list(sizes)} patches and {_list(bags)} bags: the "
        f"largest difference of any output is {facts.parity.worst:.1e}. `bundle.json` holds each comparison, and the "
        "sha256 of every file, which is verified before loading."
    )
    return f"## Checks\n\n{said}"


def _elsewhere(facts: BundleFacts) -> str:
    stored = facts.parity.stored
    if not stored.elsewhere:
        return ""
    return (
        f"{stored.elsewhere} of them were computed on another device than this CPU, whose answers are up to "
        f"{stored.elsewhere_difference:.1e} apart; there the files were compared with torch on the CPU. "
    )


def _cap(contract: Contract) -> str:
    cap = contract.cap
    if cap is None:
        return "all"
    how = "at random" if cap.strategy == "random" else f"spread over a grid of {cap.grid} x {cap.grid} cells"
    return f"at most {cap.max_patches}, {how}, drawn by slide id (seed {cap.seed}), as in the evaluation"


def _geometry(contract: Contract) -> str:
    pixels = f"{contract.patch_px} px" if contract.patch_px else "not recorded"
    scale = f"{contract.target_mpp:g} µm/px" if contract.target_mpp else "not recorded"
    stride = f", {contract.stride_px} px from one to the next" if contract.stride_px else ""
    if contract.patch_px_level0 is None:
        return f"{pixels}, {scale}{stride}"
    low, high = contract.patch_px_level0
    level0 = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{pixels}, {scale}{stride}; {level0} level-0 px in the training slides"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _text(estimate: EstimateFacts | None) -> str:
    if estimate is None or estimate.value is None:
        return f"undefined: {estimate.reason}" if estimate else "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _list(numbers: list[int]) -> str:
    return " and ".join([", ".join(map(str, numbers[:-1])), str(numbers[-1])]) if len(numbers) > 1 else str(numbers[0])

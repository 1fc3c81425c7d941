"""The facts of a made-up bundle, for tests of the texts about it: no file, no model."""

from __future__ import annotations

from typing import Any

from oceanpath.artifacts.bundle.facts import (
    BundleFacts,
    Calibration,
    CohortFacts,
    Contract,
    EstimateFacts,
    Golden,
    MemberFacts,
    Parity,
    ParityCase,
    Performance,
    StoredParity,
    ThresholdFacts,
)


def estimate(value: float) -> EstimateFacts:
    return EstimateFacts(value=value, low=value - 0.1, high=value + 0.1, n=60)


def parity(elsewhere: int = 0) -> Parity:
    sizes = [(1, 7), (3, 7), (1, 100), (3, 100)]
    stored = StoredParity(
        rows=50,
        total=60,
        differences={"onnx": 2e-7, "torchscript": 3e-7},
        elsewhere=elsewhere,
        elsewhere_difference=4e-4 if elsewhere else 0.0,
    )
    cases = [ParityCase(format="onnx", batch=batch, patches=patches, difference=1e-7) for batch, patches in sizes]
    return Parity(tolerance=1e-5, worst=1e-7, cases=cases, stored=stored)


def example_facts(**changes: Any) -> BundleFacts:
    """Two members on two classes, with these fields changed."""
    member = MemberFacts(fold=0, n_val=25, temperature=1.5, raw_threshold=0.7, threshold=0.6384)
    unfitted = MemberFacts(fold=1, n_val=12, temperature=1.0, reason="12 validation slides; 20 are needed")
    facts: dict[str, Any] = {
        "name": "abmil on toy",
        "model": {"name": "abmil", "hidden": 16},
        "classes": ["NR", "R"],
        "contract": Contract(encoder="toy", feature_dim=24, dtype="float16"),
        "members": [member, unfitted],
        "calibration": Calibration(method="temperature", served="Served as is.", reported="Reported as is."),
        "threshold": ThresholdFacts(value=0.6384, positive="R", reason="mean of 1 of 2 members"),
        "performance": Performance(
            meaning="These are means.",
            selected=False,
            slide={"auroc": estimate(0.8), "ece": EstimateFacts(value=0.05)},
            patient={"auroc": EstimateFacts(value=None, reason="one class only")},
            floor_auroc={"mean_pool_lr": estimate(0.7), "majority": EstimateFacts(value=0.5)},
        ),
        "cohort": CohortFacts(
            slides=60, patients=30, slides_per_class={"NR": 32, "R": 28}, patches_median=30, patches_max=61
        ),
        "parity": parity(),
        "golden": Golden(patches=1, probabilities=[0.5, 0.5]),
        "opset": 20,
        "files": {"model.onnx": "0123456789abcdef"},
    }
    return BundleFacts(**{**facts, **changes})

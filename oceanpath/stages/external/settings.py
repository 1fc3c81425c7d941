"""The settings of `external`, all from other tables."""

from pathlib import Path

from oceanpath.settings import Settings, shared


class ExternalSettings(Settings):
    """Scoring of the external cohorts `[[data.external]]`; intervals are computed as in `[eval]`."""

    cohort: str = shared("cohort", "")
    resamples: int = shared("eval.resamples", 2000)
    confidence: float = shared("eval.confidence", 0.95)
    cost_ratio: float | None = shared("eval.cost_ratio", None)
    patient_aggregation: str = shared("eval.patient_aggregation", "mean", is_added=True)
    seed: int = shared("seed", 42, ge=0)
    features: Path | None = shared("data.features", None, is_runtime=True)
    features_key: str = shared("data.features_key", "", is_runtime=True)
    level: str = shared("data.level", "patch", is_runtime=True)
    training_features: Path | None = shared("training.data.features", None, is_runtime=True)
    training_features_key: str = shared("training.data.features_key", "", is_runtime=True)
    aggregator_weights: Path | None = shared("training.train.aggregator_weights", None, is_runtime=True)
    weights_allow: tuple[str, ...] = shared("training.train.weights_allow", (), is_added=True)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)

    @property
    def allows_seen_patients(self) -> bool:
        """Whether patients of the cohort may have been used for pretraining."""
        return "seen_patients" in self.weights_allow

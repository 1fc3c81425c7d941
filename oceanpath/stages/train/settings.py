"""The `[train]` table."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, model_validator

from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.search_settings import SearchSettings
from oceanpath.fit.settings import FitSettings
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import Settings, added, outside, runtime, shared

Allowed = Literal["encoder", "revision", "patch_um", "mpp", "input_norm", "model", "seen_patients"]


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds:
        raise ValueError("there is no seed, so no model would be trained; expected one or more, such as [0, 1, 2]")
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed is listed twice; the same seed trains the same model again")
    return seeds


class TrainSettings(ObjectiveSettings, FitSettings):
    """Training of one model per fold, and selection of its epoch on the inner validation set."""

    patience: int = Field(8, ge=1)
    """Number of epochs without a better validation score after which training stops."""
    memory_gb: float | None = runtime(None, gt=0.0)
    """Memory that training may use, in GB: before a fold is trained, its largest step is compared with it. Default: the
    free memory of the device."""
    refit_fold: bool = added(False)
    """Whether each fold is trained again on its training and validation patients, up to the epoch that validation
    selected, before its test patients are predicted. Thresholds and temperatures are those of the first training."""
    final: Literal["ensemble", "refit", "best_fold"] = runtime("ensemble")
    """The model that `export` writes, which changes no reported number. ensemble: the models of all folds; refit: one
    model that is trained on all patients, for the 75th percentile of the numbers of epochs that the folds selected, and
    is itself not evaluated; best_fold: the model of the fold with the best validation score."""
    soup: int = added(1, ge=1)
    """Number of trainings of a fold whose weights are averaged. All start from the same weights; the best one comes
    first, and another one joins the average if the validation score of the average does not get worse."""
    selection: Literal["inner", "searched", "reported"] = added("inner")
    """What was selected on patients who are also tested. inner: nothing; searched: the settings of this file, as by one
    winner of a search in several folds; reported: the epoch, to show the optimism of such numbers. Except for inner,
    every number is marked `selected`."""
    search: SearchSettings | None = added(None)
    """Search for hyperparameters in each fold, on its inner validation set: a table `[train.search]`."""
    aggregator_weights: Path | None = outside(published="pretrain/aggregator.safetensors")
    """Pretrained weights from which the aggregator starts: a file aggregator.safetensors, an experiment of this
    workspace with `[pretrain]`, or the fingerprint of its result. Default: those of `[pretrain]` in this experiment;
    without it, random weights."""
    weights_allow: tuple[Allowed, ...] = added(())
    """Differences to the pretraining that are accepted: `encoder` of the patches, its `revision`, the side of a patch
    `patch_um`, its resolution `mpp`, `input_norm`; `model`, for other settings without weights, such as dropout;
    `seen_patients`, for tested patients that were used for pretraining. Default: an error."""
    mode: Literal["full", "linear_probe"] = added("full")
    """full: aggregator and classifier are trained; linear_probe: only the linear classifier, on the embeddings of
    pretrained weights."""
    freeze_aggregator: bool | Annotated[int, Field(ge=1)] = added(False)
    """Whether the aggregator is not trained at all (true), or the number of first epochs in which it is not."""
    features: Path | None = shared("data.features", None, is_runtime=True)
    features_key: str = shared("data.features_key", "", is_runtime=True)
    level: str = shared("data.level", "patch", is_runtime=True)
    targets: tuple[str, ...] = shared("data.targets", (), is_runtime=True)
    slides: Path | None = shared("data.slides", None, is_runtime=True)
    extracts: bool = shared("stage.extract", False, is_runtime=True)
    extract: SerializeAsAny[Settings] | None = shared("extract", None, is_runtime=True)
    seed: int | None = added(None, ge=0)
    """Seed of training: initial weights, batches and dropout; default: `seed` of the experiment, which also seeds the
    splits."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(_distinct)] | None = added(None)
    """Seeds of training, each of which trains all folds: `[0, 1, 2]`. Metrics are means over the seeds, with their
    standard deviation; the exported ensemble has the models of all seeds. Default: one seed, `seed`."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    sealed: bool | Literal["revealed"] = shared("eval.sealed", False, is_added=True)
    experiment_seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)

    @model_validator(mode="before")
    @classmethod
    def _without_effect(cls, values: Any) -> Any:
        """A list of one seed is the same as this seed, a search without trials is none."""
        search = values.get("search") if isinstance(values, dict) else None
        if isinstance(search, dict) and search.get("trials") == 0:
            values = {**values, "search": None}
        if not isinstance(values, dict) or values.get("seeds") is None:
            return values
        if values.get("seed") is not None:
            raise ValueError("both seed and seeds are set; remove one of them")
        seeds = values["seeds"]
        return (
            {**values, "seeds": None, "seed": seeds[0]}
            if isinstance(seeds, (list, tuple)) and len(seeds) == 1
            else values
        )

    @model_validator(mode="before")
    @classmethod
    def _probe_is_frozen(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("mode") != "linear_probe":
            return values
        if values.get("freeze_aggregator", True) is not True:
            raise ValueError('mode = "linear_probe" never trains the aggregator: remove freeze_aggregator')
        return {**values, "freeze_aggregator": True}

    @property
    def training_seed(self) -> int:
        """The seed of training, if there is one."""
        return self.experiment_seed if self.seed is None else self.seed

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """All seeds of training."""
        return self.seeds or (self.training_seed,)

    def of_seed(self, seed: int) -> "TrainSettings":
        """The settings that train with one of the seeds; equal to those of an experiment with this seed alone."""
        own = None if self.seed is None and seed == self.experiment_seed else seed
        return self.model_copy(update={"seeds": None, "seed": own})


class RefitSettings(Settings):
    """Training of one model on all patients, for `train.final = "refit"`: its settings are those of `[train]`."""

    train: SerializeAsAny[TrainSettings] = shared("train")
    aggregator_weights: Path | None = outside("train.aggregator_weights")
    rows: str = shared("pretrain.rows", "manifest", is_runtime=True)

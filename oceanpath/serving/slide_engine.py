"""Inference with the model of a bundle: what all kinds of models have in common.

A kind of models is one subclass of `SlideEngine`: the server, the table of `oceanpath predict` and the Open Inference
Protocol ask it for everything that depends on the kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import ModelFacts
from oceanpath.artifacts.bundle.folder import Bundle, read_bundle
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.serving.session import Session
from oceanpath.serving.slide_run import SlideFacts, SlideOutputs, SlideRun, run_slide
from oceanpath.serving.stored_rows import Features

F = TypeVar("F", bound=ModelFacts)
P = TypeVar("P", bound="SlidePrediction")


@dataclass(frozen=True, kw_only=True)
class SlidePrediction(SlideFacts):
    """What the prediction for one slide has for every kind of model."""

    model_digest: str
    members: NDArray[np.floating] = field(default_factory=lambda: np.empty((0, 0)))
    """[M, K]: the predicted values of each member, if there are any."""


class SlideEngine(ABC, Generic[F, P]):
    """A verified bundle, ready for inference. Thread-safe."""

    outputs: ClassVar[tuple[str, ...]]
    """Outputs of the model file; the first one is the prediction, and its name the field of `P` that contains it."""
    training_note = (
        "this slide was part of the training cohort, so its prediction does not show the performance on new slides"
    )
    dtype: ClassVar[type[np.floating]] = np.float64
    """Of the predicted values in a table."""
    tensor_dtype: ClassVar[type[np.floating]] = np.float32
    """Of the prediction in the Open Inference Protocol."""
    number = ""
    """Format of a value in a caption; "" for predictions without one."""
    has_members = True
    """Whether the model is an ensemble, with a prediction of each member."""
    golden_is_relative = False
    """Whether the tolerance of the self-test is multiplied by values above 1."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Raises: ArtifactError: the model cannot be run, or is of another kind."""
        self.facts: F = self.accept(bundle)
        self._session = Session(bundle, self.outputs, self.training_note, threads)
        golden = cast("Any", self.facts).golden
        self._session.test(golden.patches, getattr(golden, self.outputs[0]), relative=self.golden_is_relative)

    @classmethod
    def load(cls, path: Path, threads: int | None = None) -> Self:
        """Verify and load the bundle in the folder `path`.

        Args:
            path: The folder of the bundle.
            threads: Threads of one inference; default: all available cores.

        Raises: ArtifactError: the bundle is damaged, or does not reproduce its reference prediction on this machine.
        """
        return cls(read_bundle(path), threads)

    def predict(
        self,
        features: Features,
        coords: NDArray[Any] | None = None,
        provenance: Provenance = UNKNOWN,
        *,
        explains: bool = False,
    ) -> P:
        """The prediction for one slide, computed as in the evaluation.

        Args:
            features: [N, D], float16, float32 or float64; rounded to the contract's dtype, computed in float32.
            coords: [N, 2] level-0 pixels, if known; the contract states whether they are required.
            provenance: How the features were extracted, as far as known. Its slide id determines the sample of
                patches if there are more than the cap.
            explains: Whether to compute what each patch contributes, of models for which this is defined.

        Raises: RequestError: the features do not meet the contract.
        """
        return self.complete(run_slide(self._session, features, coords, provenance, explains=explains))

    def begin(self, n: int, provenance: Provenance, *, explains: bool = False) -> SlideRun:
        """A slide of `n` patches without coordinates that are added in blocks; its outputs are given to `complete`.

        Raises: RequestError: the provenance does not meet the contract.
        """
        return SlideRun(self._session, n, None, provenance, explains=explains)

    def complete(self, slide: SlideOutputs) -> P:
        """The prediction from the outputs of the model for a slide."""
        shared = {each.name: getattr(slide, each.name) for each in fields(SlideFacts)}
        return self.interpret(slide.outputs, shared | {"model_digest": self.facts.digest})

    @abstractmethod
    def accept(self, bundle: Bundle) -> F:
        """The contents of bundle.json. Raises: ArtifactError: the model is of another kind."""

    @abstractmethod
    def interpret(self, outputs: list[NDArray[Any]], shared: dict[str, Any]) -> P:
        """The prediction from the outputs of the model; `shared` are the fields of `SlidePrediction`."""

    @property
    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Names of the predicted values in a table."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the predicted values in a response."""
        return self.columns

    @property
    def folds(self) -> Sequence[int]:
        """The folds of the members, if there are any."""
        return ()

    @abstractmethod
    def describe(self, prediction: P) -> dict[str, Any]:
        """The part of an HTTP response that only this kind has, without members."""

    def audited(self, prediction: P) -> dict[str, Any] | None:  # noqa: ARG002  # of most kinds
        """The part of a prediction that is recorded in the audit log; None if it describes the features."""
        return None

    def decisions(self, prediction: P) -> dict[str, str]:  # noqa: ARG002  # of most kinds
        """Column of a table → decision."""
        return {}

    def values(self, prediction: P) -> NDArray[np.floating]:
        """The predicted values [K]."""
        values: NDArray[np.floating] = getattr(prediction, self.outputs[0])
        return values

    def describe_members(self, prediction: P) -> list[dict[str, Any]]:
        """The part of an HTTP response about the members."""
        of_members = zip(self.folds, prediction.members.tolist(), strict=True)
        name, labels = self.outputs[0], self.labels
        return [{"fold": fold, name: dict(zip(labels, values, strict=True))} for fold, values in of_members]

    def explained(self, prediction: P) -> tuple[str, NDArray[np.float64]] | None:  # noqa: ARG002  # of most kinds
        """What contributions sum to, and its weights [K] in the outputs; None if there is no such sum."""
        return None

    def contributions(self, prediction: P) -> tuple[str, NDArray[np.float64]] | None:
        """What contributions of patches sum to, and those of all patches [N], the mean of the members.

        None if they were not requested, or if the model is not a sum over patches.
        """
        explained = self.explained(prediction)
        if explained is None or prediction.contributions is None:
            return None
        name, weights = explained
        values: NDArray[np.float64] = (prediction.contributions @ weights).mean(axis=0)
        return name, values

    def caption(self, prediction: P) -> str:
        """The prediction in a few words; "" for one of many values."""
        if not self.number:
            return ""
        pairs = zip(self.labels, self.values(prediction).tolist(), strict=True)
        return ", ".join(f"{label} {value:{self.number}}" for label, value in pairs)


AnyEngine = SlideEngine[Any, Any]

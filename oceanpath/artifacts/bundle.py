"""The bundle: one folder with a model and all that is needed to use it rightly, elsewhere.

    model.onnx      one file; features [batch, n, D] float32 → probabilities [batch, C], attention [batch, n],
                    member_logits [members, batch, C] (before temperature)
    model.ts        the same function as TorchScript, outputs in the same order; only when asked for
    bundle.json     the facts of `BundleFacts`: classes, feature contract, calibration, thresholds, parity, digests
    MODEL_CARD.md   the same facts for people

`probabilities` is the mean over the members of their softmax at their own temperature; `attention` is the mean of
the members' attention, non-negative, and sums to 1 over the n patches. bundle.json holds the sha256 of every other
file and of itself, so a changed byte anywhere is found.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oceanpath.errors import ArtifactError

FORMAT: Literal[1] = 1
FACTS = "bundle.json"
ONNX = "model.onnx"
TORCHSCRIPT = "model.ts"
CARD = "MODEL_CARD.md"
NOTICE = "For research use only. Not a medical device; not for diagnosis or treatment."


class Facts(BaseModel):
    """Base of everything in bundle.json: unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Contract(Facts):
    """What the features must be. None means that nobody recorded it."""

    encoder: str
    feature_dim: int = Field(ge=1)
    patch_px: int | None = None
    target_mpp: float | None = None
    """Micrometres per pixel at which patches were encoded."""


class Member(Facts):
    """One fold's model. Its temperature and threshold come from its inner validation rows alone."""

    fold: int
    n_val: int
    temperature: float = Field(gt=0)
    reason: str = ""
    """Why the temperature is 1 where it could not be fitted."""
    raw_threshold: float | None = None
    """On the last class's probability before the temperature."""
    threshold: float | None = None
    """The same cut on the probability after the temperature."""


class Calibration(Facts):
    """How logits become the served probabilities."""

    method: Literal["temperature", "none"]
    served: str
    reported: str


class Threshold(Facts):
    """The cut on the ensemble's probability of `positive`; null with a reason where there is none."""

    value: float | None
    positive: str | None
    reason: str


class ParityCase(Facts):
    """Largest absolute difference to eager torch over all outputs, for one format and shape."""

    format: Literal["onnx", "torchscript"]
    batch: int
    patches: int
    difference: float


class Parity(Facts):
    """The check that ran before the bundle was written."""

    tolerance: float
    worst: float
    cases: list[ParityCase]


class Golden(Facts):
    """A known answer: `golden_bag(patches, feature_dim)` gives these probabilities wherever the bundle is loaded."""

    patches: int
    probabilities: list[float]


class Cohort(Facts):
    """Who the members were trained on, in numbers."""

    slides: int
    patients: int
    slides_per_class: dict[str, int]
    patches_median: int
    patches_max: int


class Estimate(Facts):
    """One number of the evaluation with its interval; null with a reason when undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""


class Performance(Facts):
    """Out-of-fold estimates. `meaning` says what they are estimates of."""

    meaning: str
    selected: bool
    slide: dict[str, Estimate]
    patient: dict[str, Estimate]
    floor_auroc: dict[str, Estimate]


class BundleFacts(Facts):
    """The contents of bundle.json."""

    format: Literal[1] = FORMAT
    name: str
    notice: str = NOTICE
    model: dict[str, Any]
    classes: list[str] = Field(min_length=2)
    contract: Contract
    members: list[Member] = Field(min_length=1)
    calibration: Calibration
    threshold: Threshold
    performance: Performance
    cohort: Cohort
    parity: Parity
    golden: Golden
    opset: int
    files: dict[str, str] = Field(default_factory=dict)
    """File name → sha256, hexadecimal; filled by `seal`."""
    seal: str = ""
    """sha256 of bundle.json as it is with this field empty; filled by `seal`."""

    @property
    def digest(self) -> str:
        """sha256 of model.onnx: the name of the function that answers."""
        return self.files[ONNX]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose digests were compared, with the bytes of its ONNX model."""

    path: Path
    facts: BundleFacts
    onnx: bytes


def golden_bag(patches: int, dim: int) -> NDArray[np.float32]:
    """A bag [patches, dim] float32, equal on every machine: bell-shaped, mean 0, variance 1, no two rows alike.

    Each number is the sum of the four 16-bit pieces of a 64-bit hash of its place, so it is rounded only once. The hash
    is the finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    x = np.arange(1, patches * dim + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    sums = x.view(np.uint16).reshape(-1, 4).astype(np.int64).sum(axis=1)
    bag: NDArray[np.float32] = ((sums - 2 * 65535) / np.sqrt(65536**2 / 3)).astype(np.float32)
    return bag.reshape(patches, dim)


def seal(out: Path, facts: BundleFacts) -> BundleFacts:
    """Write bundle.json below `out` with the sha256 of the files that are there; returns the facts as written.

    Raises: ArtifactError: model.onnx or MODEL_CARD.md is not there yet.
    """
    present = [name for name in (ONNX, TORCHSCRIPT, CARD) if (out / name).is_file()]
    if missing := {ONNX, CARD} - set(present):
        raise ArtifactError("the bundle is not complete", where=out, got=f"without {', '.join(sorted(missing))}")
    digests = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in present}
    return write_facts(out, facts.model_copy(update={"files": digests}))


def write_facts(out: Path, facts: BundleFacts) -> BundleFacts:
    """Write bundle.json below `out` under its own digest; returns the facts as written."""
    sealed = _sealed(facts)
    (out / FACTS).write_bytes(_render(sealed))
    return sealed


def read_facts(path: Path) -> BundleFacts:
    """The facts of bundle.json below `path`.

    Raises: ArtifactError: missing, of another format, or not byte for byte what `seal` writes.
    """
    where = path / FACTS
    try:
        raw = where.read_bytes()
        facts = BundleFacts.model_validate(json.loads(raw))
    except (OSError, ValueError, RecursionError) as error:
        said = (
            f"{error.error_count()} wrong keys, first {_first(error)}" if isinstance(error, ValidationError) else error
        )
        do = "Give the folder that `oceanpath export` published."
        raise ArtifactError("no readable bundle.json", where=path, got=said, do=do) from error
    if _render(_sealed(facts)) != raw:
        raise ArtifactError("bundle.json was changed after it was written", where=where, do="Export the model again.")
    return facts


def read_bundle(path: Path) -> Bundle:
    """The bundle below `path`, every file of it compared with its digest before a byte is used.

    Raises: ArtifactError: a file is missing, or differs from its digest.
    """
    facts = read_facts(path)
    if not {ONNX, CARD} <= set(facts.files) <= {ONNX, TORCHSCRIPT, CARD}:
        raise ArtifactError("bundle.json lists other files than a bundle has", where=path, got=sorted(facts.files))
    contents = {name: _verified(path / name, digest) for name, digest in sorted(facts.files.items())}
    return Bundle(path, facts, contents[ONNX])


def check(path: Path) -> None:
    """Hold the promises of this page: digests, parity within its tolerance, class counts that agree.

    Raises: ArtifactError: a promise is broken.
    """
    facts = read_bundle(path).facts
    if facts.parity.worst > facts.parity.tolerance or not facts.parity.cases:
        raise ArtifactError(
            "parity was not reached", where=path, expected=facts.parity.tolerance, got=facts.parity.worst
        )
    if len(facts.golden.probabilities) != len(facts.classes) or set(facts.cohort.slides_per_class) != set(
        facts.classes
    ):
        raise ArtifactError("the facts disagree about the classes", where=path, expected=facts.classes)


def _verified(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError("a file of the bundle cannot be read", where=path, got=error) from error
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        do = "Copy the bundle again, or export it again."
        raise ArtifactError("a file differs from its digest", where=path, expected=digest, got=found, do=do)
    return content


def _sealed(facts: BundleFacts) -> BundleFacts:
    open_facts = facts.model_copy(update={"seal": ""})
    return open_facts.model_copy(update={"seal": hashlib.sha256(_render(open_facts)).hexdigest()})


def _render(facts: BundleFacts) -> bytes:
    dumped = facts.model_dump(mode="json")
    return (json.dumps(dumped, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"

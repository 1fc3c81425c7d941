"""The bundle: one folder with a model and everything that its correct use requires.

    model.onnx             one file; features [batch, n, D] float32, and coords [batch, n, 2] float32 only where the
                           contract requires coordinates → probabilities [batch, C], attention [batch, n],
                           member_logits [members, batch, C] (before temperature)
    model.ts               the same function as TorchScript, inputs and outputs in the same order; only if requested
    bundle.json            the fields of `BundleFacts`: classes, contract, calibration, thresholds, parity, digests
    training_slides.json   hashes by which slides of the training cohort are recognised
    feature_statistics.safetensors   statistics by which slides unlike the training slides are recognised; only if
                           there are enough training slides
    MODEL_CARD.md          the model card

Features must be rounded to the contract's dtype, and bags longer than the contract's cap sampled down to it, before the
model is run; `oceanpath predict` and `oceanpath serve` do both. Coordinates are level-0 pixels, x then y, top-left
corners of the patches; as whole numbers below 2^24 they are exact in float32.

The model of a pretrained aggregator has the outputs embedding [batch, E] and attention [batch, n] instead, and
bundle.json the fields of `EmbeddingFacts`. A model of survival, regression or several labels has the outputs values
[batch, K] float64, attention [batch, n] and member_values [members, batch, K] float64, on the scale of the labels, and
bundle.json the fields of `ValueFacts`, which state meaning and unit of each value.

`probabilities` is the mean over the members of their softmax at their own temperature; `attention` is the mean of the
members' attention, non-negative, and sums to 1 over the n patches. bundle.json contains the sha256 of every other file
and of itself, so any changed byte is detected.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from oceanpath.artifacts.bundle.facts import FORMAT, NOTICE, ONNX, BundleFacts, EmbeddingFacts, ModelFacts
from oceanpath.artifacts.bundle.feature_statistics import FeatureStatistics
from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.errors import ArtifactError

__all__ = ["CARD", "FACTS", "NOTICE", "ONNX", "TORCHSCRIPT", "TRAINING", "Bundle", "BundleFacts"]

FACTS = "bundle.json"
TORCHSCRIPT = "model.ts"
CARD = "MODEL_CARD.md"
TRAINING = "training_slides.json"
STATISTICS = "feature_statistics.safetensors"
NEEDED = (ONNX, CARD, TRAINING)
KINDS: dict[Any, type[ModelFacts]] = {"embedding": EmbeddingFacts, "values": ValueFacts}
"""Value of "output" → the contents of bundle.json; a classifier has no such key."""
OPTIONAL = (TORCHSCRIPT, STATISTICS)
F = TypeVar("F", bound=ModelFacts)
GOLDEN_PITCH = 256
"""Level-0 pixels between the patches of a golden bag."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, with the bytes of its ONNX model and its training slides."""

    path: Path
    facts: ModelFacts
    onnx: bytes
    training: TrainingSlides
    statistics: FeatureStatistics | None = None
    """None if slides unlike the training slides are not recognised."""
    card: str = ""
    """The text of the model card."""


def golden_bag(patches: int, dim: int) -> NDArray[np.float32]:
    """A bag [patches, dim] float32, the same on every machine: bell-shaped, mean 0, variance 1, no two rows equal.

    Each number is the sum of the four 16-bit parts of a 64-bit hash of its index, so it is rounded only once. The hash
    is the finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    x = np.arange(1, patches * dim + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    sums = x.view(np.uint16).reshape(-1, 4).astype(np.int64).sum(axis=1)
    bag: NDArray[np.float32] = ((sums - 2 * 65535) / np.sqrt(65536**2 / 3)).astype(np.float32)
    return bag.reshape(patches, dim)


def golden_coords(patches: int) -> NDArray[np.float32]:
    """Coordinates [patches, 2] of a golden bag: a grid of seven columns with a gap in it."""
    cell = np.arange(patches) + np.arange(patches) // 5
    return (GOLDEN_PITCH * np.stack([cell % 7, cell // 7], axis=1)).astype(np.float32)


def seal(out: Path, facts: F) -> F:
    """Write bundle.json below `out` with the sha256 of the other files; returns its contents.

    Raises: ArtifactError: model.onnx, MODEL_CARD.md or training_slides.json is missing.
    """
    present = [name for name in (*NEEDED, *OPTIONAL) if (out / name).is_file()]
    if missing := set(NEEDED) - set(present):
        raise ArtifactError("the bundle is not complete", where=out, got=f"without {', '.join(sorted(missing))}")
    digests = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in present}
    return write_facts(out, facts.model_copy(update={"files": digests}))


def write_facts(out: Path, facts: F) -> F:
    """Write bundle.json below `out` with its own digest; returns its contents."""
    sealed = _sealed(facts)
    (out / FACTS).write_bytes(_render(sealed))
    return sealed


def read_facts(path: Path) -> BundleFacts:
    """The contents of bundle.json of a classifier below `path`.

    Raises: ArtifactError: as `read_model_facts`, or the model is no classifier.
    """
    return as_classifier(read_model_facts(path), path)


def as_classifier(facts: ModelFacts, path: Path) -> BundleFacts:
    """The same facts. Raises: ArtifactError: they are not those of a classifier."""
    if isinstance(facts, BundleFacts):
        return facts
    got, do = "slide embeddings", ""
    if isinstance(facts, ValueFacts):
        got, do = ", ".join(facts.names), "In Python, open it with oceanpath.ValueModel."
    raise ArtifactError("the model of this bundle gives no class probabilities", where=path, got=got, do=do)


def read_model_facts(path: Path) -> ModelFacts:
    """The contents of bundle.json below `path`.

    Raises: ArtifactError: missing, of another format, or changed since `seal` wrote it.
    """
    where = path / FACTS
    try:
        raw = where.read_bytes()
        parsed = json.loads(raw)
        _validate_format(parsed, path)
        kind = parsed.get("output") if isinstance(parsed, dict) else None
        facts: ModelFacts = KINDS.get(kind, BundleFacts).model_validate(parsed)
    except (OSError, ValueError, RecursionError) as error:
        message = (
            f"{error.error_count()} wrong keys, first {_first(error)}" if isinstance(error, ValidationError) else error
        )
        do = "Name the folder that `oceanpath export` published."
        raise ArtifactError("bundle.json is missing or cannot be read", where=path, got=message, do=do) from error
    if _render(_sealed(facts)) != raw:
        raise ArtifactError("bundle.json was changed after it was written", where=where, do="Export the model again.")
    return facts


def read_bundle(path: Path) -> Bundle:
    """The bundle below `path`; each file is compared with its digest before it is used.

    Raises: ArtifactError: a file is missing or differs from its digest.
    """
    facts = read_model_facts(path)
    if not set(NEEDED) <= set(facts.files) <= {*NEEDED, *OPTIONAL}:
        raise ArtifactError(
            "bundle.json lists unexpected files, or not all that are required", where=path, got=sorted(facts.files)
        )
    contents = {name: _verified(path / name, digest) for name, digest in sorted(facts.files.items())}
    statistics = None
    if STATISTICS in contents:
        statistics = FeatureStatistics.parse(contents[STATISTICS], facts.contract.feature_dim)
    training, card = TrainingSlides.parse(contents[TRAINING]), contents[CARD].decode("utf-8", "replace")
    return Bundle(path, facts, contents[ONNX], training, statistics, card)


def check(path: Path) -> None:
    """Check digests, both comparisons with PyTorch, and that the classes are consistent.

    Raises: ArtifactError: a check fails.
    """
    facts = read_bundle(path).facts
    worst = max(facts.parity.worst, *facts.parity.stored.differences.values())
    if worst > facts.parity.tolerance or not facts.parity.cases or not facts.parity.stored.rows:
        raise ArtifactError(
            "the exported model differs from PyTorch by more than the tolerance",
            where=path,
            expected=facts.parity.tolerance,
            got=worst,
        )
    if isinstance(facts, EmbeddingFacts):
        if len(facts.golden.embedding) != facts.embed_dim:
            raise ArtifactError("the known embedding has another length", where=path, expected=facts.embed_dim)
        return
    if isinstance(facts, ValueFacts):
        if len(facts.golden.values) != len(facts.columns):
            raise ArtifactError("the known prediction has another length", where=path, expected=facts.names)
        return
    facts = as_classifier(facts, path)
    known = facts.classes if facts.cohort is None else facts.cohort.slides_per_class
    if len(facts.golden.probabilities) != len(facts.classes) or set(known) != set(facts.classes):
        raise ArtifactError("the classes in bundle.json are inconsistent", where=path, expected=facts.classes)


def _validate_format(parsed: Any, path: Path) -> None:
    """Raise if bundle.json has another format: older bundles lack information that correct predictions need."""
    version = parsed.get("format") if isinstance(parsed, dict) else None
    if isinstance(version, int) and version != FORMAT:
        do = "Export the model again: `oceanpath export -e EXPERIMENT`."
        raise ArtifactError("bundle.json has another format", where=path, expected=FORMAT, got=version, do=do)


def _verified(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError("a file of the bundle cannot be read", where=path, got=error) from error
    if (actual := hashlib.sha256(content).hexdigest()) != digest:
        do = "Copy the bundle again, or export it again."
        raise ArtifactError("a file differs from its digest", where=path, expected=digest, got=actual, do=do)
    return content


def _sealed(facts: F) -> F:
    open_facts = facts.model_copy(update={"seal": ""})
    return open_facts.model_copy(update={"seal": hashlib.sha256(_render(open_facts)).hexdigest()})


def _render(facts: ModelFacts) -> bytes:
    dumped = facts.model_dump(mode="json")
    return (json.dumps(dumped, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"

"""Pretrained aggregator → bundle whose answer is the embedding of the slide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oceanpath.artifacts.bundle.facts import (
    Contract,
    EmbeddingFacts,
    GoldenEmbedding,
    Parity,
    PretrainingFacts,
    StoredParity,
)
from oceanpath.artifacts.bundle.folder import CARD, TRAINING, seal
from oceanpath.artifacts.pretrained import WEIGHTS, WeightFacts
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import loader_of
from oceanpath.errors import StageError
from oceanpath.fit.threads import torch_threads
from oceanpath.models.base import BaseMIL
from oceanpath.models.pretrained import load_pretrained
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.export.contract import describe_contract
from oceanpath.stages.export.embedding_card import render_embedding_card
from oceanpath.stages.export.facts import hash_slides
from oceanpath.stages.export.feature_statistics import write_statistics
from oceanpath.stages.export.model_files import GOLDEN_PATCHES, golden_output, write_model_files
from oceanpath.stages.export.parity import measure
from oceanpath.stages.export.runners import THREADS, Format, Runner
from oceanpath.stages.export.settings import ExportSettings

OUTPUTS = ("embedding", "attention")


class SlideEmbedder(nn.Module):
    """features [B, n, D] float32, coords [B, n, 2] → embedding [B, E], attention [B, n]."""

    def __init__(self, aggregator: BaseMIL) -> None:
        super().__init__()
        self.aggregator = aggregator
        self.requires_grad_(False)
        self.eval()

    def forward(self, features: Tensor, coords: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The outputs for B bags of n patches each; coordinates are integer level-0 pixels of any dtype."""
        pixels = None if coords is None else coords.to(torch.int32)
        embedding, attention = self.aggregator.forward_features(features, None, pixels, return_attention=True)
        assert attention is not None, "it was requested"
        return embedding, attention


def export_embedding(settings: ExportSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Export the pretrained aggregator, compare it with torch, write its facts and card, and seal the bundle.

    Raises: StageError: it cannot be exported, or an exported file differs from it.
    """
    inputs, store, settings = _of_cohort(settings, inputs)
    aggregator, weights = load_pretrained(inputs["pretrain"] / WEIGHTS)
    manifest = SplitManifest.read(inputs["pretrain"])
    contract = _contract(settings, inputs, store, aggregator, weights)
    coords = contract.coords == "required"
    progress.advance()
    with torch_threads(THREADS):
        module = SlideEmbedder(aggregator)
        files = write_model_files(module, store.dim, settings, out, coords=coords, outputs=OUTPUTS)
        progress.advance()
        runners = files.runners()
        cases = measure(module, runners, store.dim, settings, coords=coords)
        stored = _compare(aggregator, runners, store, sorted(manifest.patients), settings)
        golden = GoldenEmbedding(patches=GOLDEN_PATCHES, embedding=golden_output(module, store.dim, coords=coords))
    progress.advance()
    worst = max(case.difference for case in cases)
    facts = EmbeddingFacts(
        name=settings.title or f"{weights.method['name']} {weights.model['name']} on {contract.encoder or 'features'}",
        model=weights.model,
        contract=contract,
        similarity=write_statistics(store, manifest.patients, out),
        embed_dim=aggregator.embed_dim,
        pretraining=_pretraining(inputs["pretrain"], weights, manifest),
        parity=Parity(tolerance=settings.tolerance, worst=worst, cases=cases, stored=stored, not_made=files.not_made),
        pools_blocks=files.pools_blocks,
        golden=golden,
        opset=settings.opset,
    )
    (out / TRAINING).write_bytes(hash_slides(inputs, sorted(manifest.patients), store).render())
    (out / CARD).write_text(render_embedding_card(facts), encoding="utf-8")
    progress.advance()
    return _summary(seal(out, facts), len(files.contents["onnx"]))


def _of_cohort(settings: ExportSettings, inputs: Inputs) -> tuple[Inputs, Store, ExportSettings]:
    """Inputs, store and settings of the cohort of the pretraining: without `extract` if it has features of its own."""
    other = inputs.get("pretrain_mmap")
    if other is None:
        return inputs, Store(inputs["mmap"], check=inputs.verify), settings
    parents = {name: folder for name, folder in inputs.parents.items() if name != "extract"}
    own = settings.model_copy(update={"extract": None})
    return replace(inputs, parents=parents), Store(other, check=inputs.verify), own


def _contract(
    settings: ExportSettings, inputs: Inputs, store: Store, aggregator: BaseMIL, weights: WeightFacts
) -> Contract:
    """The contract, with what the weights state about features that OceanPath did not extract."""
    contract = describe_contract(store, settings, inputs, reads_coords=aggregator.reads_coords)
    if contract.extraction is not None or weights.mpp is None or weights.patch_um is None:
        return contract
    known = {"target_mpp": weights.mpp, "patch_px": round(weights.patch_um / weights.mpp)}
    return contract.model_copy(update={**known, "encoder_revision": weights.encoder_revision})


def _pretraining(folder: Path, weights: WeightFacts, manifest: SplitManifest) -> PretrainingFacts:
    result: Mapping[str, Any] = json.loads((folder / "pretrain.json").read_text())
    return PretrainingFacts(
        method=weights.method,
        step=weights.step,
        selection=result["selection"],
        slides=len(manifest.patients),
        patients=len(set(manifest.patients.values())),
        monitors=result["monitors"],
        rankme_limit=result["rankme_limit"],
    )


def _compare(
    aggregator: BaseMIL, runners: Mapping[Format, Runner], store: Store, slides: list[str], settings: ExportSettings
) -> StoredParity:
    """Compare the files with the embeddings of slides of the store as `oceanpath embed` computes them.

    Raises: StageError: a difference exceeds the tolerance.
    """
    chosen = np.random.default_rng(settings.seed).permutation(len(slides))[: settings.parity_slides]
    numbers = [store.number(slides[k]) for k in sorted(chosen.tolist())]
    bags = loader_of(BagDataset(store, numbers), [[Draw(position, 0)] for position in range(len(numbers))])
    with torch.inference_mode():
        expected = [aggregator.forward_packed(bag)[0][0].numpy() for bag in bags]
    worst = {form: _largest(run, store, numbers, expected, aggregator.reads_coords) for form, run in runners.items()}
    for form, difference in worst.items():
        if not difference <= settings.tolerance:
            what = f"{form} differs from the embeddings of the store"
            raise StageError(what, expected=f"at most {settings.tolerance:g}", got=f"{difference:.3g}")
    return StoredParity(rows=len(numbers), total=len(slides), differences=worst)


def _largest(
    run: Runner, store: Store, numbers: list[int], expected: list[NDArray[np.float32]], reads_coords: bool
) -> float:
    """The largest difference of a file from the expected embeddings, relative to those above 1."""
    differences = []
    for number, wanted in zip(numbers, expected, strict=True):
        coords = store.coords(number) if reads_coords else None
        features = np.ascontiguousarray(store.features(number), np.float32)[None]
        got = run(features, None if coords is None else coords.astype(np.float32)[None])[0][0]
        differences.append(np.abs(got - wanted).max() / max(1.0, float(np.abs(wanted).max())))
    return float(np.max(differences))


def _summary(facts: EmbeddingFacts, size: int) -> Summary:
    parity, stored = facts.parity, facts.parity.stored
    largest = max(stored.differences.values())
    lines = (
        f"embeddings of length {facts.embed_dim}, {size / 2**20:.1f} MB, model {facts.digest[:12]}",
        f"reproduces the embeddings of {stored.rows} of {stored.total} slides within {largest:.1e}",
        f"agrees with torch within {parity.worst:.1e}",
    )
    metrics = {"parity": parity.worst, "parity_stored": largest, "onnx_bytes": size}
    return Summary(lines, metrics)

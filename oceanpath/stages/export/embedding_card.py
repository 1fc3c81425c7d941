"""MODEL_CARD.md of a pretrained aggregator."""

from __future__ import annotations

from oceanpath.artifacts.bundle.facts import EmbeddingFacts
from oceanpath.stages.export.card_text import (
    COORDS,
    cap_text,
    geometry_text,
    markdown_table,
    parity_text,
    similarity_text,
)

USE = """\
```
oceanpath predict --bundle FOLDER slide.h5     # writes a table of embeddings
oceanpath serve FOLDER                         # embeddings over HTTP, on this machine only
curl --data-binary @slide.h5 http://127.0.0.1:8000/predict
```"""
LIMITS = """\
- An embedding is no prediction. A classifier of these embeddings needs labelled slides, and an evaluation of its own on
  patients that were not used for this pretraining; `training_slides.json` recognises those that were.
- The monitors above are computed without labels. They show collapse, not the benefit for a task.
- Features of another encoder, patch size or resolution are not supported. They are rejected if the file states these
  properties; properties that a file does not state are not compared."""

OF_TRAINING = ("step", "lr", "train_")
"""Beginnings of the names of values that do not describe the kept weights."""


def render_embedding_card(facts: EmbeddingFacts) -> str:
    """The whole card as Markdown."""
    parts = [
        f"# {facts.name}",
        f"**{facts.notice}**",
        _what(facts),
        "## Usage\n\n" + USE,
        _pretraining(facts),
        "## Limitations\n\n" + LIMITS,
        _parity(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _what(facts: EmbeddingFacts) -> str:
    contract, training = facts.contract, facts.pretraining
    rows = [
        ("Task", "slide embedding"),
        ("Model", str(facts.model["name"])),
        (
            "Input",
            f"features of one slide, [N, {contract.feature_dim}], one row per patch, rounded to {contract.dtype}",
        ),
        ("Coordinates", COORDS[contract.coords]),
        ("Patches used", cap_text(contract)),
        ("Encoder", contract.encoder or "not recorded"),
        ("Patch size, resolution", geometry_text(contract)),
        ("Output", f"embedding of length {facts.embed_dim}, and one attention weight per patch"),
        ("Unlike slides", similarity_text(facts.similarity)),
        ("Pretrained on", f"{training.slides} slides of {training.patients} patients"),
    ]
    return "## Overview\n\n" + markdown_table(("", ""), rows)


def _pretraining(facts: EmbeddingFacts) -> str:
    training = facts.pretraining
    keys = ", ".join(f"{name} = {value}" for name, value in training.method.items() if name != "name")
    text = f"Method {training.method['name']} ({keys}). Weights of the step with the {training.selection}."
    monitors = {name: value for name, value in training.monitors.items() if not name.startswith(OF_TRAINING)}
    rows = [(name, f"{value:.4g}") for name, value in monitors.items() if value is not None]
    limit = f"RankMe is at most {training.rankme_limit} for this number of slides."
    return f"## Pretraining\n\n{text} {limit}\n\n{markdown_table(('Monitor', 'Validation views'), rows)}"


def _parity(facts: EmbeddingFacts) -> str:
    parity, stored = facts.parity, facts.parity.stored
    text = (
        f"The embeddings of {stored.rows} of the {stored.total} slides were computed again with every exported file; "
        f"the largest difference is {max(stored.differences.values()):.1e} (allowed: {parity.tolerance:g}). "
        f"{parity_text(parity)}"
    )
    return f"## Verification of the exported files\n\n{text}"

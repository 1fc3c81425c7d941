"""Bundle → a model of SpinPath: the ensemble with the interface that SpinPath runs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from oceanpath.artifacts.bundle.facts import BundleFacts
from oceanpath.artifacts.bundle.folder import TORCHSCRIPT, as_classifier, golden_bag, read_bundle
from oceanpath.artifacts.spinpath import SCRIPT, SpinPathConfig, write_config
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.models.spinpath import load_script
from oceanpath.stages.export.torchscript_file import trace


class SpinPathModel(nn.Module):
    """features [N, D] → logits [1, C], whose softmax are the probabilities of the ensemble, and attention [N]."""

    def __init__(self, ensemble: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.ensemble, self.dtype = ensemble, dtype

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The features are rounded to the precision of the training data first."""
        outputs = self.ensemble(features.to(self.dtype).to(torch.float32).unsqueeze(0))
        return torch.log(outputs[0]), outputs[1].squeeze(0)


def write_spinpath(bundle: Path, out: Path) -> SpinPathConfig:
    """Write the model of a bundle to `out`, an empty folder, as SpinPath reads it; returns its configuration.

    Raises:
        ExperimentError: SpinPath cannot run the model, or the bundle does not state what SpinPath needs.
        ArtifactError: a file of the bundle is damaged, or the written file gives other probabilities.
    """
    facts = as_classifier(read_bundle(bundle).facts, bundle)
    if wrong := _obstacles(facts):
        raise ExperimentError("SpinPath cannot run this model", where=bundle, got="; ".join(wrong))
    contract = facts.contract
    model = SpinPathModel(load_script(bundle / TORCHSCRIPT), getattr(torch, contract.dtype)).eval()
    example = torch.from_numpy(golden_bag(facts.golden.patches, contract.feature_dim))
    (out / SCRIPT).write_bytes(trace(model, (example,)))
    with torch.inference_mode():
        logits, _ = load_script(out / SCRIPT)(example)
        probabilities = model.ensemble(example.to(model.dtype).to(torch.float32).unsqueeze(0))[0]
    difference = (logits.exp() - probabilities).abs().max().item()
    if not difference <= facts.parity.tolerance:
        what = "the written model gives other probabilities than the bundle"
        raise ArtifactError(what, where=out / SCRIPT, expected=facts.parity.tolerance, got=difference)
    config = SpinPathConfig.of_bundle(facts)
    write_config(out, config)
    return config


def _obstacles(facts: BundleFacts) -> list[str]:
    """Why SpinPath cannot run the model."""
    contract = facts.contract
    found = ["the model reads coordinates, which SpinPath does not pass on"] if contract.coords == "required" else []
    if contract.patient_bags is not None:
        found.append("the model predicts patients from all their slides, and SpinPath reads one slide")
    if contract.cap is not None:
        found.append(f"slides are sampled down to {contract.cap.max_patches} patches, which SpinPath does not do")
    if TORCHSCRIPT not in facts.files:
        found.append('the bundle has no TorchScript; export it with export.formats = ["onnx", "torchscript"]')
    if not (contract.patch_px and contract.target_mpp):
        found.append("patch size or resolution are unknown")
    if not contract.encoder:
        found.append("the encoder is unknown")
    return found

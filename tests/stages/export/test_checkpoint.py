"""Every aggregator of the registry agrees with PyTorch at the recorded sizes; all of them in `nox -s bundles`."""

from __future__ import annotations

import os

import pytest
import torch

from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import aggregator_names, parse_model
from oceanpath.models.verify.trial import small
from oceanpath.stages.export.checkpoint import export_checkpoint
from oceanpath.stages.export.settings import ExportSettings

from .conftest import CLASSES, OBJECTIVE

NAMES = aggregator_names() if os.environ.get("OCEANPATH_AGGREGATORS") == "all" else ["abmil"]
READ_COORDS = ("transformer", "transmil")
POOL_BLOCKS = ("abmil", "linear", "acmil", "clam_mb", "clam_sb", "mean_mlp", "multihead_abmil")


@pytest.mark.parametrize("name", NAMES)
def test_the_bundle_records_the_comparison_at_1_2_17_and_4096_patches(name, tmp_path):
    torch.manual_seed(0)
    save_checkpoint(WSIClassifier(parse_model(small(name)), 12, CLASSES), OBJECTIVE, tmp_path / "best.ckpt")
    (tmp_path / "bundle").mkdir()
    facts = export_checkpoint(tmp_path / "best.ckpt", tmp_path / "bundle", ExportSettings(), 12)
    assert facts.pools_blocks == (name in POOL_BLOCKS)
    parity = facts.parity
    assert facts.contract.coords == ("required" if name in READ_COORDS else "unused")
    assert not parity.not_made
    sizes = {(case.format, case.patches) for case in parity.cases}
    assert sizes == {(form, n) for form in ("onnx", "torchscript") for n in (1, 2, 17, 4096)}
    assert parity.worst == max(case.difference for case in parity.cases) <= 1e-5

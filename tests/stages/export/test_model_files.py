"""Which files a bundle has, and what it states about those that could not be made."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oceanpath.artifacts.bundle.facts import Parity, ParityCase, StoredParity
from oceanpath.artifacts.bundle.folder import ONNX, TORCHSCRIPT
from oceanpath.errors import StageError
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model
from oceanpath.models.verify.trial import small
from oceanpath.stages.export import model_files
from oceanpath.stages.export.blocks import pools_blocks
from oceanpath.stages.export.card_text import parity_text
from oceanpath.stages.export.settings import ExportSettings

from ...serving.conftest import DIM
from ...serving.pooling_bundle import NAMES, pooling_file
from .test_checkpoint import POOL_BLOCKS


class Untraceable(nn.Module):
    """A module with an operation that `torch.jit.trace` does not record."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(f"no rule for the operation\n  of {features.shape}")


@pytest.fixture
def onnx_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "to_onnx", lambda *_, **__: b"onnx")


@pytest.mark.usefixtures("onnx_only")
def test_a_bundle_without_torchscript_states_why(tmp_path):
    files = model_files.write_model_files(Untraceable(), DIM, ExportSettings(), tmp_path, coords=False)
    assert files.contents == {"onnx": b"onnx"} and (tmp_path / ONNX).read_bytes() == b"onnx"
    assert files.not_made == {"torchscript": "RuntimeError: no rule for the operation"}
    assert not (tmp_path / TORCHSCRIPT).exists()
    case = ParityCase(format="onnx", batch=1, patches=1, difference=0.0)
    stored = StoredParity(rows=1, total=1, differences={})
    parity = Parity(tolerance=1e-5, worst=0.0, cases=[case], stored=stored, not_made=files.not_made)
    assert parity_text(parity).endswith("torchscript could not be exported: RuntimeError: no rule for the operation.")
    assert "not_made" not in parity.model_copy(update={"not_made": {}}).model_dump()


@pytest.mark.usefixtures("onnx_only")
def test_a_format_that_was_not_requested_is_not_missing(tmp_path):
    settings = ExportSettings(formats=("onnx",))
    assert not model_files.write_model_files(Untraceable(), DIM, settings, tmp_path, coords=False).not_made


def test_architectures_with_scores_of_single_patches_pool_blocks():
    built = {name: build_aggregator(parse_model(small(name)), DIM) for name in aggregator_names()}
    assert {name for name, aggregator in built.items() if aggregator.pools_blocks} == set(POOL_BLOCKS)


def test_a_file_is_evaluated_in_blocks_only_if_architecture_and_file_permit_it():
    abmil, transmil = (build_aggregator(parse_model({"name": name}), DIM) for name in ("abmil", "transmil"))
    assert pools_blocks(abmil, pooling_file(), DIM, 1e-5, NAMES) is True
    assert pools_blocks(transmil, pooling_file(), DIM, 1e-5, NAMES) is False
    assert pools_blocks(nn.Identity(), pooling_file(), DIM, 1e-5, NAMES) is False
    assert pools_blocks(abmil, pooling_file("logits"), DIM, 1e-5, NAMES) is False
    with pytest.raises(StageError, match="for blocks of patches differs"):
        pools_blocks(abmil, pooling_file("scores"), DIM, 1e-5, NAMES)

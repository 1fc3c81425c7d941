"""The exported files of a module, and its known result for the golden bag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from oceanpath.artifacts.bundle.folder import ONNX, TORCHSCRIPT, golden_bag, golden_coords
from oceanpath.stages.export.blocks import pools_blocks
from oceanpath.stages.export.onnx_file import OUTPUTS, to_onnx
from oceanpath.stages.export.runners import Format, Runner, runner_of, torch_runner
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.torchscript_file import to_torchscript

GOLDEN_PATCHES = 16
TRACE_ERRORS = (RuntimeError, TypeError, ValueError)
"""What `torch.jit.trace` raises for an operation that it cannot record."""
MAX_REASON = 300


class ModelFiles(NamedTuple):
    """The files of a module."""

    contents: dict[Format, bytes]
    not_made: dict[str, str]
    """Requested format → why there is no file in it."""
    pools_blocks: bool
    """As in bundle.json."""

    def runners(self) -> dict[Format, Runner]:
        """A runner of every file."""
        return {form: runner_of(form, content) for form, content in self.contents.items()}


def write_model_files(
    module: nn.Module, dim: int, settings: ExportSettings, out: Path, *, coords: bool, outputs: Sequence[str] = OUTPUTS
) -> ModelFiles:
    """Write `module` below `out` in the formats of the settings. Without TorchScript, a bundle is complete.

    Raises: StageError: as `to_onnx` and `pools_blocks`.
    """
    onnx = to_onnx(module, dim, settings.opset, coords=coords, outputs=outputs)
    (out / ONNX).write_bytes(onnx)
    files = ModelFiles({"onnx": onnx}, {}, pools_blocks(module, onnx, dim, settings.tolerance, outputs))
    if "torchscript" in settings.formats:
        try:
            files.contents["torchscript"] = to_torchscript(module, dim, coords=coords)
        except TRACE_ERRORS as error:
            reason = str(error).strip().partition("\n")[0][:MAX_REASON]
            files.not_made["torchscript"] = f"{type(error).__name__}: {reason}"
        else:
            (out / TORCHSCRIPT).write_bytes(files.contents["torchscript"])
    return files


def golden_output(module: nn.Module, dim: int, *, coords: bool) -> list[float]:
    """The first output of `module` for the golden bag, rounded to seven decimals."""
    bag_coords = golden_coords(GOLDEN_PATCHES)[None] if coords else None
    output = torch_runner(module)(golden_bag(GOLDEN_PATCHES, dim)[None], bag_coords)[0][0]
    return [round(float(value), 7) for value in output]

"""The exported files of a module, and its known result for the golden bag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from oceanpath.artifacts.bundle.folder import ONNX, TORCHSCRIPT, golden_bag, golden_coords
from oceanpath.stages.export.onnx_file import OUTPUTS, to_onnx
from oceanpath.stages.export.runners import Format, torch_runner
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.torchscript_file import to_torchscript

GOLDEN_PATCHES = 16


def write_model_files(
    module: nn.Module, dim: int, settings: ExportSettings, out: Path, *, coords: bool, outputs: Sequence[str] = OUTPUTS
) -> dict[Format, bytes]:
    """Write `module` below `out` in the formats of the settings; returns their bytes.

    Raises: StageError: as `to_onnx`.
    """
    files: dict[Format, bytes] = {"onnx": to_onnx(module, dim, settings.opset, coords=coords, outputs=outputs)}
    (out / ONNX).write_bytes(files["onnx"])
    if "torchscript" in settings.formats:
        files["torchscript"] = to_torchscript(module, dim, coords=coords)
        (out / TORCHSCRIPT).write_bytes(files["torchscript"])
    return files


def golden_output(module: nn.Module, dim: int, *, coords: bool) -> list[float]:
    """The first output of `module` for the golden bag, rounded to seven decimals."""
    bag_coords = golden_coords(GOLDEN_PATCHES)[None] if coords else None
    output = torch_runner(module)(golden_bag(GOLDEN_PATCHES, dim)[None], bag_coords)[0][0]
    return [round(float(value), 7) for value in output]

"""Eager module → model.ts: a TorchScript archive with equal bytes for equal weights."""

from __future__ import annotations

import io
import re
import warnings
import zipfile

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from oceanpath.stages.export.onnx_file import example_inputs

EPOCH = (1980, 1, 1, 0, 0, 0)
MANGLED = re.compile(rb"___torch_mangle_\d+")
PLAIN = b"frozen"


def to_torchscript(module: nn.Module, dim: int, *, coords: bool = False) -> bytes:
    """`module` traced on one example, as the bytes of a file for ``torch.jit.load``.

    Its inputs are features [batch, n, dim] float32 and, with `coords`, coordinates [batch, n, 2] float32; its outputs
    are those of `module`, in order.
    """
    return trace(module, example_inputs(dim, coords=coords))


def trace(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> bytes:
    """`module` traced on these inputs, as the bytes of a file for ``torch.jit.load``."""
    with warnings.catch_warnings():
        # TorchScript is deprecated in torch, but users of other languages need the file. The tracer's warnings about
        # shapes are covered by the parity check at other shapes.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", TracerWarning)
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]  # untyped in torch
        frozen = torch.jit.freeze(traced)
        buffer = io.BytesIO()
        torch.jit.save(frozen, buffer)
    return _plain(buffer.getvalue())


def _plain(archive: bytes) -> bytes:
    """The archive without the parts that differ between runs; the parity check loads the result.

    Removed: debug records, which contain stack traces with paths of the exporting machine, and the serialization id.
    Renamed: the only class of a frozen module, whose name contains the number of classes that this process traced
    before. The name occurs in paths, in code and in a newline-ended opcode of data.pkl, never after a length field.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            if name.endswith((".debug_pkl", "/serialization_id")):
                continue
            content = old.read(name)
            if name.endswith((".py", "/data.pkl")):
                content = MANGLED.sub(PLAIN, content)
            new.writestr(zipfile.ZipInfo(MANGLED.sub(PLAIN, name.encode()).decode(), EPOCH), content)
    return target.getvalue()

"""A `.pt` file as a source of features: one tensor, or a dictionary of tensors (CLAM)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from oceanpath.artifacts.features.container import Source
from oceanpath.artifacts.features.numpy_source import sliced


@contextmanager
def torch_source(path: Path) -> Iterator[Source]:
    """Open a file of torch without running code in it."""
    import torch  # importing it takes a second, and only these files need it

    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # written before torch 1.6: no zip archive, so it cannot be mapped
        held = torch.load(path, map_location="cpu", weights_only=True)
    named = held if isinstance(held, dict) else {"features": held}
    tensors = {str(name): value for name, value in named.items() if isinstance(value, torch.Tensor)}
    arrays = {name: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in tensors.items()}

    def blocks(name: str, rows: int = 0) -> Iterator[NDArray[Any]]:
        tensor = tensors[name].detach()
        return sliced((tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy(), rows)

    yield Source("torch", arrays, blocks)

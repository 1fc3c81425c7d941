"""Random numbers that depend on their purpose, never on earlier draws."""

from __future__ import annotations

import hashlib


def derive(seed: int, *purpose: int | str) -> int:
    """A seed in [0, 2**63) for one purpose: ``derive(42, "step", epoch, step)``."""
    text = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_torch(seed: int, *purpose: int | str) -> None:
    """Set torch's global generators (of the CPU, and of every GPU that is in use) for one purpose.

    `torch.manual_seed` formats a stack trace in every call before the first use of a GPU, and keeps it.
    """
    import torch  # slow to import; `derive` does not need it

    derived = derive(seed, *purpose)
    if torch.cuda.is_initialized() or torch.backends.mps.is_available():  # type: ignore[no-untyped-call]  # in torch
        torch.manual_seed(derived)
    else:
        torch.default_generator.manual_seed(derived)

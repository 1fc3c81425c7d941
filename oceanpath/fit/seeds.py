"""Random numbers from what they are for, never from what was drawn before."""

from __future__ import annotations

import hashlib


def derive(seed: int, *purpose: int | str) -> int:
    """A seed in [0, 2**63) for one purpose: ``derive(42, "step", epoch, step)``."""
    text = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_torch(seed: int, *purpose: int | str) -> None:
    """Set torch's global generators (of every device) for one purpose."""
    import torch  # whoever only derives seeds does not wait for it

    torch.manual_seed(derive(seed, *purpose))

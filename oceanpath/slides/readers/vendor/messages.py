"""What passes between a run and the process that holds a maker's library: a JSON header, then raw bytes.

A message is two little-endian unsigned 32-bit numbers, the bytes of the header and of what follows it, and those.
Nothing is unpickled: a library that has gone wrong can send nonsense, but nothing that runs.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

SIZES = struct.Struct("<II")


def packed(header: Mapping[str, Any], payload: bytes = b"") -> list[bytes]:
    """The pieces of one message, to be written one after the other."""
    text = json.dumps(header).encode()
    return [SIZES.pack(len(text), len(payload)) + text, payload]


def received(take: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    """Header and payload of the next message.

    Args:
        take: Gives exactly so many bytes, or raises.

    Raises: ValueError: the header is no JSON object.
    """
    header_bytes, payload_bytes = SIZES.unpack(take(SIZES.size))
    header = json.loads(take(header_bytes))
    if not isinstance(header, dict):
        raise ValueError(f"a header of {header!r}")
    return header, take(payload_bytes) if payload_bytes else b""

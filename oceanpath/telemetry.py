"""Libraries that report their use are switched off before any of them is imported.

`oceanpath/__init__.py` calls `switch_off`, so every command, worker process and Python program that imports OceanPath
passes through it; child processes inherit the variables. A value that was set before is replaced: nothing leaves the
machine but downloads of encoder weights that were asked for.
"""

from __future__ import annotations

import os

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""onnxruntime from 1.29 on sends events and keeps a device identifier unless this is set before it is imported;
huggingface_hub describes the caller in every request; the last one is read by several libraries."""


def switch_off() -> None:
    """Set the variables for this process and for those it starts."""
    os.environ.update(OFF)

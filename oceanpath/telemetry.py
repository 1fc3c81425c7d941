"""Usage reports of libraries are switched off before any of them is imported.

`oceanpath/__init__.py` calls `switch_off`, so every command, worker process and Python program that imports OceanPath
calls it; child processes inherit the variables. Values that were set before are replaced: nothing leaves the machine
except requests for encoder weights that the user chose.
"""

from __future__ import annotations

import os

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""onnxruntime since 1.29 sends events and stores a device identifier unless this is set before it is imported;
huggingface_hub describes the caller in every request; several libraries read DO_NOT_TRACK, and mlflow only if it is
"true"."""


def switch_off() -> None:
    """Set the variables for this process and its child processes."""
    os.environ.update(OFF)

"""The analysis plan of a sealed test, recorded before its test slides are predicted.

    analysis_plan.json   {"plan": {...}, "sha256"}

"plan" has the metrics, the comparisons with baselines, the margin of non-inferiority, and the settings of intervals and
subgroups; "sha256" is the digest of the plan as JSON with sorted keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError

FILE = "analysis_plan.json"


def plan_digest(plan: Mapping[str, Any]) -> str:
    """The SHA-256 digest of a plan."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode("ascii")).hexdigest()


def write_plan(plan: Mapping[str, Any], out: Path) -> None:
    """Write analysis_plan.json below `out`."""
    write_json(out / FILE, {"plan": plan, "sha256": plan_digest(plan)})


def read_plan(path: Path) -> dict[str, Any]:
    """The contents of analysis_plan.json below `path`. Raises: ArtifactError: missing, damaged, or another digest."""
    try:
        found: dict[str, Any] = json.loads((path / FILE).read_text(encoding="ascii"))
        is_same = found["sha256"] == plan_digest(found["plan"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArtifactError(f"{FILE} cannot be read", where=path, got=error) from error
    if not is_same:
        raise ArtifactError("the analysis plan does not have its digest", where=path, got=found["sha256"])
    return found

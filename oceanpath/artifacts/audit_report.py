"""The results of an audit.

    audit.json   {"checks": [finding, ...]}; each finding is {"check", "verdict", "text", "value", "limit", "items"}

"verdict" is `found` (the problem exists), `not_found`, or `not_checked`; "text" states the result, or why there is
none, in words. "value" is a number, or null where there is none; "limit" is the setting with which it was compared, or
null. "items" lists the cases: for leaks objects with "fold", "roles", and the slides or the patient.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError

FILE = "audit.json"
FOUND, NOT_FOUND, NOT_CHECKED = "found", "not_found", "not_checked"
LEAKS = ("shared_slides", "shared_patients", "identical_features", "near_duplicates")
"""Checks for the same tissue in several roles."""
CHECKS = (
    *LEAKS,
    *("label_from_bag_length", "label_from_site", "label_from_columns", "label_from_store", "label_from_order"),
    *("site_from_features", "robustness", "label_shuffle"),
)
"""Names of all checks, in the order of reports."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    verdict: str
    text: str
    value: float | None = None
    limit: float | None = None
    items: Sequence[Mapping[str, Any]] = field(default=())


def verdict(is_found: bool) -> str:
    """`FOUND` or `NOT_FOUND`."""
    return FOUND if is_found else NOT_FOUND


def write_audit(findings: Sequence[Finding], out: Path) -> None:
    """Write audit.json below `out`."""
    write_json(out / FILE, {"checks": [asdict(finding) for finding in findings]})


def read_audit(path: Path) -> list[Finding]:
    """The findings of audit.json below `path`.

    Raises: ArtifactError: the file is missing or damaged.
    """
    try:
        findings = [Finding(**entry) for entry in json.loads((path / FILE).read_text())["checks"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{FILE} cannot be read", where=path, got=error) from error
    for finding in findings:
        if finding.verdict not in (FOUND, NOT_FOUND, NOT_CHECKED) or not finding.text:
            raise ArtifactError("a finding has no verdict or no text", where=path, got=finding.check)
    return findings

"""The findings of the audits of a run, and the error for those that `audit.gate` names."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from oceanpath.artifacts.audit_report import FOUND, Finding, read_audit
from oceanpath.cli.options import Common
from oceanpath.cli.table import table
from oceanpath.errors import GateError
from oceanpath.pipeline.status import StepState

if TYPE_CHECKING:
    from oceanpath.stages.audit.settings import AuditSettings


def check_audits(states: Sequence[StepState], common: Common) -> None:
    """Print the findings of the audits of a run.

    Raises: GateError: there are findings that the gate names. ArtifactError: an audit.json is damaged.
    """
    for state in states:
        folder = common.as_workspace().folder("stage", "audit", state.fingerprint)
        settings: AuditSettings = state.step.settings  # type: ignore[assignment]  # those of its stage
        findings = read_audit(folder)
        if not common.quiet:
            print_findings(findings, as_json=common.as_json)
        refuse_findings(findings, settings.gate, f"{common.workspace}/experiments: {state.step.name}")


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print findings as a table, or as one line of JSON."""
    if as_json:
        print(json.dumps({"event": "audit", "checks": [asdict(finding) for finding in findings]}))
        return
    rows = [[finding.check, finding.verdict.replace("_", " "), finding.text] for finding in findings]
    print(f"\n{table(('check', 'result', 'details'), rows, text=('details',))}")


def refuse_findings(findings: Sequence[Finding], gate: Collection[str], where: object) -> None:
    """Raise GateError if a check that the gate names has found something."""
    failed = [finding for finding in findings if finding.verdict == FOUND and finding.check in gate]
    if failed:
        listed = "".join(f"\n  {finding.check}: {finding.text}" for finding in failed)
        do = f"Correct the table or the folds, or accept a check by leaving it out of audit.gate.{listed}"
        raise GateError(f"the audit has {len(failed)} findings that its gate names", where=where, do=do)

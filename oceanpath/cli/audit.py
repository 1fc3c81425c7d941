"""`oceanpath audit`: check the cohort and the folds of an experiment, or a split file of another tool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.audit_report import LEAKS
from oceanpath.cli.audit_gate import print_findings, refuse_findings
from oceanpath.cli.options import Common, flag
from oceanpath.cli.run import run_experiment
from oceanpath.errors import ExitCode, ExperimentError

FLAGS = (
    flag("split_file", Path | None, None, "Check this split file of another tool instead of an experiment."),
    flag("labels", Path | None, None, "Table with the patient of each slide, for --split-file."),
    flag("slide_id", str, "slide_id", "Column of --labels with slide ids."),
    flag("patient_id", str, "case_id", "Column of --labels with patient ids."),
    flag("patient_rule", str, "", "Read patients from slide ids instead of --labels: tcga_barcode."),
)
TCGA_RULE = "tcga_barcode"
SHOWN = 200
"""Pairs that are printed; --json prints all."""


def call(common: Common) -> int:
    """Check an experiment, or the split file. Raises: GateError: there are findings that the gate names."""
    if common.more["split_file"] is None:
        return run_experiment(common, ("audit",))
    from oceanpath.artifacts.split_files.formats import read_split_file  # needed only for a split file
    from oceanpath.audit.split_file import audit_split_file, patients_by_barcode, patients_by_table

    path = Path(common.more["split_file"])
    source = read_split_file(path)
    if common.more["labels"] is not None:
        columns = {key: str(common.more[key]) for key in ("slide_id", "patient_id")}
        owner = patients_by_table(source, Path(common.more["labels"]), **columns)
    elif common.more["patient_rule"] == TCGA_RULE or source.unit == "patient":
        owner = patients_by_barcode(source)
    else:
        do = f"Name a table with --labels, or set --patient-rule {TCGA_RULE} for TCGA barcodes."
        raise ExperimentError("the patients of the slides are unknown", where=path, do=do)
    findings = audit_split_file(source, owner)
    if not common.quiet:
        print_findings(findings, as_json=common.as_json)
    if not common.as_json and not common.quiet:
        _print_pairs([item for finding in findings for item in finding.items])
    refuse_findings(findings, LEAKS, path)
    return int(ExitCode.OK)


def _print_pairs(items: list[Mapping[str, Any]]) -> None:
    for item in items[:SHOWN]:
        name = item.get("patient") or item.get("slide")
        print(f"  fold {item['fold']}  {name}  {', '.join(map(str, item['roles']))}")
    if len(items) > SHOWN:
        print(f"  and {len(items) - SHOWN} more; --json prints all")

"""`oceanpath ledger verify|prune|rebuild`: check, clean up and recover a workspace."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.ledger.history import Workspace as Folder
from oceanpath.errors import ArtifactError, ExitCode, ExperimentError
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.leases import removal
from oceanpath.pipeline.workspace import Workspace

Folders = Annotated[
    list[Path] | None, typer.Argument(metavar="[FOLDER]", help="Published folders to check; default: all.")
]


def register(app: typer.Typer) -> None:
    """Add these verbs to `app`."""
    app.command()(verify)
    app.command()(prune)
    app.command()(rebuild)


def verify(
    folders: Folders = None,
    workspace: Folder = Path("outputs"),
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte, including the files of the cohort.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move damaged results aside; the next run computes them again.")
    ] = False,
    mend: Annotated[bool, typer.Option("--mend", hidden=True, help="Former name of --repair.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Check results for missing, extra and damaged files. Exit code 4 if there are any."""
    if mend:
        print("warning: --mend is now called --repair", file=sys.stderr)
    chosen = [folder.resolve() for folder in folders or ()]
    checked = _open(_workspace_of(chosen) if chosen else workspace)
    findings = maintenance.verify(checked, deep=deep, repair=repair or mend, folders=chosen)
    if as_json:
        print(json.dumps([{"where": str(f.where), "problem": f.problem, "do": f.do} for f in findings]))
    else:
        for finding in findings:
            print(f"{finding.where}: {finding.problem}\n    repair: {finding.do}")
    if findings:
        raise ArtifactError(f"{len(findings)} findings", where=checked.root)
    if not as_json:
        count = len(chosen or maintenance.published(checked))
        print(f"{count} published results are undamaged" + (", every byte was compared" if deep else ""))
    return int(ExitCode.OK)


def prune(
    workspace: Folder = Path("outputs"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; default: only list them.")] = False,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="EXPERIMENT", help="Remove this experiment first; repeatable.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """List results that no experiment uses, or remove them with --yes."""
    pruned = _open(workspace)
    with removal(pruned) if yes else nullcontext():
        return _prune(pruned, drop or [], yes=yes, as_json=as_json)


def _prune(workspace: Workspace, drop: list[str], *, yes: bool, as_json: bool) -> int:
    for name in drop:
        _drop(workspace, name, yes=yes)
    folders = maintenance.unused(workspace)
    sizes = {str(folder.relative_to(workspace.root)): maintenance.size(folder) for folder in folders}
    if as_json:
        print(json.dumps({"removed": yes, "bytes": sizes}))
    else:
        for name, size in sizes.items():
            print(f"{size / 2**20:10.1f} MB  {name}")
        outcome = "removed" if yes else "would be removed; add --yes to remove them"
        print(f"{len(sizes)} results, {sum(sizes.values()) / 2**20:.1f} MB: {outcome}")
    if yes:
        maintenance.prune(workspace, folders)
    return int(ExitCode.OK)


def rebuild(workspace: Folder = Path("outputs"), as_json: JsonFlag = False) -> int:
    """Rebuild the ledger from the published results. The old file is kept."""
    rebuilt = _open(workspace)
    folders, experiments = maintenance.rebuild(rebuilt)
    damaged, text = len(maintenance.published(rebuilt)) - folders, f"{folders} published results"
    text += f" of {experiments} experiments"
    if damaged:
        see = f"see `oceanpath ledger verify --workspace {rebuilt.root}`"
        text += f"\n{damaged} damaged results are left out: {see}"
    facts = {"results": folders, "experiments": experiments, "damaged": damaged}
    print_result(text, facts, as_json=as_json)
    return int(ExitCode.OK)


def _open(folder: Path) -> Workspace:
    if not folder.is_dir():
        do = "Name another workspace with --workspace."
        raise ExperimentError("there is no such workspace", where=folder, do=do)
    return Workspace(folder.resolve())


def _workspace_of(folders: list[Path]) -> Path:
    """The workspace of published folders. Raises: ExperimentError: one of them is not a published folder."""
    for folder in folders:
        if not folder.is_dir() or len(folder.parents) < 3 or folder.parents[1].name not in ("runs", "parts"):
            expected = "a folder such as outputs/runs/STAGE/FINGERPRINT"
            raise ExperimentError("this is not a published folder", where=folder, expected=expected)
    return folders[0].parents[2]


def _drop(workspace: Workspace, name: str, *, yes: bool) -> None:
    folder = workspace.root / "experiments" / name
    if not folder.is_dir():
        raise ExperimentError("there is no such experiment", where=folder.parent, got=name)
    if not yes:
        raise ExperimentError("--drop removes an experiment", where="--drop", do="Add --yes to confirm.")
    shutil.rmtree(folder)

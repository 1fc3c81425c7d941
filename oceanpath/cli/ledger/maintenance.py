"""`oceanpath ledger verify|prune|rebuild`: keeping a workspace whole and small."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.ledger.history import AsJson, Workspace
from oceanpath.errors import ArtifactError, ExitCode, ExperimentError
from oceanpath.pipeline import maintenance as stock
from oceanpath.pipeline.leases import removal
from oceanpath.pipeline.workspace import Workspace as Place

Folders = Annotated[
    list[Path] | None, typer.Argument(metavar="[FOLDER]", help="Published folders to check; default: all.")
]


def register(app: typer.Typer) -> None:
    """Give `app` these verbs."""
    app.command()(verify)
    app.command()(prune)
    app.command()(rebuild)


def verify(
    folders: Folders = None,
    workspace: Workspace = Path("outputs"),
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte, also of the cohort's files.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="Move damaged results aside; the next run makes them again.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Check all results for missing, extra and damaged files; exit code 4 if there are any."""
    chosen = [folder.resolve() for folder in folders or ()]
    place = _place(_workspace_of(chosen) if chosen else workspace)
    found = stock.verify(place, deep=deep, mend=mend, folders=chosen)
    if as_json:
        print(json.dumps([{"where": str(f.where), "problem": f.problem, "do": f.do} for f in found]))
    else:
        for finding in found:
            print(f"{finding.where}: {finding.problem}\n    mend: {finding.do}")
    if found:
        raise ArtifactError(f"{len(found)} findings", where=place.root)
    if not as_json:
        print(
            f"{len(chosen or stock.published(place))} published results are whole" + (", byte by byte" if deep else "")
        )
    return int(ExitCode.OK)


def prune(
    workspace: Workspace = Path("outputs"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="EXPERIMENT", help="Remove this experiment first; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List results that no experiment uses now; with --yes remove them, unless a run is in progress."""
    place = _place(workspace)
    with removal(place) if yes else nullcontext():
        return _prune(place, drop or [], yes=yes, as_json=as_json)


def _prune(place: Place, drop: list[str], *, yes: bool, as_json: bool) -> int:
    for name in drop:
        _drop(place, name, really=yes)
    folders = stock.unused(place)
    sizes = {str(folder.relative_to(place.root)): stock.size(folder) for folder in folders}
    if as_json:
        print(json.dumps({"removed": yes, "bytes": sizes}))
    else:
        for name, size in sizes.items():
            print(f"{size / 2**20:10.1f} MB  {name}")
        said = "removed" if yes else "would go; say --yes to remove them"
        print(f"{len(sizes)} results, {sum(sizes.values()) / 2**20:.1f} MB: {said}")
    if yes:
        stock.prune(place, folders)
    return int(ExitCode.OK)


def rebuild(workspace: Workspace = Path("outputs")) -> int:
    """Rebuild the ledger from the published results; the old file is kept."""
    place = _place(workspace)
    folders, experiments = stock.rebuild(place)
    print(f"{folders} published results of {experiments} experiments")
    if damaged := len(stock.published(place)) - folders:
        print(f"{damaged} damaged results are left out: see `oceanpath ledger verify --workspace {place.root}`")
    return int(ExitCode.OK)


def _place(workspace: Path) -> Place:
    if not workspace.is_dir():
        do = "Name another workspace with --workspace."
        raise ExperimentError("there is no such workspace", where=workspace, do=do)
    return Place(workspace.resolve())


def _workspace_of(folders: list[Path]) -> Path:
    """The workspace that published folders lie in. Raises: ExperimentError: one is no published folder."""
    for folder in folders:
        if not folder.is_dir() or len(folder.parents) < 3 or folder.parents[1].name not in ("runs", "parts"):
            expected = "a folder such as outputs/runs/STAGE/FINGERPRINT"
            raise ExperimentError("this is no published folder", where=folder, expected=expected)
    return folders[0].parents[2]


def _drop(place: Place, name: str, *, really: bool) -> None:
    folder = place.root / "experiments" / name
    if not folder.is_dir():
        raise ExperimentError("there is no such experiment", where=place.root / "experiments", got=name)
    if not really:
        raise ExperimentError("letting go of an experiment cannot be tried out", where="--drop", do="Say --yes too.")
    shutil.rmtree(folder)

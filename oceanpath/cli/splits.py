"""`oceanpath splits export`: published folds as files of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.outputs import prepare_folder
from oceanpath.cli.published import published_folder
from oceanpath.errors import ExitCode

splits = typer.Typer(help="Write folds as files of other tools.", no_args_is_help=True, rich_markup_mode=None)


class Format(StrEnum):
    """Formats of split files."""

    CLAM = "clam"
    PATHO_BENCH = "patho-bench"


@splits.callback()
def _splits() -> None:
    """Folds."""


@splits.command("export")
def export_splits(
    folds: Annotated[
        Path | None, typer.Argument(metavar="[FOLDS]", help="Folder that `split` published; default: the experiment's.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Format of the files.")] = Format.CLAM,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")] = Path("splits"),
    experiment: Annotated[
        Path | None, typer.Option("--experiment", "-e", help="Experiment whose folds are written.")
    ] = None,
    workspace: Workspace = OUTPUTS,
    as_json: JsonFlag = False,
) -> int:
    """Write the folds of an experiment as split files of CLAM or Patho-Bench."""
    prepare_folder(out)
    do = "Assign them with `{}`, or name a folder."
    folder = folds or published_folder("split", experiment, workspace, "folds", do)
    from oceanpath.artifacts.folds import check, read_fold, read_splits
    from oceanpath.artifacts.patient_bags import one_row_per_slide, read_patient_bags
    from oceanpath.artifacts.split_files.formats import write_split_files
    from oceanpath.pipeline.integrity import verify_files

    number = read_splits(folder)["folds"]
    verify_files(folder, ["splits.json", *(f"fold_{k}.parquet" for k in range(number))])
    check(folder)
    bags = read_patient_bags(folder)
    tables = [one_row_per_slide(read_fold(folder, k), bags) for k in range(number)]
    written = write_split_files(form.value, tables, out, "label")
    text = f"{number} folds -> {written[0] if len(written) == 1 else out}"
    print_result(text, {"folds": number, "files": written}, as_json=as_json)
    return int(ExitCode.OK)

"""`oceanpath init`: an experiment file for a folder and a label table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.commands import command
from oceanpath.cli.experiments import LOCAL, print_status
from oceanpath.cli.outputs import prepare_file
from oceanpath.errors import ExitCode, ExperimentError


def init(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER] [TABLE]", help="Folder of slides or features, and the label table."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Experiment file to write.")] = LOCAL,
    slide_id: Annotated[str, typer.Option(help="Column with slide ids.")] = "",
    patient_id: Annotated[str, typer.Option(help="Column with patient ids.")] = "",
    one_slide_per_patient: Annotated[
        bool, typer.Option("--one-slide-per-patient", help="Every slide is from another patient.")
    ] = False,
    label: Annotated[str, typer.Option(help="Column to predict.")] = "",
    task: Annotated[str, typer.Option(help="Prediction task; default: the one that suits the column.")] = "",
    site: Annotated[str, typer.Option(help="Column with the site.")] = "",
    encoder: Annotated[str, typer.Option(help="Patch encoder for slides; `oceanpath encoders list` shows them.")] = "",
    match_ids: Annotated[str, typer.Option(help="Expression for the part of ids to compare.")] = "",
    features_key: Annotated[str, typer.Option(help="Name of the features array, if files contain several.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of a text table; default: detected.")] = "",
    sheet: Annotated[str, typer.Option(help="Sheet of a workbook.")] = "",
    use: Annotated[str, typer.Option(help="features or slides, if the folder contains both.")] = "",
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key instead of the proposed value; repeatable."),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out slides without a label, a row or a file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept all proposals without questions.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Write an experiment file for a folder of slides or features and a label table."""
    from oceanpath.artifacts.cohort.user_tables import read_user_table
    from oceanpath.proposals.draft import Choices, draft_experiment
    from oceanpath.proposals.source import look_at

    if out.exists() and not force:
        raise ExperimentError("the file exists", where=out, do="Name another with --out, or replace it with --force.")
    prepare_file(out)
    questions = _questions(yes or as_json)
    folder, table_path = _folder_and_table(paths or [])
    table = read_user_table(table_path, encoding, sheet)
    source = None if folder is None else look_at(folder, questions, use, features_key)
    choices = Choices(
        slide_id=slide_id,
        patient_id=patient_id,
        one_slide_per_patient=one_slide_per_patient,
        label=label,
        task=task,
        site=site,
        encoder=encoder,
        match_ids=match_ids,
        features_key=features_key,
        encoding=encoding,
        sheet=sheet,
        allow_missing=allow_missing,
        keys=_tables(sets or ()),
    )
    draft = draft_experiment(source, table, choices, questions)
    _report(draft.facts, quiet=as_json)
    _write(draft, out)
    return _validate(draft, out, as_json=as_json)


def _tables(sets: Iterable[str]) -> dict[str, Any]:
    """Table → keys that `--set` sets."""
    from oceanpath.pipeline.layers import overrides, unflatten

    if scalars := [pair for pair in sets if "." not in pair.partition("=")[0]]:
        raise ExperimentError("the key is of no table", where="--set", expected="TABLE.KEY=VALUE", got=scalars[0])
    return unflatten(overrides(sets))


def _questions(quiet: bool) -> Any:
    """Prompts, or in scripts the proposals."""
    from oceanpath.proposals.questions import NoQuestions

    if quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return NoQuestions()
    from oceanpath.cli.prompts import Prompts

    return Prompts()


def _folder_and_table(paths: list[Path]) -> tuple[Path | None, Path]:
    """The folder and the table among the arguments, in any order; the table may be in the folder."""
    from oceanpath.folders import FOLDER_FILES
    from oceanpath.proposals.source import find_table

    if missing := [path for path in paths if not path.exists()]:
        raise ExperimentError("there is no such file or folder", where=missing[0])
    folders = [path for path in paths if path.is_dir()]
    tables = [path for path in paths if not path.is_dir()]
    if len(folders) > 1 or len(tables) > 1:
        got = ", ".join(map(str, paths))
        raise ExperimentError("too many arguments", expected="one folder and one table", got=got)
    if tables:
        return (folders[0] if folders else None), tables[0]
    folder = folders[0] if folders else Path()
    if folder.suffix.lower() in FOLDER_FILES:
        raise ExperimentError("no label table is named", where=folder, do="Name it: `oceanpath init FOLDER TABLE`.")
    return folder, find_table(folder)


def _report(facts: Mapping[str, list[str]], *, quiet: bool) -> None:
    width = max(map(len, facts)) + 2
    for subject, lines in facts.items():
        for number, line in enumerate(lines):
            print_status(f"{subject if not number else '':<{width}}{line}", quiet=quiet)


def _write(draft: Any, out: Path) -> None:
    from oceanpath.cli.schema import experiment_schema
    from oceanpath.proposals.toml_text import SCHEMA, render

    name = out.stem if out.name != LOCAL.name else out.resolve().parent.name or "mine"
    out.write_text(render(draft, _safe(name), out.parent), encoding="utf-8")
    (out.parent / SCHEMA).write_text(json.dumps(experiment_schema(), indent=2) + "\n", encoding="utf-8")


def _safe(name: str) -> str:
    """A name that an experiment can have."""
    text = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    return text.lstrip("._-") or "mine"


def _validate(draft: Any, out: Path, *, as_json: bool) -> int:
    """Check the written file as `config validate` does, and print the next command, or what is missing."""
    from oceanpath.errors import together
    from oceanpath.pipeline.experiment import load
    from oceanpath.pipeline.plan import plan
    from oceanpath.pipeline.preflight import run_preflight
    from oceanpath.stages.catalog import CATALOG

    found = run_preflight(plan(load(out, CATALOG)), {})
    missing = [*draft.missing, *(each.render() for each in found.problems)]
    following = command("config", "validate", out) if missing else command("run", *([] if out == LOCAL else [out]))
    if as_json:
        record = {"file": str(out), "data": _plain(draft.data), "facts": draft.facts, "missing": missing}
        print(json.dumps({**record, "notes": found.notes, "next": following}, indent=2))
        return int(ExitCode.EXPERIMENT if missing else ExitCode.OK)
    for note in found.notes:
        print_status(f"note: {note}", quiet=False)
    print(f"{out}: written" + ("" if missing else "; it is valid"))
    for line in draft.missing:
        print_status(f"missing: {line}", quiet=False)
    print(f"next: {following}")
    if found.problems:
        raise together(found.problems)
    return int(ExitCode.EXPERIMENT if missing else ExitCode.OK)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}

"""`oceanpath reproduce`: run the command of a recorded number again and compare the result with the record.

A file of records is TOML with one ``[[record]]`` per number: ``name``, ``command`` (without the word `oceanpath`;
``{data}`` is the folder of ``--data``), ``file`` (JSON, relative to the workspace), ``key``, ``value``, ``tolerance``,
and optionally ``page``, where the number is published, and ``reproduced``, the day on which it was last reproduced.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.table import table
from oceanpath.errors import ArtifactError, ExitCode, ExperimentError, GateError, StageError, nearest

RECORDS = Path("docs/records.toml")
"""Published numbers, in the source tree of OceanPath."""
DATA = "{data}"


@dataclass(frozen=True)
class Record:
    """A published number."""

    name: str
    command: str
    file: str
    key: str
    value: float
    tolerance: float
    page: str = ""
    reproduced: str = ""


OPTIONAL = {"page", "reproduced"}


@dataclass(frozen=True)
class Outcome:
    """A record and the number that was computed again."""

    name: str
    recorded: float
    computed: float
    tolerance: float
    reproduced: bool


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RECORDS]", help="Records to compute again; default: list all.")
    ] = None,
    records: Annotated[Path, typer.Option("--records", help="TOML file of recorded numbers.")] = RECORDS,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder of the data of the records.")
    ] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", metavar="DIR", help="Folder of all results; default: a temporary one.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Compute all records again.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Compute recorded numbers again and compare them with the records. Exit code 6 if one differs."""
    known = read_records(records)
    chosen = list(known) if every else list(names or ())
    if not chosen:
        print(json.dumps([asdict(one) for one in known.values()]) if as_json else _listed(known.values()))
        return int(ExitCode.OK)
    if unknown := [name for name in chosen if name not in known]:
        expected, do = ", ".join(nearest(unknown[0], known)), "`oceanpath reproduce` lists all records."
        got = ", ".join(unknown)
        raise ExperimentError("there is no such record", where=records, expected=expected, got=got, do=do)
    wanted = [known[name] for name in chosen]
    if data is None and any(DATA in one.command for one in wanted):
        raise ExperimentError("the data of these records are not named", where="reproduce", do="Add --data DIR.")
    outcomes = compute(wanted, data, workspace)
    print(json.dumps([asdict(one) for one in outcomes]) if as_json else _compared(outcomes))
    if differing := [one.name for one in outcomes if not one.reproduced]:
        do = "If the change is intended, correct the record and the page that publishes it."
        raise GateError("recorded numbers were not reproduced", where=records, got=", ".join(differing), do=do)
    return int(ExitCode.OK)


def read_records(path: Path) -> dict[str, Record]:
    """Name → record. Raises: ExperimentError: the file cannot be read, or a record has missing or unknown keys."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("record", [])
    except (OSError, ValueError) as error:
        do = "Name a file with --records, or run the command in the source tree of OceanPath."
        raise ExperimentError("there is no readable file of records", where=path, got=error, do=do) from error
    known = {field.name for field in fields(Record)}
    for number, entry in enumerate(entries, 1):
        if wrong := sorted((entry.keys() - known) | (known - OPTIONAL - entry.keys())):
            where = f"{path} record {number} {entry.get('name', '')}".rstrip()
            raise ExperimentError("keys are missing or unknown", where=where, expected=sorted(known), got=wrong)
    named = {entry["name"]: Record(**entry) for entry in entries}
    if len(named) < len(entries):
        raise ExperimentError("two records have the same name", where=path)
    return named


def compute(records: Sequence[Record], data: Path | None, workspace: Path | None) -> list[Outcome]:
    """Run the command of every record, each command once, and compare the numbers.

    Raises: StageError: a command failed. ArtifactError: its result lacks the number.
    """
    with tempfile.TemporaryDirectory(prefix="oceanpath_reproduce_") as temporary:
        root = Path(temporary) if workspace is None else workspace
        computed = dict[str, float]()
        for command in dict.fromkeys(one.command for one in records):
            folder = str((data or Path()).resolve())
            run_command([word.replace(DATA, folder) for word in shlex.split(command)], root)
            own = (one for one in records if one.command == command)
            computed |= {one.name: read_number(root / one.file, one.key) for one in own}
        return [_outcome(one, computed[one.name]) for one in records]


def run_command(words: Sequence[str], workspace: Path) -> None:
    """Run a command of OceanPath in a workspace. Raises: StageError: its exit code is not 0."""
    from oceanpath.cli.app import run_app

    code = run_app([*words, "--workspace", str(workspace), "--quiet"])
    if code != ExitCode.OK:
        raise StageError(
            "the command of a record failed", where=shlex.join(["oceanpath", *words]), got=f"exit code {code}"
        )


def read_number(path: Path, key: str) -> float:
    """The number at a dotted key of a JSON file. Raises: ArtifactError: there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        for part in key.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
        return float(value)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArtifactError("the result has no such number", where=path, expected=key, got=error) from error


def _outcome(record: Record, computed: float) -> Outcome:
    is_near = abs(computed - record.value) <= record.tolerance
    return Outcome(record.name, record.value, computed, record.tolerance, is_near)


def _listed(records: Iterable[Record]) -> str:
    rows = [
        [one.name, f"{one.value:g}", f"{one.tolerance:g}", one.reproduced, one.page, f"oceanpath {one.command}"]
        for one in records
    ]
    head = ("record", "value", "tolerance", "reproduced", "page", "command")
    return table(head, rows, text=("record", "command"))


def _compared(outcomes: Iterable[Outcome]) -> str:
    rows = [
        [one.name, f"{one.recorded:g}", f"{one.computed:.6g}", f"{one.tolerance:g}", "yes" if one.reproduced else "no"]
        for one in outcomes
    ]
    return table(("record", "recorded", "computed", "tolerance", "reproduced"), rows, text=("record",))

"""Every command prints JSON on request, or has a reason not to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from oceanpath.cli.app import build_app, run_app

QUICKSTART = str(Path(__file__).resolve().parents[2] / "experiments" / "quickstart.toml")
WITHOUT = {
    "serve": "runs until it is stopped, and logs to stderr",
    "ledger serve": "runs until it is stopped, and logs to stderr",
    "ledger export": "prints JSON unless --format is csv",
    "config schema": "prints a JSON Schema",
}
"""Command without --json → the reason."""


def commands() -> Iterator[tuple[str, Any]]:
    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        subcommands = getattr(command, "commands", {})
        if not subcommands:
            yield path, command
        for name, sub in subcommands.items():
            yield from walk(sub, f"{path} {name}".strip())

    return walk(typer.main.get_command(build_app()), "")


def test_every_command_has_json_or_a_reason() -> None:
    without = {name for name, one in commands() if not any("--json" in each.opts for each in one.params)}
    assert without == set(WITHOUT)


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["models", "list"], {"name", "source", "parameters", "cost", "keys"}),
        (["config", "show", QUICKSTART], {"base"}),
        (["config", "validate", QUICKSTART], {"experiment", "steps"}),
    ],
)
def test_stdout_is_one_json_value(words: list[str], keys: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed[0] if isinstance(printed, list) else printed) == keys

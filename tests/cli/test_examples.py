"""The help of every verb ends in two examples that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from oceanpath.cli.app import build_app, run_app
from oceanpath.cli.examples import EXAMPLES

ROOT = typer.main.get_command(build_app())


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    subs = getattr(command, "commands", None)
    if subs is None:
        yield path, command
        return
    for name, sub in subs.items():
        yield from leaves(sub, f"{path} {name}".strip())


LEAVES = dict(leaves(ROOT))


def test_every_verb_has_two() -> None:
    assert set(EXAMPLES) == set(LEAVES)
    assert all(len(lines) == 2 and len(set(lines)) == 2 for lines in EXAMPLES.values())


@pytest.mark.parametrize("path", LEAVES)
def test_they_are_of_that_verb_and_parse(path: str) -> None:
    for line in EXAMPLES[path]:
        words = shlex.split(line.partition(" > ")[0].partition(" | ")[0])
        depth = len(path.split())
        assert words[:depth] == path.split()
        LEAVES[path].make_context(path, words[depth:])  # refuses unknown flags and values


@pytest.mark.parametrize("path", LEAVES)
def test_the_help_shows_them(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app([*path.split(), "--help"]) == 0
    said = capsys.readouterr().out
    for line in EXAMPLES[path]:
        assert f"    oceanpath {line}\n" in said

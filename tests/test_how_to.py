"""Code and commands of the how-to pages."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import torch
import typer

from oceanpath.cli.app import build_app

from .conftest import ROOT

COMMAND: Any = typer.main.get_command(build_app())
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
COMMANDS = sorted({line.strip() for page in PAGES for line in re.findall(r"^\s*oceanpath .+$", page.read_text(), re.M)})


def test_the_aggregator_of_the_page_fulfils_the_shapes(monkeypatch) -> None:
    from oceanpath.models import registry

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "how-to" / "extend.md").read_text(), re.S | re.M)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "extend.md", "exec", dont_inherit=True), names)
    model = names["LinearAttention"](registry.parse_model({"name": "linear_attention"}), 8)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    embedding, attention = model.forward_features(torch.ones(2, 3, 8), mask, None, True)
    assert embedding.shape == (2, 8) and attention[0, 2] == 0
    torch.testing.assert_close(attention.sum(1), torch.ones(2))


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_parse(line: str) -> None:
    command, words = COMMAND, shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context("x", words)  # refuses unknown options and values

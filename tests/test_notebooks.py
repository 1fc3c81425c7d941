"""Notebooks of the documentation run, and show what they print today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import ROOT
from .newcomer.page import first_difference
from .notebooks import execute, stored_output

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_and_print_what_is_stored(path: Path, quickstart: Path) -> None:
    """Cells with the tag "varies" have numbers of a trained model, which differ between machines."""
    for cell, printed in execute(json.loads(path.read_text(encoding="utf-8")), quickstart):
        if "varies" in cell["metadata"].get("tags", ()):
            assert printed
            continue
        difference = first_difference(stored_output(cell).splitlines(), printed.splitlines())
        assert not difference, "".join(cell["source"]) + f"\nthe notebook shows {difference}"

"""The option ``--json``, and results that are printed as text or as one JSON value."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_result(text: str, facts: Any, *, as_json: bool) -> None:
    """Print `facts` as JSON, otherwise `text`; paths and other values without a JSON type are printed as text."""
    print(json.dumps(facts, default=str) if as_json else text)

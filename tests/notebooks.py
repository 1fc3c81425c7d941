"""Executes notebooks without Jupyter.

usage: python -m tests.notebooks NOTEBOOK WORKSPACE    store the outputs; WORKSPACE: that of a finished quickstart

Cells are plain Python, so their code runs in one namespace as in IPython. Only the text of the last expression of a
cell is an output.
"""

from __future__ import annotations

import ast
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The code cells of a notebook in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stored_output(cell: dict[str, Any]) -> str:
    """The stored text of the last expression; "" if there is none."""
    return "".join(text for output in cell["outputs"] for text in output["data"]["text/plain"])


def execute(notebook: dict[str, Any], workspace: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(cell, text of its last expression or "") of every code cell, in a folder where `outputs` is the workspace."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("outputs").symlink_to(workspace.resolve())
        for number, cell in enumerate(code_cells(notebook), 1):
            *body, last = ast.parse("".join(cell["source"])).body
            source = f"cell {number}"
            if not isinstance(last, ast.Expr):
                exec(compile(ast.Module([*body, last], []), source, "exec"), names)
                yield cell, ""
                continue
            exec(compile(ast.Module(body, []), source, "exec"), names)
            value = eval(compile(ast.Expression(last.value), source, "eval"), names)
            yield cell, "" if value is None else repr(value)


def store_outputs(path: Path, workspace: Path) -> None:
    """Execute a notebook, and write it with the outputs."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for number, (cell, text) in enumerate(execute(notebook, workspace), 1):
        output = {"data": {"text/plain": text.splitlines(keepends=True)}, "execution_count": number, "metadata": {}}
        cell["execution_count"] = number
        cell["outputs"] = [{"output_type": "execute_result", **output}] if text else []
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    store_outputs(Path(sys.argv[1]), Path(sys.argv[2]))

"""Digests of each stage's code: everything its work imports, without comments and docstrings.

A stage's `version` is its code's part of a fingerprint. So when the code changes, either the version is raised, or
somebody says, with a reason, that the results are the same. `code_digests.json` holds what was said last.

usage: python tests/code_digests.py                     says which stages changed
       python tests/code_digests.py --same REASON       the results of the changed stages are the same, because ...
       python tests/code_digests.py --raised            their versions were raised
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from oceanpath.stages.catalog import CATALOG

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("code_digests.json")
OUTSIDE = ("oceanpath.pipeline", "oceanpath.errors", "oceanpath.cli")
"""How work is run, told and published never changes what it gives."""


def digest(modules: list[str]) -> str:
    """One digest over the import closure of some modules of ours."""
    found: dict[str, str] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        path = source(name)
        if name in found or path is None or name.startswith(OUTSIDE):
            continue
        text, imported = bare(path)
        found[name] = text
        queue += imported
    return hashlib.blake2b(json.dumps(sorted(found.items())).encode(), digest_size=16).hexdigest()


@cache
def bare(path: Path) -> tuple[str, tuple[str, ...]]:
    """A module's syntax without comments and docstrings, and what it imports from us."""
    tree = ast.parse(path.read_text())
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [line for line in body if not _is_text(line)]
    ours = [name for name in imported if name.split(".")[0] == "oceanpath"]
    ours += [value.partition(":")[0] for value in _texts(tree) if value.startswith("oceanpath.")]
    return ast.dump(tree), tuple(ours)


def source(module: str) -> Path | None:
    """The file of a module of ours, or None when the name is no module."""
    base = ROOT / Path(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def now() -> dict[str, dict[str, Any]]:
    """Stage → version and digest of its code as it is."""
    found = {}
    for stage in CATALOG.stages:
        named = (stage.settings, stage.work, stage.check, stage.parts, stage.part_work)
        doors = [*(path.partition(":")[0] for path in named if path), f"oceanpath.stages.{stage.name}.stage"]
        found[stage.name] = {"version": stage.version, "digest": digest(doors)}
    return found


def changed() -> dict[str, dict[str, Any]]:
    """Stages whose code is not what the table says, with what they are now."""
    table = json.loads(TABLE.read_text()) if TABLE.is_file() else {}
    return {
        name: entry
        for name, entry in now().items()
        if {key: table.get(name, {}).get(key) for key in ("version", "digest")} != entry
    }


def accept(reason: str) -> None:
    """Write what is now into the table; `reason` is empty where versions were raised."""
    table = json.loads(TABLE.read_text()) if TABLE.is_file() else {}
    for name, entry in changed().items():
        before = table.get(name, {})
        raised = entry["version"] != before.get("version")
        if not reason and not raised and before:
            sys.exit(f"the version of {name} was not raised; raise it in its stage.py, or give --same a reason")
        said = [] if raised else [*before.get("same_results", []), {"digest": entry["digest"], "reason": reason}]
        table[name] = {**entry, "same_results": said}
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _texts(tree: ast.AST) -> list[str]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [node.value for node in nodes if isinstance(node.value, str)]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--same"] and len(sys.argv) == 3:
        accept(sys.argv[2])
    elif sys.argv[1:] == ["--raised"]:
        accept("")
    elif left := changed():
        sys.exit(f"changed: {', '.join(left)}")

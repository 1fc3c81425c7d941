"""Writes the pages that are generated from the code, and the stored page of ``oceanpath --help``.

usage: python docs/generate.py [--check]
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import typer

import oceanpath
from oceanpath.bags.batching.kinds import refusal
from oceanpath.bags.batching.registry import BATCHINGS, OTHER_NAMES, VIEW_BATCHINGS, batching_class
from oceanpath.cli import HELP
from oceanpath.cli.app import WIDTH, build_app, render_help
from oceanpath.cli.schema import experiment_schema
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.ssl.methods.registry import METHODS, build_method, parse_method

ROOT = Path(__file__).resolve().parent
FORMATS = {
    "Features": "features.files",
    "TRIDENT job": "features.trident_job",
    "Converted features": "features.conversion",
    "Pretraining manifest": "pretrain_manifest",
    "Pretraining split": "split_manifest",
    "Pretrained weights": "pretrained",
    "Store": "store.reader",
    "Column files": "store.columns",
    "Source files of a store": "store.source_files",
    "Slides left out": "left_out",
    "Folds": "folds",
    "Bags of patients": "patient_bags",
    "Audit": "audit_report",
    "Predictions": "predictions",
    "Metrics": "metrics",
    "Analysis plan of a sealed test": "analysis_plan",
    "External cohorts": "external",
    "Bundle": "bundle.folder",
    "Images of patch scores": "score_images",
    "SpinPath model": "spinpath",
}
FORMATS_HEAD = """# File formats

Generated from the modules in `oceanpath/artifacts` by `python docs/generate.py`. Every published folder also has a
`manifest.json`:

"""
TOML_HEAD = """# Keys of the experiment file

Generated from the settings classes by `python docs/generate.py`. Editors can complete and check these keys with the
JSON Schema that `oceanpath config schema` prints, also in [experiment.schema.json](experiment.schema.json). Paths in a
file are relative to its folder, paths in `--set` to the current folder.

"""
STRATEGIES_HEAD = """# Methods and batching strategies of pretraining

Generated from the registries by `python docs/generate.py`. A refused pair ends with the reason below, before any work.

"""
PYTHON_HEAD = """# Python interface

Generated from the docstrings of `oceanpath.api` by `python docs/generate.py`; the tests run the examples. For
an introduction see [Python](../python.md).

"""
CLI_HEAD = """# Commands

Generated from the help of each command by `python docs/generate.py`.

"""


def formats() -> str:
    """The docstring of every artifact module, and of publishing."""
    parts = [FORMATS_HEAD + _quoted(_doc("oceanpath.pipeline.publish"))]
    parts += [f"## {title}\n\n{_quoted(_doc(f'oceanpath.artifacts.{name}'))}" for title, name in FORMATS.items()]
    return "\n".join(parts)


def toml_reference() -> str:
    """Every table and key of an experiment file."""
    schema = experiment_schema()
    tables = {name: part for name, part in schema["properties"].items() if "properties" in part or "anyOf" in part}
    scalars = {name: part for name, part in schema["properties"].items() if name not in tables}
    parts = ["## Top level\n", _keys(scalars)]
    for name, part in tables.items():
        parts.append(f"## [{name}]\n")
        for choice in part.get("anyOf", [part]):
            title = f"### {choice['properties']['name']['const']}\n\n" if "anyOf" in part else ""
            parts.append(f"{title}{choice['description']}\n\n{_keys(choice['properties'])}")
    for name, part in schema["$defs"].items():
        parts.append(f"## {name}\n\n{part['description']}\n\n{_keys(part['properties'])}")
    return TOML_HEAD + "\n".join(parts)


def cli_reference() -> str:
    """The help of every command."""
    command = typer.main.get_command(build_app())
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = typer.Context(command, info_name="oceanpath", **settings)
    return CLI_HEAD + "\n".join(f"## {path}\n\n{_quoted(text)}" for path, text in _helps(command, context))


def python_reference() -> str:
    """Signature and docstring of every public name and method."""
    parts = []
    for name in oceanpath.__all__:
        value = getattr(oceanpath, name)
        parts.append(f"## {name}\n\n{_quoted(f'{_signature(name, value)}{inspect.getdoc(value)}')}")
        if inspect.isclass(value):
            methods = [(key, each) for key, each in vars(value).items() if key[0] != "_" and inspect.isroutine(each)]
            parts += [
                f"### {name}.{key}\n\n{_quoted(f'{_signature(key, each)}{_doc_of(each)}')}" for key, each in methods
            ]
    return PYTHON_HEAD + "\n".join(parts)


def _signature(name: str, value: Any) -> str:
    """The call of a function or class; a dataclass that only functions return has none."""
    if dataclasses.is_dataclass(value):
        return ""
    return f"{name}{inspect.signature(value)}".replace("'", "") + "\n\n"


def _doc_of(value: Any) -> str:
    return inspect.getdoc(value) or ""


def decisions() -> str:
    """The list of all decisions."""
    pages = sorted((ROOT / "decisions").glob("0*.md"))
    lines = [
        f"- [{page.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}]({page.name})" for page in pages
    ]
    return "\n".join(["# Decisions", "", "Generated by `python docs/generate.py`.", "", *lines]) + "\n"


def _helps(command: Any, context: typer.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    for name, sub in getattr(command, "commands", {}).items():
        inner = typer.Context(sub, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH)
        yield from _helps(sub, inner)


def _keys(properties: dict[str, Any]) -> str:
    """A table of keys."""
    if not properties:
        return "The table has no keys of its own.\n"
    rows = [
        f"| `{name}` | {_type(part)} | {_default(part)} | {_cell(part['description'])} |"
        for name, part in properties.items()
    ]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _type(part: dict[str, Any]) -> str:
    """The type of a key as text."""
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_type(choice) for choice in part["anyOf"] if choice != {"type": "null"}))
    if "$ref" in part:
        return f"[{part['$ref'].rpartition('/')[2]}](#{part['$ref'].rpartition('/')[2].lower()})"
    if "enum" in part or "const" in part:
        return ", ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    if part["type"] == "array":
        return f"list of {_type(part['items'])}" if "items" in part else "list"
    kind = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "table"}
    name = "path" if part.get("format") == "path" else kind.get(part["type"], part["type"])
    return name + _limits(part)


def _limits(part: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {part[key]:g}" for key, sign in signs.items() if key in part]
    return f" {', '.join(limits)}" if limits else ""


def _default(part: dict[str, Any]) -> str:
    value = part.get("default")
    return "" if value in (None, "", []) else f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def strategies() -> str:
    """Which batching strategies each method of pretraining can be trained with."""
    names = [name for name in (*OTHER_NAMES, *BATCHINGS, *VIEW_BATCHINGS) if name not in OTHER_NAMES.values()]
    lines = ["| strategy | " + " | ".join(METHODS) + " |", "|---" * (1 + len(METHODS)) + "|"]
    torch.manual_seed(0)
    blocks = {name: _method(name).views.is_blocks for name in METHODS}
    defaults = {name: entry.settings.default_batching["name"] for name, entry in METHODS.items()}
    reasons: list[str] = []
    for strategy in sorted(names):
        cells = []
        for method in METHODS:
            reason = refusal(method, blocks[method], batching_class(strategy))
            cells.append("refused" if reason else "default" if defaults[method] == strategy else "trains")
            reasons += [reason] if reason else []
        needs = ", needs coordinates" if batching_class(strategy).needs_coords else ""
        lines.append(f"| `{strategy}`{needs} | {' | '.join(cells)} |")
    return STRATEGIES_HEAD + "\n".join([*lines, "", *(f"- {reason}." for reason in reasons)]) + "\n"


def _method(name: str) -> Any:
    return build_method(parse_method(name), build_aggregator(parse_model({"name": "static"}), 8), classes=2)


def _doc(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").strip()


def _quoted(text: str) -> str:
    return f"```text\n{text}\n```\n"


def pages() -> dict[Path, str]:
    """Path → contents of every generated file."""
    return {
        ROOT / "formats.md": formats(),
        ROOT / "reference" / "toml.md": toml_reference(),
        ROOT / "reference" / "strategies.md": strategies(),
        ROOT / "reference" / "cli.md": cli_reference(),
        ROOT / "reference" / "python.md": python_reference(),
        ROOT / "decisions" / "index.md": decisions(),
        ROOT / "reference" / "experiment.schema.json": json.dumps(experiment_schema(), indent=2) + "\n",
        Path(HELP): render_help(),
    }


def main() -> int:
    """Write the pages, or with --check list outdated ones."""
    generated = pages()
    stale = [path for path, text in generated.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        print("\n".join(f"outdated: {path.name}; run python docs/generate.py" for path in stale))
        return int(bool(stale))
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(generated[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

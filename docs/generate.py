"""Writes the pages that are made from the code: docs/formats.md and the kept page of ``oceanpath --help``.

usage: python docs/generate.py [--check]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from oceanpath.cli import HELP
from oceanpath.cli.app import render_help

ROOT = Path(__file__).resolve().parent
FORMATS = (
    "features",
    "trident_job",
    "pretrain_manifest",
    "store",
    "columns",
    "sources",
    "folds",
    "predictions",
    "metrics",
    "bundle",
)
HEAD = """# File formats

Made from the modules in `oceanpath/artifacts` by `python docs/generate.py`. Every published folder also holds a
`manifest.json`:

"""


def formats() -> str:
    """The docstring of every artifact module, and of publishing."""
    parts = [HEAD + _quoted("oceanpath.pipeline.publish")]
    parts += [f"## {name}\n\n{_quoted(f'oceanpath.artifacts.{name}')}" for name in FORMATS]
    return "\n".join(parts)


def _quoted(module: str) -> str:
    return f"```text\n{(importlib.import_module(module).__doc__ or '').strip()}\n```\n"


def main() -> int:
    """Write the pages, or with --check say which are stale."""
    pages = {ROOT / "formats.md": formats(), HELP: render_help()}
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        print("\n".join(f"stale: {path.name}; run python docs/generate.py" for path in stale))
        return int(bool(stale))
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

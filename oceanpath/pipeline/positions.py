"""Where the keys of an experiment file are written: lines and columns for error messages.

TOML libraries do not report positions. A key in an inline table or an array of tables has that of its outermost key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HEADER = re.compile(r"\s*\[\[?\s*([\w\-.\"' ]+?)\s*\]\]?\s*(#.*)?$")
ENTRY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
FENCES = ('"""', "'''")


def positions(text: str, array: str = "") -> dict[str, str]:
    """Dotted key → ``"line:column"``, both counted from 1; tables by their headers.

    Args:
        text: The file.
        array: Name of an array of tables whose entries are numbered: the keys of ``[[variant]]`` are ``variant.0.…``.
    """
    found: dict[str, str] = {}
    prefix, count, fence = "", -1, ""
    for number, line in enumerate(text.splitlines(), 1):
        inside, fence = fence, _fence_after(line, fence)
        if inside:
            continue
        if header := HEADER.match(line):
            key = _plain(header[1])
            if array and key.split(".")[0] == array:
                count += line.lstrip().startswith("[[")
                key = f"{array}.{count}{key[len(array) :]}"
            prefix = f"{key}."
            found.setdefault(key, f"{number}:{header.start(1) + 1}")
        elif entry := ENTRY.match(line):
            found.setdefault(prefix + _plain(entry[1]), f"{number}:{entry.start(1) + 1}")
    return found


def position(found: Mapping[str, str], key: str) -> str:
    """The position of a dotted key, or of the innermost table or key around it; "" if there is none."""
    while key and key not in found:
        key = key.rpartition(".")[0]
    return found.get(key, "")


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def _fence_after(line: str, fence: str) -> str:
    """The quotes of a multi-line string that is open after this line, "" if none is."""
    for mark in [fence] if fence else FENCES:
        if line.count(mark) % 2:
            return "" if fence else mark
    return fence

"""Ids of slides and patients: the same rules for files and tables, so that they can be joined."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePath

from oceanpath.errors import nearest, shorten_list

FEATURE_SUFFIXES = (".h5", ".hdf5", ".pt", ".pth", ".npy", ".npz", ".zarr", ".parquet")
SLIDE_SUFFIXES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".dcm")
CLOSED_SUFFIXES = (".sdpc", ".kfb", ".czi")
"""Slides that only vendors' packages can read; without these packages they are reported as errors, not skipped."""
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""Characters that are not drawn (Unicode 16, Default_Ignorable_Code_Point): zero-width blanks, direction marks, …"""
SUFFIXES = (*FEATURE_SUFFIXES, *SLIDE_SUFFIXES, *CLOSED_SUFFIXES)


def normal(text: str) -> str:
    """A text in the form in which texts are compared.

    Composed (NFC), without invisible characters and without leading and trailing spaces; each kind of space is a plain
    one. Such differences are never intended: they come from keyboards, file systems and exports.
    """
    if text.isascii():
        return text.replace("\0", "").strip()
    composed = unicodedata.normalize("NFC", INVISIBLE.sub("", text))
    return "".join(" " if unicodedata.category(letter) in ("Zs", "Cc") else letter for letter in composed).strip()


def slide_id(name: str | PurePath) -> str:
    """The id of a slide from a file name, a path or a table cell: last path element without its known suffix.

    Other parts after a dot are kept (``TCGA-05-4250-01Z-00-DX1.90f67fdf`` keeps its UUID).
    """
    text = re.split(r"[/\\]", normal(str(name)).rstrip("/\\"))[-1].strip()
    while True:
        lower = text.lower()
        suffix = next((s for s in SUFFIXES if lower.endswith(s) and len(lower) > len(s)), "")
        if not suffix:
            return text
        text = text[: -len(suffix)].rstrip()


def describe_missing(missing: Iterable[str], known: Iterable[str], shown: int = 5) -> str:
    """A list of missing ids for a message, each with the most similar existing id."""
    names, known = sorted(missing), list(known)
    described = []
    for name in names[:shown]:
        similar = nearest(name, known)
        described.append(f"{name} (nearest: {similar[0]})" if similar else name)
    return shorten_list([*described, *names[shown:]], shown)


def is_one_file(first: Path, second: Path) -> bool:
    """Whether two paths refer to the same file."""
    try:
        return first.samefile(second)
    except OSError:
        return False

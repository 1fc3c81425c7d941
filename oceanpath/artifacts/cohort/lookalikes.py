"""Ids that resemble each other: they probably name the same thing and differ only in spelling.

`oceanpath.artifacts.cohort.ids.normal` removes differences that are never intended. The others are ambiguous, so they
are reported and not resolved: case, inner spaces, full-width letters, Greek and Cyrillic letters that look like Latin
ones, kinds of dashes and quotation marks, leading zeros of a number, ``.0`` after it. O and 0, or I and 1, are not
compared: TCGA has patients AAR0 and AARO.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

PAIRS = {
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϿ": "ABEZHIKMNOPTYXCC",
    "αικνορτυχγϲϳ": "aikvoptuxycj",
    "АВЕЁКМНОРСТУХІЇЈЅԌԚԜҮЗӀ": "ABEËKMHOPCTYXIÏJSGQWY3I",
    "авеёкмнорстухіїјѕԁԛԝһүзӏ": "abeëkmhopctyxiïjsdqwhy3l",
    "ı‐‑‒–—―−﹣": "i--------",
    "‘’‚‛′`´ʼ“”„‟″": "''''''''\"\"\"\"\"",
    "․。⁄∕": "..//",
}
"""Letters and signs → the ASCII characters that they look like (a selection of the confusables of Unicode TR39)."""
LATIN = str.maketrans("".join(PAIRS), "".join(PAIRS.values()))
ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
WHOLE = re.compile(r"(\d+)\.0+")


def lookalikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that resemble each other, each sorted."""
    distinct, groups = set(names), set[frozenset[str]]()
    for simplify in (_folded, _as_latin):
        by_form: dict[str, list[str]] = defaultdict(list)
        for name in distinct:
            by_form[simplify(name)].append(name)
        groups |= {frozenset(group) for group in by_form.values() if len(group) > 1}
    largest = [group for group in groups if not any(group < other for other in groups)]
    return sorted(tuple(sorted(group)) for group in largest)


def resembling(name: str, known: Iterable[str]) -> list[str]:
    """The other names among `known` that `name` resembles."""
    wanted = {_folded(name), _as_latin(name)}
    return [other for other in known if other != name and wanted & {_folded(other), _as_latin(other)}]


def quoted(text: str) -> str:
    """A text in quotation marks, with the code points of non-ASCII letters, if any."""
    return repr(text) if text.isascii() else f"{text!r} ({text!a})"


def _folded(text: str) -> str:
    """A text without case, spaces, leading zeros and the ``.0`` of a whole number."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("i\u0307", "i")
    joined = "".join(plain.split())
    if whole := WHOLE.fullmatch(joined):
        joined = whole[1]
    return ZEROS.sub("", joined)


def _as_latin(text: str) -> str:
    return _folded(text.translate(LATIN))

"""Different texts that a reader takes for one: ids that probably differ by typing and not by what they name.

`oceanpath.artifacts.cohort.ids.normal` removes what is never meant. What remains is ambiguous, so it is reported
and never decided: upper and lower case, blanks inside, wide letters, Greek and Cyrillic letters that are drawn as Latin
ones, kinds of dashes and quotes, zeros before a number, ``.0`` behind it. O for 0 and I for 1 do not count: TCGA has
patients AAR0 and AARO.
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
"""Letters and signs → those of ASCII that they are drawn as (a selection of the confusables of Unicode TR39)."""
LATIN = str.maketrans("".join(PAIRS), "".join(PAIRS.values()))
ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
WHOLE = re.compile(r"(\d+)\.0+")


def lookalikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that resemble each other, each sorted."""
    known, found = set(names), set[frozenset[str]]()
    for likeness in (_folded, _drawn):
        groups: dict[str, list[str]] = defaultdict(list)
        for name in known:
            groups[likeness(name)].append(name)
        found |= {frozenset(group) for group in groups.values() if len(group) > 1}
    largest = [group for group in found if not any(group < other for other in found)]
    return sorted(tuple(sorted(group)) for group in largest)


def alike(name: str, known: Iterable[str]) -> list[str]:
    """Those of the `known` names that `name` looks like and is not."""
    wanted = {_folded(name), _drawn(name)}
    return [other for other in known if other != name and wanted & {_folded(other), _drawn(other)}]


def spelled(text: str) -> str:
    """A text in quotes; where it has letters beyond ASCII, also with their codes."""
    return repr(text) if text.isascii() else f"{text!r} ({text!a})"


def _folded(text: str) -> str:
    """Without case, blanks, leading zeros and the ``.0`` of a whole number."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("i\u0307", "i")
    joined = "".join(plain.split())
    if whole := WHOLE.fullmatch(joined):
        joined = whole[1]
    return ZEROS.sub("", joined)


def _drawn(text: str) -> str:
    return _folded(text.translate(LATIN))

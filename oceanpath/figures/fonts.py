"""Letters that matplotlib's own font lacks: from an installed font that has them, else written as their numbers.

Without this a class name in Chinese becomes a row of empty boxes. DejaVu Sans, which comes with matplotlib, covers
Latin, Greek and Cyrillic; figures with other letters depend on the fonts of the machine.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from oceanpath.figures.lines import width_of, wrap

OWN = "DejaVu Sans"
PREFERRED = re.compile(r"noto.*cjk|source.?han|wqy|droid.*fallback|noto|yahei|simhei|pingfang|hiragino|malgun|arialuni")
"""Names of font files that are tried first: fonts for many scripts that are often installed."""
UNUSUAL = re.compile(r"bold|black|heavy|light|thin|medium|italic|oblique")
NARROWEST = 4.8
"""Width of the number of a letter, in units of the letter size: lines of numbers are not made narrower."""
WHITESPACE = frozenset("\t\n\r\v\f")
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a font in bold alone is still readable
_unwritable: set[str] = set()
"""Letters that were written as numbers since the last `notice`."""


def make_readable(figure: Figure) -> list[str]:
    """Give the texts of a drawn figure fonts that have their letters; returns the families used beside `OWN`.

    A letter that no installed font has is written as ``U+80BF``; see `notice`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.draw_without_rendering()  # tick labels have no text before
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    wanted = {letter for text in texts for letter in text.get_text()} - WHITESPACE
    families, missing = _fonts_for(wanted)
    for text in texts if families else ():
        text.set_fontfamily([OWN, *families])
    if missing:
        _unwritable.update(missing)
        _write_as_numbers(figure, texts, missing)
    return families


def notice(stage: str) -> str:
    """One line about letters that were written as numbers since the last call; "" where there were none.

    Args:
        stage: The stage that draws the figures again.
    """
    letters = "".join(sorted(_unwritable))
    _unwritable.clear()
    if not letters:
        return ""
    shown = _numbers(letters[:8]) + (" …" if len(letters) > 8 else "")
    return (
        f"no installed font has {len(letters)} of the letters in the figures ({shown}), which are written as these "
        f"numbers; install a font that has them, such as Noto Sans CJK, then run: oceanpath {stage} --force {stage}"
    )


def _fonts_for(letters: set[str]) -> tuple[list[str], set[str]]:
    """Families beside `OWN` that have `letters`, and the letters that no font has."""
    missing = {letter for letter in letters if ord(letter) not in _letters_of(font_manager.findfont(OWN))}
    families = []
    for path in _installed() if missing else ():
        found = {letter for letter in missing if ord(letter) in _letters_of(path)}
        if found:
            font_manager.fontManager.addfont(path)
            families.append(font_manager.FontProperties(fname=path).get_name())
            missing -= found
        if not missing:
            break
    return families, missing


@cache
def _installed() -> tuple[str, ...]:
    """Font files of this machine, those for many scripts first."""

    def rank(path: str) -> tuple[bool, bool, str]:
        name = Path(path).name.lower()
        return not PREFERRED.search(name), bool(UNUSUAL.search(name)), path

    return tuple(sorted(font_manager.findSystemFonts(), key=rank))


@cache
def _letters_of(path: str) -> frozenset[int]:
    """Numbers of the letters in a font file; none where it cannot be read, or holds pictures instead of outlines."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


def _write_as_numbers(figure: Figure, texts: Iterable[Text], missing: set[str]) -> None:
    run = re.compile(f"[{re.escape(''.join(missing))}]+")

    def written(text: str) -> str:
        if not missing & set(text):
            return text
        numbers = run.sub(lambda letters: _numbers(letters[0]) + " " * text[letters.end() :][:1].isalnum(), text)
        return "\n".join(wrap(numbers, max(NARROWEST, *map(width_of, text.splitlines()))))

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if missing & set("".join(labels)):
                axis.set_ticks(axis.get_ticklocs(), [written(label) for label in labels])
    for text in texts:
        text.set_text(written(text.get_text()))


def _numbers(letters: str) -> str:
    return " ".join(f"U+{ord(letter):04X}" for letter in letters)

"""Characters that matplotlib's default font lacks: drawn in an installed font, or as their code points.

Otherwise a class name in Chinese would become a row of empty boxes. DejaVu Sans, which comes with matplotlib, covers
Latin, Greek and Cyrillic; figures with other characters depend on the fonts of the machine.
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

DEFAULT = "DejaVu Sans"
PREFERRED = re.compile(r"noto.*cjk|source.?han|wqy|droid.*fallback|noto|yahei|simhei|pingfang|hiragino|malgun|arialuni")
"""Names of font files that are tried first: fonts for many scripts that are often installed."""
UNUSUAL = re.compile(r"bold|black|heavy|light|thin|medium|italic|oblique")
MIN_WIDTH = 4.8
"""Width of a code point, in units of the font size: the minimum width of lines."""
WHITESPACE = frozenset("\t\n\r\v\f")
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # silences warnings about missing font weights
_unwritable: set[str] = set()
"""Characters written as code points since the last `notice`."""


def make_readable(figure: Figure) -> list[str]:
    """Set fonts that have the characters of all texts of a figure; returns the families used besides `DEFAULT`.

    A character that no installed font has is written as ``U+80BF``; see `notice`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.draw_without_rendering()  # tick labels have no text before drawing
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    needed = {letter for text in texts for letter in text.get_text()} - WHITESPACE
    families, missing = _fonts_for(needed)
    for text in texts if families else ():
        text.set_fontfamily([DEFAULT, *families])
    if missing:
        _unwritable.update(missing)
        _write_as_numbers(figure, texts, missing)
    return families


def notice(stage: str) -> str:
    """One line about characters written as code points since the last call; "" if there were none.

    Args:
        stage: The stage that draws the figures.
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
    """Families besides `DEFAULT` that have `letters`, and the letters that no font has."""
    missing = {letter for letter in letters if ord(letter) not in _letters_of(font_manager.findfont(DEFAULT))}
    families = []
    for path in _installed() if missing else ():
        covered = {letter for letter in missing if ord(letter) in _letters_of(path)}
        if covered:
            font_manager.fontManager.addfont(path)
            families.append(font_manager.FontProperties(fname=path).get_name())
            missing -= covered
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
    """Code points in a font file; none if it cannot be read, or has bitmaps instead of outlines."""
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
        return "\n".join(wrap(numbers, max(MIN_WIDTH, *map(width_of, text.splitlines()))))

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if missing & set("".join(labels)):
                axis.set_ticks(axis.get_ticklocs(), [written(label) for label in labels])
    for text in texts:
        text.set_text(written(text.get_text()))


def _numbers(letters: str) -> str:
    return " ".join(f"U+{ord(letter):04X}" for letter in letters)

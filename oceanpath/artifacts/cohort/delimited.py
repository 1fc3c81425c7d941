"""Delimited text as programs save it: commas, semicolons, tabs or bars; UTF-8, UTF-16 or a Western code page.

The first line names the columns. Every row has as many fields as the first line; what is more, or less, is an error
that names its line. Only empty fields at the end, which a trailing delimiter makes, are left out.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from oceanpath.artifacts.cohort.ids import normal
from oceanpath.artifacts.cohort.user_tables import UserTable
from oceanpath.errors import ExperimentError, shorten_list

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks; the longer of two with the same beginning comes first."""
WESTERN = "cp1252"
"""Windows-1252, which holds all letters of Latin-1."""
WESTERN_SIGNS = "€‚„…‘’“”•–—™°§µ±·²³¹º«»©®\xa0¿¡£¼½¾×÷"
LONGEST_RUN = 3
"""Letters beyond ASCII that follow each other in a Western text; other scripts have longer runs."""
UTF8_LETTER = re.compile(rb"[\xc2\xc3][\x80-\xbf]")
"""A letter of Latin-1 in UTF-8: where there is one, the text is UTF-8 with damaged bytes."""
SEPARATOR_LINE = re.compile(r"sep=(.)\s*\Z", re.IGNORECASE)
SHOWN = 5


class Fields(NamedTuple):
    """A text taken to pieces by one delimiter."""

    delimiter: str
    rows: list[list[str]]
    lines: list[int]
    """First line of each row."""
    problem: str = ""
    """Why it cannot be taken to pieces so."""

    @property
    def delimiters(self) -> str:
        """The delimiter in words."""
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))

    @property
    def ragged(self) -> list[int]:
        """Positions of the rows that have more or fewer fields than the first, blank fields at the end aside."""
        most = len(self.rows[0])
        least = max((at + 1 for at, name in enumerate(self.rows[0]) if name.strip()), default=0)
        return [at for at, row in enumerate(self.rows) if len(row) < least or any(map(str.strip, row[most:]))]


def read_delimited(path: Path, raw: bytes, encoding: str = "") -> UserTable:
    """The table in the bytes of a text file.

    Raises: ExperimentError: an unknown encoding, rows of other lengths than the first line, or an open quotation mark.
    """
    text, encoding = decode(path, raw, encoding)
    found = _split(text)
    if not found.rows:
        raise ExperimentError("the table is empty", where=path)
    if found.problem:
        do = "A field that begins with a quotation mark must end with one; marks inside are doubled."
        raise ExperimentError("a quotation mark is not closed", where=path, got=found.problem, do=do)
    if ragged := found.ragged:
        raise _ragged(path, found, ragged)
    header, lines = found.rows[0], found.lines[1:]
    rows = [row + [""] * (len(header) - len(row)) for row in found.rows[1:]]
    kept = [at for at, name in enumerate(header) if name.strip() or any(row[at].strip() for row in rows)]
    columns = [header[at] if header[at].strip() else f"(column {at + 1})" for at in kept]
    filled = [k for k, row in enumerate(rows) if any(row[at].strip() for at in kept)]
    cells = [[rows[k][at] for at in kept] for k in filled]
    usual = encoding in ("utf-8", "utf-8-sig") and (found.delimiter == "," or path.suffix.lower() in (".tsv", ".tab"))
    how = "" if usual else f"read as {encoding.upper()} with {found.delimiters}"
    return UserTable(path, columns, cells, [lines[k] for k in filled], "line", how)


def decode(path: Path, raw: bytes, encoding: str = "") -> tuple[str, str]:
    """The text of a file and its encoding: the one that is given, that of its byte order mark, or the one that fits.

    Raises: ExperimentError: there is no such encoding, or none fits.
    """
    marked = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "")
    guess = encoding or marked or _wide(raw) or "utf-8"
    try:
        return raw.decode(guess), guess
    except LookupError as error:
        raise ExperimentError("no such encoding", where="data.encoding", got=encoding) from error
    except UnicodeError as error:
        if guess == "utf-8" and (text := _western(raw)) is not None:
            return text, WESTERN
        do = "Save it as UTF-8 (in Excel: CSV UTF-8), or set data.encoding, for example to gbk, cp1251 or shift_jis."
        raise ExperimentError("the table's text is in another encoding", where=path, expected=guess, do=do) from error


def _wide(raw: bytes) -> str:
    """UTF-16 without a byte order mark: every other byte of plain text is zero."""
    head = raw[:1000]
    odd, even = head[1::2].count(0), head[::2].count(0)
    if max(odd, even) * 2 < len(head) // 2 or not head:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _western(raw: bytes) -> str | None:
    """A text of Western Europe, or None where the bytes are no such text."""
    try:
        text = raw.decode(WESTERN)
    except UnicodeDecodeError:
        return None
    beyond = {letter for letter in text if not letter.isascii()}
    known = all(unicodedata.category(letter)[0] == "L" or letter in WESTERN_SIGNS for letter in beyond)
    long_run = re.search(rf"[^\x00-\x7f]{{{LONGEST_RUN + 1}}}", text)
    return text if known and not long_run and not UTF8_LETTER.search(raw) else None


def _split(text: str) -> Fields:
    """The text taken to pieces by the delimiter that fits it best."""
    first, _, rest = text.partition("\n")
    if told := SEPARATOR_LINE.fullmatch(first):  # Excel writes, and reads, this line
        return _fields(rest, told[1], 2)
    tried = [_fields(text, delimiter) for delimiter in DELIMITERS]
    return max(tried, key=_fitness)


def _fitness(found: Fields) -> tuple[bool, bool, int]:
    """How well a delimiter fits: several columns, rows of one length, many columns."""
    width = len(found.rows[0]) if found.rows else 0
    return width > 1, width > 1 and not found.problem and not found.ragged, width


def _fields(text: str, delimiter: str, line: int = 1) -> Fields:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, before = [], [], 0
    try:
        for row in reader:
            if any(map(str.strip, row)):  # a row without anything is no row
                rows.append(row)
                lines.append(before + line)
            before = reader.line_num
    except csv.Error as error:
        return Fields(delimiter, rows or [[]], lines, f"line {before + line}: {error}")
    return Fields(delimiter, rows, lines)


def _ragged(path: Path, found: Fields, ragged: list[int]) -> ExperimentError:
    width = len(found.rows[0])
    listed = [f"line {found.lines[at]} has {len(found.rows[at])}" for at in ragged]
    do = "Put fields that hold the delimiter in quotation marks, and keep empty fields."
    if len(ragged) == len(found.rows) - 1 and all(len(row) == width + 1 for row in found.rows[1:]):
        do = "Every row has one field more than the first line: name that column too, or write the table without it."
    names = ", ".join(map(normal, found.rows[0][:SHOWN])) + (", …" if width > SHOWN else "")
    what = "rows have more or fewer fields than the first line has names"
    expected, got = f"{width} ({names}) between {found.delimiters}", shorten_list(listed)
    return ExperimentError(what, where=path, expected=expected, got=got, do=do)

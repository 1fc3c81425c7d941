"""Delimited text: commas, semicolons, tabs or vertical bars; UTF-8, UTF-16 or a Western European code page.

The first line contains the column names. Every row must have as many fields as the first line; otherwise an error
names the line. Only empty fields at the end of a line, as after a trailing delimiter, are ignored.
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
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.errors import ExperimentError, shorten_list

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks; of two with the same beginning, the longer one comes first."""
WESTERN = "cp1252"
"""Windows-1252, which contains all letters of Latin-1."""
WESTERN_SIGNS = "€‚„…‘’“”•–—™°§µ±·²³¹º«»©®\xa0¿¡£¼½¾×÷"
MAX_NON_ASCII_RUN = 3
"""Maximum number of consecutive non-ASCII letters in Western European text; other scripts have longer runs."""
UTF8_LETTER = re.compile(rb"[\xc2\xc3][\x80-\xbf]")
"""A Latin-1 letter encoded in UTF-8: text that contains one is UTF-8 with damaged bytes."""
SEPARATOR_LINE = re.compile(r"sep=(.)\s*\Z", re.IGNORECASE)
MAX_SHOWN = 5


class Fields(NamedTuple):
    """The fields of a text for one delimiter."""

    delimiter: str
    rows: list[list[str]]
    lines: list[int]
    """First line of each row."""
    problem: str = ""
    """Why the text cannot be parsed with this delimiter."""

    @property
    def delimiters(self) -> str:
        """The delimiter in words."""
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))

    @property
    def ragged(self) -> list[int]:
        """Positions of the rows that have more or fewer fields than the first, except for blank fields at the end."""
        maximum = len(self.rows[0])
        minimum = max((at + 1 for at, name in enumerate(self.rows[0]) if name.strip()), default=0)
        return [at for at, row in enumerate(self.rows) if len(row) < minimum or any(map(str.strip, row[maximum:]))]


def read_delimited(path: Path, raw: bytes, encoding: str = "") -> UserTable:
    """The table in the bytes of a text file.

    Raises: ExperimentError: unknown encoding, rows with another number of fields than the first, or an open quotation.
    """
    text, encoding = decode(path, raw, encoding)
    fields = _split(text)
    if not fields.rows:
        raise ExperimentError("the table is empty", where=path)
    if fields.problem:
        do = "A field that begins with a quotation mark must end with one; quotation marks inside it must be doubled."
        raise ExperimentError("a quotation mark is not closed", where=path, got=fields.problem, do=do)
    if ragged := fields.ragged:
        raise _ragged(path, fields, ragged)
    header, lines = fields.rows[0], fields.lines[1:]
    rows = [row + [""] * (len(header) - len(row)) for row in fields.rows[1:]]
    kept = [at for at, name in enumerate(header) if name.strip() or any(row[at].strip() for row in rows)]
    columns = [header[at] if header[at].strip() else f"(column {at + 1})" for at in kept]
    filled = [k for k, row in enumerate(rows) if any(row[at].strip() for at in kept)]
    cells = [[rows[k][at] for at in kept] for k in filled]
    usual = encoding in ("utf-8", "utf-8-sig") and (fields.delimiter == "," or path.suffix.lower() in (".tsv", ".tab"))
    how = "" if usual else f"read as {encoding.upper()} with {fields.delimiters}"
    return UserTable(path, columns, cells, [lines[k] for k in filled], "line", how)


def decode(path: Path, raw: bytes, encoding: str = "") -> tuple[str, str]:
    """The text of a file and its encoding: as given, by the byte order mark, or as detected.

    Raises: ExperimentError: unknown encoding, or none could be detected.
    """
    marked = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "")
    guess = encoding or marked or _utf16_without_mark(raw) or "utf-8"
    try:
        return raw.decode(guess), guess
    except LookupError as error:
        raise ExperimentError("unknown encoding", where="data.encoding", got=encoding) from error
    except UnicodeError as error:
        if guess == "utf-8" and (text := _western(raw)) is not None:
            return text, WESTERN
        do = "Save it as UTF-8 (in Excel: CSV UTF-8), or set data.encoding, for example to gbk, cp1251 or shift_jis."
        raise ExperimentError("the table has another encoding", where=path, expected=guess, do=do) from error


def _utf16_without_mark(raw: bytes) -> str:
    """The encoding of UTF-16 text without a byte order mark: every other byte is zero. Empty for other text."""
    head = raw[:1000]
    odd, even = head[1::2].count(0), head[::2].count(0)
    if max(odd, even) * 2 < len(head) // 2 or not head:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _western(raw: bytes) -> str | None:
    """The bytes as Western European text, or None if they are not such text."""
    try:
        text = raw.decode(WESTERN)
    except UnicodeDecodeError:
        return None
    non_ascii = {letter for letter in text if not letter.isascii()}
    known = all(unicodedata.category(letter)[0] == "L" or letter in WESTERN_SIGNS for letter in non_ascii)
    long_run = re.search(rf"[^\x00-\x7f]{{{MAX_NON_ASCII_RUN + 1}}}", text)
    return text if known and not long_run and not UTF8_LETTER.search(raw) else None


def _split(text: str) -> Fields:
    """The fields of a text, by the delimiter that fits best."""
    first, _, rest = text.partition("\n")
    if separator := SEPARATOR_LINE.fullmatch(first):  # Excel writes and reads this line
        return _fields(rest, separator[1], 2)
    return max((_fields(text, delimiter) for delimiter in DELIMITERS), key=_fitness)


def _fitness(fields: Fields) -> tuple[bool, bool, int]:
    """How well a delimiter fits: several columns, then rows of equal length, then many columns."""
    width = len(fields.rows[0]) if fields.rows else 0
    return width > 1, width > 1 and not fields.problem and not fields.ragged, width


def _fields(text: str, delimiter: str, line: int = 1) -> Fields:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, before = [], [], 0
    try:
        for row in reader:
            if any(map(str.strip, row)):  # empty rows are ignored
                rows.append(row)
                lines.append(before + line)
            before = reader.line_num
    except csv.Error as error:
        return Fields(delimiter, rows or [[]], lines, f"line {before + line}: {error}")
    return Fields(delimiter, rows, lines)


def _ragged(path: Path, fields: Fields, ragged: list[int]) -> ExperimentError:
    width = len(fields.rows[0])
    listed = [f"line {fields.lines[at]} has {len(fields.rows[at])}" for at in ragged]
    do = "Put fields that contain the delimiter in quotation marks, and keep empty fields."
    if len(ragged) == len(fields.rows) - 1 and all(len(row) == width + 1 for row in fields.rows[1:]):
        do = "Every row has one field more than the first line: name that column, or save the table without it."
    names = ", ".join(map(normal, fields.rows[0][:MAX_SHOWN])) + (", …" if width > MAX_SHOWN else "")
    what = "rows have more or fewer fields than the first line"
    expected, got = f"{width} ({names}) between {fields.delimiters}", shorten_list(listed)
    return ExperimentError(what, where=path, expected=expected, got=got, do=do)

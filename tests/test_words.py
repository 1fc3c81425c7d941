"""Every text that a person reads avoids the words that docs/style.md lists.

usage: python tests/test_words.py --print FILE    writes all texts to one file
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
STYLE = ROOT / "docs" / "style.md"
KINDS = {".py", ".md", ".html", ".js", ".css", ".toml", ".txt"}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|ALTER|DROP)\b")
CODE = re.compile(r"``.+?``|`[^`]+`|--[a-z-]+|\b\w+\.\w+\(")
"""Code and options in a text."""


class Text(NamedTuple):
    """A text with its file and line."""

    path: str
    line: int
    text: str


def files() -> list[Path]:
    """All files of the project with texts for people; OpenSeadragon has been written by others."""
    paths = [*ROOT.glob("*.md"), ROOT / "noxfile.py"]
    for folder in ("oceanpath", "docs", "experiments"):
        paths += (ROOT / folder).rglob("*")
    own = (path for path in paths if not path.name.startswith("openseadragon."))
    return sorted(path for path in own if path.is_file() and path.suffix in KINDS)


def texts(path: Path) -> Iterator[Text]:
    """Texts of a file: docstrings, messages and comments of code; every line of other files."""
    name = path.relative_to(ROOT).as_posix()
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for line, text in sorted([*_literals(ast.parse(content)), *_comments(content)]):
            yield Text(name, line, text)
    elif path.suffix == ".toml":
        for line, text in enumerate(content.splitlines(), 1):
            if "#" in text:
                yield Text(name, line, text.partition("#")[2].strip())
    else:
        yield from (Text(name, line, text.strip()) for line, text in enumerate(content.splitlines(), 1) if text.strip())


def _literals(node: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of every literal below a node; the values in an f-string are shown as {}."""
    if isinstance(node, ast.JoinedStr):
        parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        yield from _readable(node.lineno, "".join(parts))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _literals(part.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _readable(node.lineno, node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _literals(child)


def _comments(content: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every comment."""
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield from _readable(token.start[0], token.string)


def _readable(line: int, text: str) -> Iterator[tuple[int, str]]:
    if re.search(r"[A-Za-z]{2,}\s+\S*[A-Za-z]{2,}|[A-Za-z]+ [A-Za-z]+", text) and not SQL.match(text):
        yield line, " ".join(text.split())


def banned() -> list[re.Pattern[str]]:
    """The words of the style page."""
    table = STYLE.read_text(encoding="utf-8").split("<!-- words -->")[1].split("<!-- /words -->")[0]
    phrases = [phrase.strip() for row in table.strip().splitlines()[2:] for phrase in row.split("|")[1].split(",")]
    word = r"(?!(?:of|at|with|on|in|by|is)\b)[\w-]+"
    return [re.compile(rf"\b{re.escape(phrase)}".replace(r"\*", word) + r"(?![\w-])", re.I) for phrase in phrases]


def wrong(path: Path) -> list[str]:
    """Every use of such a word in a file, except in code."""
    patterns = banned()
    return [
        f"{text.path}:{text.line}: {match[0]!r} in: {text.text[:100]}"
        for text in texts(path)
        for pattern in patterns
        if (match := pattern.search(CODE.sub("", text.text)))
    ]


@pytest.mark.parametrize(
    "path", [path for path in files() if path != STYLE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_has_none_of_the_words(path: Path) -> None:
    assert not wrong(path)


def test_help_has_none_of_the_words() -> None:
    pages = ("docs/reference/cli.md", "docs/reference/toml.md", "oceanpath/cli/help.txt")
    assert not [line for page in pages for line in wrong(ROOT / page)]


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("one row a slide", True),
        ("one row per slide", False),
        ("it is told in a line", True),
        ("folds side by side", True),
        ("`ledger verify --mend`", False),
        ("the floor of a report", True),
        ("np.floor_divide rounds", False),
        ("one of a group", False),
    ],
)
def test_the_words_are_recognised(text: str, is_wrong: bool) -> None:
    assert any(pattern.search(CODE.sub("", text)) for pattern in banned()) == is_wrong


def test_every_text_of_code_is_listed() -> None:
    call = 'E("what is wrong", do=f"Set {x} to a value", sql="SELECT a FROM b", k="key")'
    code = f'def f(x):\n    """A doc text."""\n    raise {call}  # a comment\n'
    assert [text for _, text in sorted(_literals(ast.parse(code)))] == [
        "A doc text.",
        "Set {} to a value",
        "what is wrong",
    ]
    assert list(_comments(code)) == [(3, "# a comment")]


def write_all(out: Path) -> int:
    """Write all texts, file by file; returns their number."""
    lines = [text for path in files() for text in texts(path)]
    out.write_text("".join(f"{text.path}:{text.line}: {text.text}\n" for text in lines), encoding="utf-8")
    return len(lines)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--print"] or len(sys.argv) != 3:
        sys.exit(__doc__)
    print(f"{write_all(Path(sys.argv[2]))} texts in {sys.argv[2]}")

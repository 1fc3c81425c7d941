"""The words of docs/style.md, looked for in every text that a person reads.

usage: python tests/test_words.py --print FILE    writes every such text into one file, to be read as a whole
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
STYLE = ROOT / "docs" / "style.md"
CLEAN = (
    "docs/*.md",
    "docs/decisions/*.md",
    "docs/generate.py",
    "docs/reference/*",
    "oceanpath/*.py",
    "oceanpath/artifacts/cohort/checks.py",
    "oceanpath/artifacts/cohort/delimited.py",
    "oceanpath/artifacts/cohort/id_match.py",
    "oceanpath/artifacts/cohort/ids.py",
    "oceanpath/artifacts/cohort/lookalikes.py",
    "oceanpath/artifacts/cohort/table.py",
    "oceanpath/artifacts/cohort/user_tables.py",
    "oceanpath/artifacts/cohort/workbooks.py",
    "oceanpath/artifacts/features/folder.py",
    "oceanpath/artifacts/left_out.py",
    "oceanpath/cli/__init__.py",
    "oceanpath/cli/bench/*.py",
    "oceanpath/cli/cohort_flow.py",
    "oceanpath/cli/commands.py",
    "oceanpath/cli/curate.py",
    "oceanpath/cli/examples.py",
    "oceanpath/cli/experiments.py",
    "oceanpath/cli/help.txt",
    "oceanpath/cli/ledger/*.py",
    "oceanpath/cli/live.py",
    "oceanpath/cli/mmap.py",
    "oceanpath/cli/options.py",
    "oceanpath/cli/outputs.py",
    "oceanpath/cli/preflight.py",
    "oceanpath/cli/report.py",
    "oceanpath/cli/results.py",
    "oceanpath/cli/run.py",
    "oceanpath/cli/schema.py",
    "oceanpath/cli/screen.py",
    "oceanpath/cli/stand_alone.py",
    "oceanpath/cli/steps.py",
    "oceanpath/cli/table.py",
    "oceanpath/cli/verbs.py",
    "oceanpath/figures/*.py",
    "oceanpath/pipeline/*.py",
    "oceanpath/pipeline/executors/*.py",
    "oceanpath/serving/app.py",
    "oceanpath/serving/docs_page.py",
    "oceanpath/serving/error_responses.py",
    "oceanpath/serving/errors.py",
    "oceanpath/serving/middleware.py",
    "oceanpath/serving/openapi.py",
    "oceanpath/serving/page.py",
    "oceanpath/serving/responses.py",
    "oceanpath/serving/server.py",
    "oceanpath/serving/service.py",
    "oceanpath/serving/settings.py",
    "oceanpath/serving/signatures.py",
    "oceanpath/stages/*/preflight.py",
    "oceanpath/stages/analyze/umap_import.py",
    "oceanpath/stages/extract/slides.py",
    "oceanpath/stages/split/cohort.py",
    "oceanpath/stages/tables.py",
    "oceanpath/stats/recalibration.py",
)
"""Files without any of the words; a file once on this list stays on it, and in the end all are."""
KINDS = {".py", ".md", ".html", ".js", ".css", ".toml", ".txt"}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|ALTER|DROP)\b")
CODE = re.compile(r"``.+?``|`[^`]+`|--[a-z-]+")
"""Names of code and of flags in a text."""


class Text(NamedTuple):
    """One text and where it is."""

    path: str
    line: int
    text: str


def files() -> list[Path]:
    """Every file of the project with texts for people."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "noxfile.py"]
    for folder in ("oceanpath", "docs", "experiments"):
        found += (ROOT / folder).rglob("*")
    return sorted(path for path in found if path.is_file() and path.suffix in KINDS)


def texts(path: Path) -> Iterator[Text]:
    """Texts of a file: of code its docstrings and literals of more than one word, else every line."""
    name = path.relative_to(ROOT).as_posix()
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for line, text in sorted(_literals(ast.parse(content))):
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


def _readable(line: int, text: str) -> Iterator[tuple[int, str]]:
    if re.search(r"[A-Za-z]{2,}\s+\S*[A-Za-z]{2,}|[A-Za-z]+ [A-Za-z]+", text) and not SQL.match(text):
        yield line, " ".join(text.split())


def banned() -> list[re.Pattern[str]]:
    """The words of the style page."""
    table = STYLE.read_text(encoding="utf-8").split("<!-- words -->")[1].split("<!-- /words -->")[0]
    phrases = [phrase.strip() for row in table.strip().splitlines()[2:] for phrase in row.split("|")[1].split(",")]
    return [re.compile(rf"\b{re.escape(phrase)}".replace(r"\*", r"[\w-]+") + r"(?![\w-])", re.I) for phrase in phrases]


def wrong(path: Path) -> list[str]:
    """Where a file uses such a word outside code."""
    patterns = banned()
    return [
        f"{text.path}:{text.line}: {match[0]!r} in: {text.text[:100]}"
        for text in texts(path)
        for pattern in patterns
        if (match := pattern.search(CODE.sub("", text.text)))
    ]


@pytest.mark.parametrize("pattern", CLEAN)
def test_clean_files_stay_clean(pattern: str) -> None:
    found = [path for path in ROOT.glob(pattern) if path.suffix in KINDS]
    assert found, f"no file is called {pattern}"
    assert not [line for path in found for line in wrong(path)]


def test_help_has_none_of_the_words() -> None:
    """Whatever file it comes from."""
    assert not wrong(ROOT / "docs" / "reference" / "cli.md") + wrong(ROOT / "docs" / "reference" / "toml.md")


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
    ],
)
def test_the_words_are_recognised(text: str, is_wrong: bool) -> None:
    assert any(pattern.search(CODE.sub("", text)) for pattern in banned()) == is_wrong


def test_every_text_of_code_is_seen() -> None:
    call = 'E("what is wrong", do=f"Set {x} to a value", sql="SELECT a FROM b", k="key")'
    code = f'def f(x):\n    """A doc text."""\n    raise {call}\n'
    assert [text for _, text in sorted(_literals(ast.parse(code)))] == [
        "A doc text.",
        "Set {} to a value",
        "what is wrong",
    ]


def write_all(out: Path) -> int:
    """Write every text, file by file; returns how many there are."""
    found = [text for path in files() for text in texts(path)]
    out.write_text("".join(f"{text.path}:{text.line}: {text.text}\n" for text in found), encoding="utf-8")
    return len(found)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--print"] or len(sys.argv) != 3:
        sys.exit(__doc__)
    print(f"{write_all(Path(sys.argv[2]))} texts in {sys.argv[2]}")

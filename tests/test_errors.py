"""Lists in messages are shortened by one function."""

from __future__ import annotations

import re
from pathlib import Path

from oceanpath.errors import shorten_lines, shorten_list

PACKAGE = Path(__file__).resolve().parent.parent / "oceanpath"


def test_a_short_list_is_complete() -> None:
    assert shorten_list([]) == ""
    assert shorten_list([1, 2, 3, 4, 5]) == "1, 2, 3, 4, 5"
    assert shorten_lines(["a", "b"], 2) == ["a", "b"]


def test_a_long_list_ends_with_the_number_of_the_others() -> None:
    assert shorten_list("abcdefg") == "a, b, c, d, e and 2 more"
    assert shorten_list("abc", 1) == "a and 2 more"
    assert shorten_lines(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]


def test_no_other_module_shortens_a_list() -> None:
    copies = re.compile(r"\{len\(\w+\) - \w+\} more\"")
    assert [path.name for path in PACKAGE.rglob("*.py") if copies.search(path.read_text())] == ["errors.py"]

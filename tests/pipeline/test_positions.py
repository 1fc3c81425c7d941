"""Lines and columns of keys in experiment files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.experiment import load
from oceanpath.pipeline.positions import position, positions
from oceanpath.stages.catalog import CATALOG

TEXT = '''name = "x"  # train.epochs = 1
note = """
[train]
epochs = 3
"""
[train]
  lr = 1
"weight_decay" = 2
[ data . sub ]  # comment
a.b = 3
list = [
    "k = 4",
]
[[variant]]
name = "a"
[variant.train]
lr = 5
[[variant]]
train.lr = 6
'''


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("name", "1:1"),
        ("train", "6:2"),
        ("train.epochs", "6:2"),  # it is only in a text
        ("train.lr", "7:3"),
        ("train.weight_decay", "8:1"),
        ("data.sub.a.b", "10:1"),
        ("data.sub.list", "11:1"),
        ("variant.0.train.lr", "17:1"),
        ("variant.1.train.lr", "19:1"),
        ("elsewhere.key", ""),
    ],
)
def test_a_key_has_the_position_where_it_is_written(key: str, expected: str) -> None:
    assert position(positions(TEXT, "variant"), key) == expected


@given(st.lists(st.sampled_from(["[t]", "k = 1", '"""', "[[variant]]", "x = [", "]", "", "= 3", "[", "a.b='''"])))
def test_any_text_has_positions_within_it(lines: list[str]) -> None:
    for place in positions("\n".join(lines), "variant").values():
        line, column = map(int, place.split(":"))
        assert lines[line - 1][column - 1 :].strip()


def test_errors_name_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    lines = ["[model]", "hiden = 3", "dropout = 7", "[train]", "  epoch = 1", "[eval]", "confidence = 3"]
    path.write_text("\n".join([*lines, "[[variant]]", "name = 'b'", "split.folds = 1"]))
    with pytest.raises(ExperimentError) as caught:
        load(path, CATALOG)
    text = str(caught.value)
    assert "e.toml:2:1 [model] hiden" in text and "e.toml:3:1 [model] dropout" in text
    assert "e.toml:5:3 [train]: unknown key 'epoch'" in text and "e.toml:7:1 [eval] confidence" in text
    assert "e.toml:10:1 variant b [split] folds" in text

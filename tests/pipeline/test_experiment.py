"""Experiment files: what they may contain, and the errors for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import ExperimentError
from oceanpath.pipeline import layers
from oceanpath.pipeline.experiment import load

from .conftest import CountSettings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[coutn]\n", ["toy.toml:1:2", "unknown table 'coutn'", "Did you mean 'count'"]),
        ("[count]\nfactr = 2\n", ["toy.toml:2:1 [count]", "unknown key 'factr'", "Did you mean 'factor'"]),
        ("[count]\nseed = 2\n", ["unknown key 'seed'"]),
        ("[data]\nwrods = 'x'\n", ["toy.toml:2:1 [data]", "unknown key 'wrods'", "Did you mean 'words'"]),
        ("sede = 1\n", ["unknown key 'sede'", "Did you mean 'seed'"]),
        ("[count]\nfactor = 0\n", ["toy.toml:2:1 [count] factor", "greater than or equal to 1", "got 0"]),
        ("[count]\nfactor = 'x'\n", ["[count] factor", "valid integer", "got 'x'"]),
        ("[count\n", ["toy.toml", "not valid TOML"]),
        ('extends = "gone.toml"\n', ["gone.toml", "does not exist"]),
        ('extends = "toy.toml"\n', ["cycle"]),
        ("[[variant]]\nread.upper = true\n", ["every [[variant]] needs a name"]),
        ('[[variant]]\nname = "base"\n', ["variant names", "base"]),
        ('[[variant]]\nname = "v"\ncount.factro = 1\n', ["toy.toml:3:1 variant v [count]", "Did you mean 'factor'"]),
        ('name = "../up"\n', ["usable as a folder name"]),
    ],
)
def test_a_wrong_file_is_told_where_and_what_is_near(toy, text: str, words: list[str]) -> None:
    toy.write(text)
    with pytest.raises(ExperimentError) as caught:
        load(toy.file, toy.catalog)
    for word in words:
        assert word in str(caught.value)


def test_all_problems_are_told_at_once(toy) -> None:
    text = "sede = 1\n[coutn]\n[data]\nwrods = 'x'\n[count]\nfactor = 0\nletters = 3\n"
    toy.write(f"{text}[[variant]]\nname = 'v'\nread.uper = 1\n")
    with pytest.raises(ExperimentError) as caught:
        load(toy.file, toy.catalog)
    lines = str(caught.value).splitlines()
    for number, words in enumerate(("'sede'", "'coutn'", "'wrods'", "factor", "letters", "'uper'"), 1):
        assert any(line.startswith(f"  {number}. ") and words in line for line in lines), (words, lines)
    assert "6 problems" in lines[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_file(toy, encoding: str, end: str) -> None:
    toy.file.write_bytes(f'[data]{end}words = "é.txt"{end}'.encode(encoding))
    assert load(toy.file, toy.catalog).base.value("data.words").name == "é.txt"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_another_encoding_is_named(toy, encoding: str) -> None:
    toy.file.write_bytes('[data]\nwords = "é.txt"\n'.encode(encoding))
    with pytest.raises(ExperimentError, match=r"toy\.toml: the experiment file is not in UTF-8.*Save it as UTF-8"):
        load(toy.file, toy.catalog)


def test_a_key_may_ask_whether_a_stage_has_a_table(toy) -> None:
    toy.write("[count]\n")
    variant = load(toy.file, toy.catalog).base
    assert (variant.value("stage.count"), variant.value("stage.report")) == (True, False)


def test_a_missing_file_is_named(toy) -> None:
    with pytest.raises(ExperimentError, match=r"nowhere\.toml"):
        load(toy.folder / "nowhere.toml", toy.catalog)


def test_relative_paths_are_meant_from_the_file_that_says_them(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    (toy.folder / "base").mkdir()
    (toy.folder / "base" / "base.toml").write_text('[data]\nwords = "w.txt"\n')
    toy.write('extends = "base/base.toml"\n[read]\n')
    assert load(toy.file, toy.catalog).base.value("data.words") == toy.folder.resolve() / "base" / "w.txt"
    monkeypatch.chdir(toy.folder)
    over = load(toy.file, toy.catalog, ("data.words=here.txt",))
    assert over.base.value("data.words") == Path.cwd() / "here.txt"
    rooted = load(toy.file, toy.catalog, ("data.root=far",))
    assert rooted.base.value("data.words") == Path.cwd() / "far" / "w.txt"


def test_a_value_may_come_from_the_table_of_another_stage(toy) -> None:
    toy.write("seed = 7\n[count]\nfactor = 3\n[[variant]]\nname = 'v'\ncount.factor = 5\n")
    base, other = load(toy.file, toy.catalog).variants
    assert (base.value("count.factor"), base.value("count.letters"), base.value("count.seed")) == (3, "ab", 7)
    assert other.value("count.factor") == 5
    assert base.value("count") == base.settings(toy.catalog.stage("count"))
    with pytest.raises(ExperimentError, match="unknown stage 'coutn'"):
        base.value("coutn.factor")


def test_an_extended_file_is_merged_key_by_key(toy) -> None:
    (toy.folder / "base.toml").write_text('seed = 3\n[count]\nfactor = 2\nletters = "x"\n')
    toy.write('extends = "base.toml"\n[count]\nfactor = 5\n')
    experiment = load(toy.file, toy.catalog)
    made = experiment.base.settings(toy.catalog.stage("count"))
    assert isinstance(made, CountSettings)
    assert (made.factor, made.letters, made.seed) == (5, "x", 3)


def test_an_empty_table_asks_for_its_stage(toy) -> None:
    toy.write("[count]\n")
    assert load(toy.file, toy.catalog).requested_stages() == ["count"]


def test_a_when_key_asks_for_its_stage(toy) -> None:
    toy.write('[data]\nwords = "words.txt"\n')
    assert load(toy.file, toy.catalog).requested_stages() == ["read"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=1", 1),
        ("a.b=1e-4", 1e-4),
        ("a.b=static", "static"),
        ("a.b=true", True),
        ('a.b=["x"]', ["x"]),
        ("a.b=", ""),
    ],
)
def test_an_override_is_a_toml_value_or_else_text(text: str, value: object) -> None:
    assert layers.overrides([text])["a.b"].value == value


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"table\.key=value"):
        layers.overrides(["lr"])


keys = st.text("abc_", min_size=1, max_size=4)
trees = st.recursive(st.integers() | st.booleans(), lambda leaf: st.dictionaries(keys, leaf, min_size=1, max_size=3))


@given(st.dictionaries(keys, trees, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_flattening_loses_nothing(tree: dict[str, object]) -> None:
    flat = layers.flatten(tree, "t", Path())
    assert layers.unflatten({key: value for key, value in flat.items() if value.value is not layers.TABLE}) == tree


def test_a_table_replaces_a_value_of_the_same_name() -> None:
    layer = layers.flatten({"train": {"batching": "fixed"}}, "a.toml", Path())
    layer |= layers.flatten({"train": {"batching": {"name": "token_budget"}}}, "--set", Path())
    assert layers.unflatten(layers.table(layer, "train")) == {"batching": {"name": "token_budget"}}

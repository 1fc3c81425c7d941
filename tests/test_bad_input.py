"""Bad input through the front door: one clear error, its exit code, nothing published, and the rest kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .conftest import COLUMNS, Cohort


def with_value(cohort: Cohort, value: float) -> None:
    features = np.ones((20, 8), np.float32)
    features[4, 2] = value
    cohort.put("slide_03", features)


Spoil = Callable[[Cohort], object]
BAD: dict[str, tuple[Spoil, int, list[str]]] = {
    "unknown key": (lambda c: setattr(c, "toml", c.toml + "fold = 3\n"), 2, ["[split]", "'fold'", "'folds'"]),
    "no table": (lambda c: c.table.unlink(), 2, ["cohort.csv", "no such file"]),
    "empty table": (lambda c: c.write_table(rows=[]), 2, ["cohort.csv", "no rows"]),
    "no label column": (lambda c: c.write_table("slide_id,case_id,target"), 2, ["'response'", "target"]),
    "no patient column": (
        lambda c: c.write_table("slide_id,batch,response"),
        2,
        ["'case_id'", "one_slide_per_patient"],
    ),
    "row without features": (lambda c: c.file().unlink(), 2, ["slide_03", "without features"]),
    "features without row": (lambda c: c.write_table(rows=c.rows[1:]), 2, ["slide_00", "not in the table"]),
    "twice": (lambda c: c.write_table(rows=[*c.rows, c.rows[0]]), 2, ["slide_00", "more than once"]),
    "truncated": (lambda c: c.file().write_bytes(c.file().read_bytes()[:700]), 4, ["slide_03.h5"]),
    "no hdf5": (lambda c: c.file().write_text("hello"), 4, ["slide_03.h5"]),
    "wrong dimension": (lambda c: c.put("slide_03", np.ones((20, 9), np.float16)), 4, ["slide_03.h5", "got 9"]),
    "nan": (lambda c: with_value(c, np.nan), 4, ["slide_03.h5", "row 4"]),
    "inf": (lambda c: with_value(c, np.inf), 4, ["slide_03.h5", "row 4"]),
    "no patches": (lambda c: c.put("slide_03", np.ones((0, 8), np.float16)), 4, ["slide_03.h5", "no patches"]),
    "few patients": (lambda c: setattr(c, "toml", c.toml.replace("folds = 2", "folds = 5")), 2, ["fewer patients"]),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_one_clear_error(name: str, cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, code, words = BAD[name]
    spoil(cohort)
    assert cohort.run() == code
    said = capsys.readouterr().err
    for word in [*words, "error: "]:
        assert word in said
    assert "Traceback" not in said
    assert not list((cohort.folder / "out").rglob("*.partial"))
    assert not list((cohort.folder / "out").glob("runs/split/*"))


def test_mended_it_goes_on_from_what_was_complete(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    cohort.write_table("slide_id,case_id,target")
    assert cohort.run() == 2
    cohort.write_table()
    assert cohort.run() == 0
    said = capsys.readouterr()
    assert said.err.count("mmap: done") == 1
    assert said.err.count("split: done") == 1
    assert cohort.run() == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_an_added_column_of_the_table_leaves_the_folds_as_they_are(cohort: Cohort) -> None:
    assert cohort.run() == 0
    link = cohort.folder / "out" / "experiments" / "oceanpath" / "split"
    before = (link / "fold_0.parquet").read_bytes()
    cohort.write_table(COLUMNS + ",age", [f"{row},50" for row in cohort.rows])
    assert cohort.run() == 0
    assert (link / "fold_0.parquet").read_bytes() == before

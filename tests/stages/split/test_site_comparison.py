"""The sites that `split` publishes, with one cross-validation that keeps patients together and one that keeps sites."""

from __future__ import annotations

import pandas as pd
import pytest

from oceanpath.artifacts.folds import check, read_fold, read_splits
from oceanpath.artifacts.sites import FILE, read_sites, write_sites
from oceanpath.errors import ArtifactError

from .conftest import Bench, table


def with_sites(sites: int = 5) -> pd.DataFrame:
    return table().assign(hospital=lambda f: [f"h{int(name[1:]) // 2 % sites}" for name in f["case_id"]])


def test_both_cross_validations_test_every_slide_and_the_grouped_one_is_that_of_kfold(bench: Bench) -> None:
    out = bench.go(with_sites(), site="hospital")
    sites = read_sites(out)
    assert sites is not None and len(sites) == 40
    assert read_splits(out)["site"] == {"folds": 5, "reason": ""}
    for number in range(5):
        fold = read_fold(out, number).set_index("slide_id")["role"]
        tested = set(fold.index[fold == "test"])
        assert set(sites.loc[sites["grouped_fold"] == number, "slide_id"]) == tested
        assert sites.loc[sites["preserved_fold"] == number, "site"].nunique() == 1


def test_fewer_sites_than_folds_give_fewer_folds(bench: Bench) -> None:
    assert read_splits(bench.go(with_sites(3), site="hospital"))["site"] == {"folds": 3, "reason": ""}


def test_a_cohort_without_sites_has_no_file(bench: Bench) -> None:
    out = bench.go(with_sites())
    assert read_splits(out)["site"] is None and not (out / FILE).exists()


def test_the_reason_is_stated_where_sites_cannot_be_compared(bench: Bench) -> None:
    frame = with_sites()
    frame.loc[0, "hospital"] = "elsewhere"
    out = bench.go(frame, site="hospital")
    assert read_splits(out)["site"]["folds"] == 0
    assert "slides of several sites; got 1: p00" in read_splits(out)["site"]["reason"]
    assert read_sites(out) is None


def test_a_divided_site_is_damage(bench: Bench) -> None:
    out = bench.go(with_sites(), site="hospital")
    sites = read_sites(out)
    assert sites is not None
    sites.loc[sites["patient_id"] == "p00", "preserved_fold"] += 1
    write_sites(sites, out)
    with pytest.raises(ArtifactError, match="a site is in several folds"):
        check(out)

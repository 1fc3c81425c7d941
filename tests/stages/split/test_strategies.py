"""Which patients each strategy tests, how often, and what is refused."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.folds import check_fold
from oceanpath.errors import ExperimentError
from oceanpath.stages.split.assign_folds import choose_folds
from oceanpath.stages.split.draws import apportion
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.registry import SCHEMES
from oceanpath.stages.split.strategies.site_preserved import assign_sites

from .conftest import assign_folds, patients

CLASSES = ("NR", "R")


def cohort(count: int = 60, slides: int = 2, sites: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slides and further columns of patients whose class, site and sex are independent of each other."""
    random = np.random.default_rng(0)
    owner = np.repeat(np.arange(count), slides)
    site, sex = random.integers(0, sites, count), random.choice(["f", "m"], count)
    names = {"slide_id": [f"s{i:04d}" for i in range(len(owner))], "patient_id": [f"p{p:03d}" for p in owner]}
    frame = pd.DataFrame({**names, "label": [CLASSES[p % 2] for p in owner]})
    return frame, pd.DataFrame({"site": [f"site{s}" for s in site[owner]], "sex": sex[owner]})


def keys(scheme: str, **more: object) -> SplitSettings:
    return SplitSettings(classes=CLASSES, scheme=scheme, site="site", **more)


def held_out(folds: list[pd.DataFrame]) -> list[set[str]]:
    return [set(fold.loc[fold["role"] == "test", "patient_id"]) for fold in folds]


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"custom"}))
def test_every_scheme_keeps_patients_together_whatever_the_order_of_the_rows(scheme: str) -> None:
    slides, columns = cohort()
    given_order = assign_folds(slides, keys(scheme, repeats=3), columns)
    shuffled = np.random.default_rng(5).permutation(len(slides))
    again = assign_folds(
        slides.iloc[shuffled].reset_index(drop=True),
        keys(scheme, repeats=3),
        columns.iloc[shuffled].reset_index(drop=True),
    )
    for fold, other in zip(given_order, again, strict=True):
        check_fold(fold, scheme)
        assert set(fold["role"]) == {"train", "val", "test"}
        assert dict(zip(fold["slide_id"], fold["role"], strict=True)) == dict(
            zip(other["slide_id"], other["role"], strict=True)
        )


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"custom", "leave_one_site_out"}))
def test_every_random_scheme_depends_on_the_seed(scheme: str) -> None:
    slides, columns = cohort()
    one, two = (held_out(assign_folds(slides, keys(scheme, repeats=2, seed=seed), columns)) for seed in (1, 2))
    assert one != two


def test_repeats_are_whole_cross_validations_and_the_first_is_the_plain_one() -> None:
    slides, columns = cohort()
    plain = assign_folds(slides, keys("kfold"), columns)
    repeated = assign_folds(slides, keys("repeated_kfold", repeats=3), columns)
    assert len(repeated) == 15
    for fold, same in zip(plain, repeated[:5], strict=True):
        pd.testing.assert_frame_equal(fold, same)
    for start in (0, 5, 10):
        sets = held_out(repeated[start : start + 5])
        assert set().union(*sets) == set(slides["patient_id"]) and sum(map(len, sets)) == 60
    assert held_out(repeated[5:10]) != held_out(repeated[10:15])
    plan = choose_folds(patients(slides, keys("repeated_kfold", repeats=3), columns), keys("repeated_kfold", repeats=3))
    assert [fold.repeat for fold in plan] == [0] * 5 + [1] * 5 + [2] * 5


def test_monte_carlo_draws_are_independent_and_stratified() -> None:
    slides, columns = cohort()
    folds = assign_folds(slides, keys("mccv", repeats=10, test_fraction=0.3), columns)
    sets = held_out(folds)
    assert all(len(names) == 18 for names in sets)
    for fold in folds:
        test = fold[fold["role"] == "test"].drop_duplicates("patient_id")
        assert test["label"].value_counts().to_dict() == {"NR": 9, "R": 9}
    assert np.mean([len(one & other) for one, other in combinations(sets, 2)]) == pytest.approx(18 * 0.3, abs=1.5)


def test_inner_folds_validate_every_patient_once_and_share_their_test_set() -> None:
    slides, columns = cohort()
    settings = keys("nested", folds=3, inner_folds=4)
    folds = assign_folds(slides, settings, columns)
    plan = choose_folds(patients(slides, settings, columns), settings)
    assert [fold.ensemble for fold in plan] == [0] * 4 + [4] * 4 + [8] * 4
    assert held_out(folds)[::4] == held_out(assign_folds(slides, keys("kfold", folds=3), columns))
    for start in (0, 4, 8):
        inner = folds[start : start + 4]
        (test,) = {frozenset(names) for names in held_out(inner)}
        vals = [set(fold.loc[fold["role"] == "val", "patient_id"]) for fold in inner]
        assert sum(map(len, vals)) == len(set().union(*vals)) == 60 - len(test)
        assert not set().union(*vals) & test


def test_few_shot_draws_share_a_test_set_and_hold_so_many_labelled_patients() -> None:
    slides, columns = cohort()
    folds = assign_folds(slides, keys("few_shot", shots=5, repeats=4), columns)
    (test,) = {frozenset(names) for names in held_out(folds)}
    assert len(test) == 12
    labelled = []
    for fold in folds:
        rest = fold[fold["role"] != "test"].drop_duplicates("patient_id")
        assert rest["label"].value_counts().to_dict() == {"NR": 5, "R": 5}
        assert rest["role"].value_counts().to_dict() == {"train": 8, "val": 2}
        labelled.append(frozenset(rest["patient_id"]))
    assert len(set(labelled)) == 4
    with pytest.raises(ExperimentError, match=r"class NR.*24 patients outside the test set for 25 shots.*24 or less"):
        assign_folds(slides, keys("few_shot", shots=25), columns)


def test_each_site_is_tested_by_a_model_that_saw_none_of_its_slides() -> None:
    slides, columns = cohort()
    folds = assign_folds(slides, keys("leave_one_site_out"), columns)
    sites = columns["site"].set_axis(slides["slide_id"])
    for fold, site in zip(folds, sorted(set(columns["site"])), strict=True):
        here = sites.loc[fold["slide_id"]].to_numpy()
        assert set(here[fold["role"] == "test"]) == {site}
        assert site not in set(here[fold["role"] != "test"])
    settings = keys("leave_one_site_out", smallest_site=10)
    plan = choose_folds(patients(slides, settings, columns), settings)
    sizes = columns["site"].groupby(slides["patient_id"]).first().value_counts()
    assert [fold.name for fold in plan] == [
        *sorted(sizes.index[sizes >= 10]),
        "sites with fewer than 10 patients",
    ]
    assert len(plan[-1].test) == sizes[sizes < 10].sum()


def test_no_site_is_divided_and_classes_are_balanced() -> None:
    slides, columns = cohort(120, sites=12)
    folds = assign_folds(slides, keys("site_preserved", folds=3), columns)
    sites = columns["site"].set_axis(slides["slide_id"])
    seen = [set(sites.loc[fold.loc[fold["role"] == "test", "slide_id"]]) for fold in folds]
    assert sum(map(len, seen)) == 12 and set().union(*seen) == set(sites)
    for fold in folds:
        test = fold[fold["role"] == "test"].drop_duplicates("patient_id")
        assert test["label"].value_counts().between(18, 22).all()
        assert not set(sites.loc[test["slide_id"]]) & set(sites.loc[fold.loc[fold["role"] != "test", "slide_id"]])


def imbalance(counts: np.ndarray, fold_of: tuple[int, ...], folds: int) -> float:
    """The objective of the linear program; infinite where a fold lacks a stratum in testing or training."""
    inside = np.array([counts[np.equal(fold_of, k)].sum(axis=0) for k in range(folds)])
    total = counts.sum(axis=0)
    if (inside < 1).any() or (total - inside < 2).any():
        return np.inf
    return float((np.abs(inside - total / folds) / total).sum())


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=6), st.integers(2, 3))
@settings(deadline=None, max_examples=40)
def test_sites_are_assigned_as_well_as_by_trying_every_assignment(sizes: list[tuple[int, int]], folds: int) -> None:
    counts = np.array(sizes)
    every = (imbalance(counts, fold_of, folds) for fold_of in product(range(folds), repeat=len(counts)))
    best = min(every)
    found = assign_sites(counts, folds)
    if np.isinf(best):
        assert found is None
    else:
        assert found is not None
        assert imbalance(counts, tuple(found), folds) == pytest.approx(best, abs=1e-6)


def test_sites_are_read_from_tcga_barcodes_only_by_request() -> None:
    slides, _ = cohort(40)
    code = {
        name: f"TCGA-{'AA' if int(name[1:]) % 4 < 2 else 'B2'}-{int(name[1:]):04d}" for name in slides["patient_id"]
    }
    slides["patient_id"] = slides["patient_id"].map(code)
    asked = SplitSettings(classes=CLASSES, scheme="leave_one_site_out", site_rule="tcga_barcode")
    assert [fold.name for fold in choose_folds(patients(slides, asked), asked)] == ["AA", "B2"]
    plain = SplitSettings(classes=CLASSES, scheme="leave_one_site_out")
    with pytest.raises(ExperimentError, match=r"no site.*40 of 40 patients.*data\.site_rule"):
        assign_folds(slides, plain)
    with pytest.raises(ExperimentError, match=r"no TCGA barcodes.*40: p000"):
        assign_folds(cohort(40)[0], asked)


def test_a_patient_of_two_sites_and_a_site_alone_are_refused() -> None:
    slides, columns = cohort()
    columns.loc[0, "site"] = "elsewhere"
    with pytest.raises(ExperimentError, match=r"slides of several sites.*1: p000"):
        assign_folds(slides, keys("site_preserved"), columns)
    columns["site"] = "one"
    with pytest.raises(ExperimentError, match=r"one site only.*one"):
        assign_folds(slides, keys("leave_one_site_out"), columns)
    with pytest.raises(ExperimentError, match=r"fewer sites than folds.*got 1"):
        assign_folds(slides, keys("site_preserved"), columns)


def test_a_site_with_all_patients_of_a_class_cannot_be_left_out() -> None:
    slides, columns = cohort()
    columns["site"] = slides["label"].to_numpy()
    with pytest.raises(ExperimentError, match=r"class NR.*30, 0 of them not tested \(NR is tested\).*split\.merge"):
        assign_folds(slides, keys("leave_one_site_out"), columns)
    with pytest.raises(ExperimentError, match=r"NR in 1 sites, R in 1 sites.*leave_one_site_out"):
        assign_folds(slides, keys("site_preserved", folds=2), columns)


def test_folds_are_balanced_by_several_columns_jointly() -> None:
    slides, columns = cohort(100, slides=1)
    folds = assign_folds(slides, keys("kfold", stratify=("sex", "site")), columns)
    value = slides["label"] + columns["sex"]
    for fold in folds:
        test = slides["slide_id"].isin(fold.loc[fold["role"] == "test", "slide_id"])
        assert test.sum() == 20
        for name, total in value.value_counts().items():
            assert abs((value[test] == name).sum() - total / 5) < 2, name


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 60))
def test_shares_of_cells_are_proportional_and_add_up(sizes: list[int], total: int) -> None:
    counts = apportion(sizes, total)
    assert sum(counts) == min(total, sum(sizes))
    for count, size in zip(counts, sizes, strict=True):
        assert 0 <= count <= size
        assert sum(sizes) == 0 or abs(count - size * min(total, sum(sizes)) / sum(sizes)) < 1


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ValueError, match="unknown scheme 'k_fold'; expected kfold"):
        SplitSettings(scheme="k_fold")

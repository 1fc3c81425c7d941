"""Planted leaks and shortcuts are found, and a clean cohort has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.audit_report import FOUND, NOT_CHECKED, NOT_FOUND, Finding
from oceanpath.artifacts.split_files.formats import read_split_file
from oceanpath.audit.duplicates import SKETCH, identical_features, near_duplicates, scan, sketch
from oceanpath.audit.overlaps import COLUMNS, OtherGroup, shared_units
from oceanpath.audit.shortcuts import as_bins, as_groups, label_from, label_from_column, make_labelled, shuffled_labels
from oceanpath.audit.sites import robustness, site_from_features
from oceanpath.audit.split_file import audit_split_file, patients_by_barcode, patients_by_table
from oceanpath.cli.audit_gate import refuse_findings
from oceanpath.errors import ExperimentError, GateError
from oceanpath.stats.robustness import robustness_index
from oceanpath.tasks.classification import Classification

from ..conftest import write_store

HIPT = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hipt_tcga_lung"
TASK, N = Classification(["neg", "pos"]), 120
RANDOM = np.random.default_rng(0)
LABELS = [TASK.classes[i % 2] for i in RANDOM.permutation(N)]
PATIENTS = [f"p{i // 2:02d}" for i in range(N)]
LABELS = [LABELS[2 * (i // 2)] for i in range(N)]
OWN_FOLD = np.repeat(RANDOM.permutation(N // 2) % 4, 2)
FOLDS = [(np.flatnonzero(k != OWN_FOLD), np.flatnonzero(k == OWN_FOLD)) for k in range(4)]
SLIDES = make_labelled(TASK, LABELS, PATIENTS, FOLDS, resamples=200, seed=1)
POSITIVE = SLIDES.targets == 1
EXTREME, AB, BC = (RANDOM.choice(values, N) for values in ([-9, 9], ["A", "B"], ["B", "C"]))


def roles_of(rows: list[tuple[int, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


CLEAN = roles_of([(0, "a", "p", "train"), (0, "b", "p", "train"), (0, "c", "q", "test"), (1, "c", "q", "train")])


def test_units_with_several_roles_in_a_fold_are_found() -> None:
    assert shared_units(CLEAN, "patient").verdict == shared_units(CLEAN, "slide").verdict == NOT_FOUND
    leak = shared_units(pd.concat([CLEAN, roles_of([(0, "d", "q", "train"), (1, "d", "q", "val")])]), "patient")
    assert leak.verdict == FOUND and leak.value == 2
    assert list(leak.items) == [
        {"fold": 0, "patient": "q", "roles": ["train", "test"]},
        {"fold": 1, "patient": "q", "roles": ["train", "val"]},
    ]
    assert leak.text.startswith("2 pairs of fold and patient have several roles, 1 of them train and test")
    assert shared_units(CLEAN.assign(patient_id=""), "patient").verdict == NOT_CHECKED


def test_test_patients_of_a_pretraining_are_found() -> None:
    seen = OtherGroup("the pretraining", frozenset("a"), frozenset("pq"), frozenset({"test"}))
    found = shared_units(CLEAN, "patient", [seen])
    assert found.verdict == FOUND and [item["patient"] for item in found.items] == ["q"]
    assert shared_units(CLEAN, "slide", [seen]).verdict == NOT_FOUND
    assert shared_units(CLEAN, "patient", [seen._replace(fold=1)]).verdict == NOT_FOUND


def duplicates(tmp_path: Path, change: str) -> tuple[Finding, Finding]:
    """Twelve slides, of which s00 (train) and s11 (test) are made similar."""
    bags = {f"s{i:02d}": RANDOM.standard_normal((60 + i, 16)).astype(np.float16) for i in range(12)}
    for bag in bags.values():
        bag[:3] = 0  # plain background
    if change == "same":
        bags["s11"] = bags["s00"]
    if change == "noise":
        noise = RANDOM.standard_normal(bags["s00"].shape) * 0.01
        bags["s11"] = (bags["s00"] + noise).astype(np.float16)
    if change == "subset":
        bags["s11"] = np.concatenate([bags["s11"], bags["s00"][20:30]])
    store = write_store(tmp_path / "store", bags)
    role = ["train"] * 6 + ["test"] * 6
    roles = roles_of([(0, name, f"p{name}", role[i]) for i, name in enumerate(sorted(bags))])
    owner = dict(zip(roles["slide_id"], roles["patient_id"], strict=True))
    scanned = scan(store, owner, lambda: None)
    return identical_features(scanned, roles), near_duplicates(scanned, roles, similarity=0.99, shared_patches=0.05)


@pytest.mark.parametrize(
    ("change", "identical", "near"), [("", 0, 0), ("same", 1, 0), ("noise", 0, 1), ("subset", 0, 1)]
)
def test_a_slide_under_another_name_is_found(tmp_path: Path, change: str, identical: int, near: int) -> None:
    found = duplicates(tmp_path, change)
    assert [finding.value for finding in found] == [identical, near]
    for finding, count in zip(found, (identical, near), strict=True):
        assert finding.verdict == (FOUND if count else NOT_FOUND)
        assert [item["slides"] for item in finding.items] == [["s00", "s11"]] * count
        assert all(item["folds"] == {"0": ["train", "test"]} for item in finding.items)


def test_a_sketch_estimates_the_share_of_common_patches_of_long_bags() -> None:
    first = RANDOM.standard_normal((8000, 5)).astype(np.float32)
    second = np.concatenate([first[:2000], RANDOM.standard_normal((6000, 5)).astype(np.float32)])
    a, b = sketch(first), sketch(second[RANDOM.permutation(len(second))])
    assert len(a) == len(b) == SKETCH
    assert len(np.intersect1d(a, b)) / SKETCH == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("planted bag length", as_bins(np.where(POSITIVE, 500.0, 300.0) + RANDOM.normal(0, 80, N)), FOUND),
        (
            "middle lengths are positive",
            as_bins(np.where(POSITIVE, 0, EXTREME) + RANDOM.normal(size=N)),
            FOUND,
        ),
        ("perfect bag length", as_bins(np.where(POSITIVE, 500.0, 300.0)), FOUND),
        ("random bag length", as_bins(RANDOM.normal(size=N)), NOT_FOUND),
        (
            "planted site",
            as_groups(np.where(POSITIVE, AB, BC).tolist()),
            FOUND,
        ),
        ("random site", as_groups(RANDOM.choice(list("ABC"), N).tolist()), NOT_FOUND),
        ("one site", as_groups(["A"] * N), NOT_CHECKED),
    ],
)
def test_a_shortcut_to_the_label_is_found(name: str, x: np.ndarray, expected: str) -> None:
    found = label_from(SLIDES, "check", name, x, 0.1)
    assert found.verdict == expected, found.text
    if expected == FOUND:
        assert found.text.startswith(f"{name} predicts the label: AUROC ") and found.text.endswith("chance 0.500")


def test_a_column_that_names_every_slide_is_not_checked() -> None:
    found = label_from_column(SLIDES, "label_from_columns", "column id", [str(i) for i in range(N)], 0.1)
    assert (found.verdict, found.text) == (NOT_CHECKED, "column id: 120 values for 120 slides")


def test_shuffled_labels_are_at_chance_unless_patients_leak() -> None:
    x = RANDOM.normal(size=(N, 6)).astype(np.float32)
    found = shuffled_labels(SLIDES, x, shuffles=6, seed=0, margin=0.1)
    assert found.verdict == NOT_FOUND and abs(found.value or 1) < 0.1
    by_slide = np.tile([0, 1], N // 2)  # both slides of a patient are in different folds
    leaking = [(np.flatnonzero(by_slide != k), np.flatnonzero(by_slide == k)) for k in range(2)]
    slides = make_labelled(TASK, LABELS, PATIENTS, leaking, resamples=200, seed=1)
    patient = as_groups(PATIENTS)
    assert shuffled_labels(slides, patient, shuffles=6, seed=0, margin=0.1).verdict == FOUND


def sites_table(classes: np.ndarray) -> pd.DataFrame:
    patients, sites = [f"p{i}" for i in range(N)], [f"h{i % 4}" for i in range(N)]
    labels = [TASK.classes[number] for number in classes]
    return pd.DataFrame(
        {
            "slide_id": patients,
            "patient_id": patients,
            "label": labels,
            "site": sites,
            "grouped_fold": np.arange(N) // 4 % 3,
        }
    )


def test_features_that_contain_the_site_are_found() -> None:
    classes = RANDOM.integers(0, 2, N)
    table, site = sites_table(classes), np.eye(4)[np.arange(N) % 4]
    noise, signal = RANDOM.normal(size=(N, 4)) * 0.3, np.eye(2)[classes] * 3
    of_site = np.hstack([site * 3 + noise, noise[:, :2]]).astype(np.float32)
    of_class = np.hstack([noise, signal + noise[:, :2]]).astype(np.float32)
    assert site_from_features(table, of_site, 0.1).verdict == FOUND
    assert site_from_features(table, of_class, 0.1).verdict == NOT_FOUND
    assert robustness(table, of_site, TASK, 0.5).verdict == FOUND
    robust = robustness(table, of_class, TASK, 0.5)
    assert robust.verdict == NOT_FOUND and (robust.value or 0) > 0.95
    assert robustness(sites_table(np.arange(N) % 2), of_class, TASK, 0.5).verdict == NOT_CHECKED


def test_the_robustness_index_is_that_of_counting_neighbours() -> None:
    x, classes, sites = RANDOM.normal(size=(40, 3)), RANDOM.integers(0, 2, 40), RANDOM.integers(0, 3, 40)
    patients = [f"p{i // 2}" for i in range(40)]
    found = robustness_index(x, classes, sites, patients)
    unit, so, os = x / np.linalg.norm(x, axis=1, keepdims=True), 0, 0
    for i in range(40):
        others = sorted((j for j in range(40) if patients[j] != patients[i]), key=lambda j: -float(unit[i] @ unit[j]))
        for j in others[: found.k]:
            so += classes[i] == classes[j] and sites[i] != sites[j]
            os += classes[i] != classes[j] and sites[i] == sites[j]
    assert found.value == pytest.approx(so / (so + os)) and (found.tail or 0) <= so / (so + os)


def test_the_gate_ends_the_command_with_its_own_exit_code() -> None:
    leak = shared_units(pd.concat([CLEAN, roles_of([(0, "d", "q", "train")])]), "patient")
    refuse_findings([leak], ("shared_slides",), "here")
    with pytest.raises(GateError, match="shared_patients: 1 pairs of fold and patient"):
        refuse_findings([leak], ("shared_patients",), "here")


def test_a_split_file_needs_the_patient_of_every_slide(tmp_path: Path) -> None:
    (tmp_path / "splits_0.csv").write_text(",train,val,test\n0,TCGA-A1-0001-01Z,TCGA-A1-0002-01Z,TCGA-A1-0001-02Z\n")
    source = read_split_file(tmp_path)
    slides, patients = audit_split_file(source, patients_by_barcode(source))
    assert (slides.verdict, patients.verdict) == (NOT_FOUND, FOUND)
    assert list(patients.items) == [{"fold": "0", "patient": "TCGA-A1-0001", "roles": ["train", "test"]}]
    table = tmp_path / "cohort.csv"
    table.write_text("slide_id,case_id\nTCGA-A1-0001-01Z,a\nTCGA-A1-0002-01Z,b\n")
    with pytest.raises(ExperimentError, match="1: TCGA-A1-0001-02Z"):
        patients_by_table(source, table, "slide_id", "case_id")
    table.write_text(table.read_text() + "TCGA-A1-0001-02Z,c\n")
    owner = patients_by_table(source, table, "slide_id", "case_id")
    assert [finding.verdict for finding in audit_split_file(source, owner)] == [NOT_FOUND, NOT_FOUND]


@pytest.mark.skipif(not HIPT.is_dir(), reason="the data of HIPT is not on this machine")
def test_all_83_patients_in_train_and_test_of_published_folds_are_found() -> None:
    source = read_split_file(HIPT / "splits_10fold")
    _, patients = audit_split_file(source, patients_by_barcode(source))
    assert sum({"train", "test"} <= set(item["roles"]) for item in patients.items) == 83
    assert len(patients.items) == 152

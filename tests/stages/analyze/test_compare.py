import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts import predictions
from oceanpath.errors import ArtifactError, StageError
from oceanpath.evaluation.pair_tests import named_tests
from oceanpath.stages.analyze import compare
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stats.clustered_tests import clustered_mcnemar, paired_delong
from oceanpath.stats.resampled_t import corrected_resampled_t
from oceanpath.tasks.classification import Classification

from ...narrowing import required

TASK = Classification(["neg", "pos"])
QUICK = AnalyzeSettings(resamples=200)


def run(cohort, selected=False):
    return compare.compare_variants(QUICK, cohort.parents["train"], cohort.variants, selected)


def rewrite(folder, change):
    frame = predictions.read_oof(folder, TASK)
    predictions.write_predictions(change(frame), folder / "oof_predictions.parquet", TASK)


def test_one_variant_has_nothing_to_compare_with(make):
    cohort = make()
    assert run(cohort) is None
    cohort.variants["twin"] = cohort.parents["train"]  # a variant that changes nothing shares the folder
    assert run(cohort) is None
    cohort.variants.clear()
    assert run(cohort) is None


def test_this_variant_is_compared_with_each_other_one(make):
    cohort = make(patients=20)
    cohort.add_variant("good", 1, skill=4)
    cohort.add_variant("noise", 2, skill=0)
    found = run(cohort)
    assert found["this"] == "base" and [block["other"] for block in found["pairs"]] == ["good", "noise"]
    base, good = (predictions.read_oof(cohort.variants[name], TASK) for name in ("base", "good"))
    block = found["pairs"][0]
    assert block["auroc_this"] == pytest.approx(roc_auc_score(base["label"] == "pos", base["prob_pos"]))
    assert block["auroc_other"] == pytest.approx(roc_auc_score(good["label"] == "pos", good["prob_pos"]))
    for test in ("difference", "bootstrap"):
        assert block[test]["value"] == pytest.approx(block["auroc_this"] - block["auroc_other"])
    assert (block["n"], block["n_patients"], block["bootstrap"]["n"]) == (40, 20, 40)
    labels = TASK.targets(base["label"].tolist())
    patients = np.unique(base["patient_id"], return_inverse=True)[1]
    expected = paired_delong(labels, (TASK.values(base), TASK.values(good)), patients)
    assert block["difference"]["p"] == pytest.approx(expected.p)
    hits = [(f["prob_pos"] >= 0.5) == (labels == 1) for f in (base, good)]
    assert block["mcnemar"]["p"] == pytest.approx(clustered_mcnemar((hits[0], hits[1]), patients).p)


def test_holm_is_one_family_over_all_variants_and_tests(make):
    """Four variants are six pairs with four tests each, whichever variant's file is read."""
    cohort = make(patients=20)
    for seed in (1, 2, 3):
        cohort.add_variant(f"v{seed}", seed, skill=0.6 * seed)
    tests: dict[tuple[frozenset[str], str], list[tuple[float, float]]] = {}
    for name, folder in cohort.variants.items():
        found = required(compare.compare_variants(QUICK, folder, cohort.variants, selected=False))
        assert found["this"] == name and found["family"] == 24 and len(found["pairs"]) == 3
        for block in found["pairs"]:
            pair = frozenset((name, block["other"]))
            for test in named_tests(block):
                tests.setdefault((pair, test), []).append((block[test]["p"], block[test]["p_holm"]))
    assert len(tests) == 24
    assert all(len(both) == 2 and both[0] == both[1] for both in tests.values())
    raw, raised = zip(*(both[0] for both in tests.values()), strict=True)
    expected, highest = dict[float, float](), 0.0
    for rank, p in enumerate(sorted(raw)):
        highest = max(highest, min(1.0, (24 - rank) * p))
        expected.setdefault(p, highest)
    assert min(raw) < 0.05  # otherwise all would be 1
    for p, value in zip(raw, raised, strict=True):
        assert value == pytest.approx(expected[p], abs=1e-12)


def test_tests_that_cannot_be_made_are_not_in_the_family(make):
    cohort = make(patients=3)  # p00 and p01 neg, p02 pos: too few for a variance
    cohort.add_variant("other", 1)
    found = run(cohort)
    assert found["family"] == 3 and "fewer than 4 patients" in found["pairs"][0]["difference"]["reason"]
    assert found["pairs"][0]["planning"] == {"reason": found["pairs"][0]["difference"]["reason"]}


def test_five_copies_of_every_slide_move_no_p_value(make):
    cohort = make(patients=20)
    folders = [cohort.parents["train"], cohort.add_variant("other", 1, skill=2)]
    once = run(cohort)["pairs"][0]
    copies = lambda f: pd.concat([f.assign(slide_id=f["slide_id"] + f"_{k}") for k in range(5)])  # noqa: E731  # one use
    for folder in folders:
        rewrite(folder, copies)
    five = run(cohort)["pairs"][0]
    assert five["n"] == 5 * once["n"] and named_tests(five) == named_tests(once)
    for test in named_tests(once):
        assert five[test]["p"] == pytest.approx(once[test]["p"], abs=1e-9), test


def test_a_margin_adds_a_test_of_non_inferiority_and_the_patients_needed(make):
    cohort = make(patients=20)
    cohort.add_variant("other", 1)
    settings = AnalyzeSettings(resamples=200, margin=0.1)
    found = required(compare.compare_variants(settings, cohort.parents["train"], cohort.variants, selected=False))
    block = found["pairs"][0]
    error = block["planning"]["detectable_difference"] / 2.801585
    assert block["planning"]["patients_for_margin"] == np.ceil(20 * (2.801585 * error / 0.1) ** 2)
    test = block["non_inferiority"]
    assert test["low"] == pytest.approx(block["difference"]["low"]) and test["is_shown"] == (test["low"] > -0.1)
    assert found["family"] == 5 and test["p"] <= test["p_holm"]


def test_variants_with_the_same_predictions_are_one_model(make):
    cohort = make()
    cohort.add_variant("other", 1)
    alone = run(cohort)
    cohort.variants["twin"] = cohort.variants["other"]
    found = run(cohort)
    assert found.pop("variants") == {"base": "base", "other": "other", "twin": "other"}
    assert alone.pop("variants") == {"base": "base", "other": "other"}
    assert found == alone and found["family"] == 4


def test_the_order_of_rows_and_of_classes_does_not_matter(make):
    cohort = make()
    folder = cohort.add_variant("other", 1)
    before = run(cohort)
    frame = predictions.read_oof(folder, TASK)
    turned = frame[["slide_id", "patient_id", "label", "prob_pos", "prob_neg", "fold", "role"]]
    turned = turned.assign(fold=1 - turned["fold"])
    predictions.write_predictions(turned, folder / "oof_predictions.parquet", Classification(["pos", "neg"]))
    results = predictions.read_cv_results(folder) | {"classes": ["pos", "neg"]}
    predictions.write_cv_results(results, folder)
    assert run(cohort) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.iloc[1:], "different slides"),
        (lambda f: f.assign(slide_id=f["slide_id"].replace("s000", "s999")), "different slides"),
        (lambda f: f.assign(label=f["label"].where(f["slide_id"] != "s003", "pos")), "differ in label"),
        (lambda f: f.assign(patient_id=f["patient_id"].replace("p02", "p99")), "differ in patient"),
        (lambda f: f.assign(role="val"), "not one test row per slide"),
    ],
)
def test_rows_that_are_not_the_same_are_refused(make, change, said):
    cohort = make()
    rewrite(cohort.add_variant("other", 1), change)
    with pytest.raises(StageError, match=f"other: .*{said}"):
        run(cohort)


def test_variants_with_repeats_are_compared_by_the_means_over_the_repeats(make):
    cohort = make()
    other = cohort.add_variant("other", 1)
    plan = [{"repeat": k, "ensemble": k, "name": ""} for k in range(2)]
    for folder in (cohort.parents["train"], other):
        predictions.write_cv_results(predictions.read_cv_results(folder) | {"scheme": "mccv", "plan": plan}, folder)
        rewrite(folder, lambda f: pd.concat([f, f[f["fold"] == 0].tail(4).assign(fold=1)]))
    block = run(cohort)["pairs"][0]
    for name, folder in (("this", cohort.parents["train"]), ("other", other)):
        tested = predictions.read_oof(folder, TASK)
        areas = [roc_auc_score(part["label"] == "pos", part["prob_pos"]) for _, part in tested.groupby("fold")]
        assert block[f"auroc_{name}"] == pytest.approx(np.mean(areas), abs=1e-12)
    assert (block["n"], block["n_patients"], block["bootstrap"]["n"]) == (24, 12, 24)


def test_the_corrected_t_test_needs_the_same_test_sets(make):
    cohort = make()
    folders = [cohort.parents["train"], cohort.add_variant("other", 1)]
    plan = [{"repeat": k // 2, "ensemble": k, "name": ""} for k in range(3)]
    for folder in folders:
        predictions.write_cv_results(predictions.read_cv_results(folder) | {"scheme": "repeated", "plan": plan}, folder)
        rewrite(folder, lambda f: pd.concat([f, f[f["fold"] == 0].assign(fold=2)]))
    found = run(cohort)["pairs"][0]["resampled_t"]
    areas = [
        [roc_auc_score(part["label"] == "pos", part["prob_pos"]) for _, part in tested.groupby("fold")]
        for tested in (predictions.read_oof(folder, TASK) for folder in folders)
    ]
    expected = corrected_resampled_t(np.array(areas[0]) - np.array(areas[1]), 12 / 12)  # 12 of 24 slides per test set
    assert found["p"] == pytest.approx(expected.p) and found["test_sets"] == 3
    rewrite(folders[1], lambda f: f.assign(fold=f["fold"].map({0: 1, 1: 0, 2: 2})))
    assert "different splits" in run(cohort)["pairs"][0]["resampled_t"]["reason"]


def test_other_classes_are_refused(make):
    cohort = make()
    folder = cohort.add_variant("other", 1)
    predictions.write_cv_results(predictions.read_cv_results(folder) | {"classes": ["neg", "maybe"]}, folder)
    with pytest.raises(StageError, match="the variants predict different targets"):
        run(cohort)


def test_patients_with_slides_of_two_labels_are_compared(make):
    cohort = make()
    for folder in (cohort.parents["train"], cohort.add_variant("other", 1)):
        rewrite(folder, lambda f: f.assign(label=f["label"].where(f["slide_id"] != "s000", "pos")))
    block = run(cohort)["pairs"][0]
    assert all(0 < block[test]["p"] <= 1 for test in ("difference", "bootstrap", "mcnemar", "permutation"))


def test_it_is_written_as_finite_json_and_read_back(make, out):
    cohort = make()
    cohort.add_variant("other", 1)
    found = run(cohort, selected=True)
    compare.write_comparison(found, out)
    assert compare.read_comparison(out) == found
    (line,) = compare.describe(found, "AUROC")
    assert line.startswith("selected base against other: AUROC ") and line.endswith(" after Holm over 4 tests")
    found["pairs"][0]["difference"]["p_holm"] = 2.0
    (out / compare.FILE).write_text(json.dumps(found))
    with pytest.raises(ArtifactError, match="p-value is not between 0 and"):
        compare.read_comparison(out)
    found["pairs"][0]["difference"] = {"p": None, "p_holm": None}
    (out / compare.FILE).write_text(json.dumps(found))
    with pytest.raises(ArtifactError, match="without a reason"):
        compare.read_comparison(out)
    (out / compare.FILE).unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        compare.read_comparison(out)


def test_no_test_is_said_in_words():
    block = {"this": "a", "other": "b", "difference": {"p": None, "reason": "one patient only"}}
    found = {"this": "a", "selected": False, "family": 0, "pairs": [block]}
    assert compare.describe(found, "AUROC") == ["a against b: no test (one patient only)"]

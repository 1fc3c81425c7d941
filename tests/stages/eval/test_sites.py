"""A baseline under folds that preserve sites, and the probe that reads the site off the features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts import folds
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.sites import write_sites
from oceanpath.evaluation.pooled import PooledSlides
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval import work
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.eval.sites import compare_sites, site_lines
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.evaluation import MEAN
from oceanpath.tasks.logistic import fit_logistic

from ...narrowing import required

QUICK = EvalSettings(resamples=100)
TASK = Classification(["neg", "pos"])


def write(path, table, facts):
    path.mkdir(exist_ok=True)
    if table is not None:
        write_sites(table, path)
    frame = pd.DataFrame({"slide_id": ["s"], "patient_id": ["p"], "label": ["neg"], "role": ["test"]})
    folds.write_folds(path, [frame], {"scheme": "holdout", "classes": ["neg", "pos"], "site": facts})


@pytest.fixture
def biased(tmp_path):
    """Eight sites with different shares of the classes, and features that hold the site and nothing else."""
    random = np.random.default_rng(0)
    site = np.repeat(np.arange(8), 20)
    label = np.where(random.random(160) < np.where(site % 2, 0.9, 0.1), "pos", "neg")
    ids = [f"s{i:03d}" for i in range(160)]
    table = pd.DataFrame({"slide_id": ids, "patient_id": ids, "label": label, "site": [f"h{k}" for k in site]})
    table = table.assign(grouped_fold=np.arange(160) % 4, preserved_fold=site // 2)
    x = np.eye(8)[site] * 3 + random.normal(size=(160, 8)) * 0.3
    write(tmp_path / "split", table, {"folds": 4, "reason": ""})
    return table, PooledSlides(ids, {MEAN: x.astype(np.float32)}), tmp_path / "split"


def test_a_signal_of_the_sites_is_lost_where_sites_are_preserved(biased):
    table, pooled, split = biased
    found = required(compare_sites(QUICK, TASK, split, pooled))
    assert (found["baseline"], found["folds"], found["sites"]) == ("mean_pool_lr", 4, 8)
    assert found["patient_grouped"]["value"] > 0.8 > 0.7 > found["site_preserved"]["value"]
    assert found["difference"]["high"] < 0 and found["difference"]["verdict"] == "worse"
    difference = found["site_preserved"]["value"] - found["patient_grouped"]["value"]
    assert found["difference"]["value"] == pytest.approx(difference, abs=1e-12)
    y, x, score = (table["label"] == "pos").to_numpy(np.int64), pooled.features[MEAN], np.zeros(160)
    for k in range(4):
        out = (table["preserved_fold"] == k).to_numpy()
        score[out] = np.round(fit_logistic(x[~out], y[~out], x[out], 2)[:, 1], 9)
    assert found["site_preserved"]["value"] == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_the_probe_names_the_site_and_is_compared_with_the_most_frequent_one(biased):
    _, pooled, split = biased
    found = required(compare_sites(QUICK, TASK, split, pooled))
    assert found["probe"] == {"accuracy": 1.0, "majority": 0.125, "n": 160, "sites": 8}
    (line,) = site_lines(found)
    assert line.startswith("site_probe") and "names the site of 100 % of 160 slides from 8 sites" in line
    noise = np.random.default_rng(1).normal(size=(160, 8)).astype(np.float32)
    found = required(compare_sites(QUICK, TASK, split, PooledSlides(pooled.slides, {MEAN: noise})))
    assert found["probe"]["accuracy"] < 0.25


def test_sites_with_fewer_patients_than_folds_are_not_probed(biased, tmp_path):
    table, pooled, _ = biased
    site = table["site"].where(table.index % 20 > 16, [f"x{i}" for i in range(160)])
    order = {name: i % 4 for i, name in enumerate(sorted(set(site)))}
    table = table.assign(site=site, preserved_fold=site.map(order))
    write(tmp_path / "few", table, {"folds": 4, "reason": ""})
    found = required(compare_sites(QUICK, TASK, tmp_path / "few", pooled))
    assert found["probe"]["accuracy"] is None and found["probe"]["sites"] == 0 and site_lines(found) == []


def test_no_sites_and_sites_that_cannot_be_compared(tmp_path):
    write(tmp_path / "a", None, None)
    assert compare_sites(QUICK, TASK, tmp_path / "a", PooledSlides([], {})) is None
    write(tmp_path / "b", None, {"folds": 0, "reason": "fewer sites than folds"})
    found = required(compare_sites(QUICK, TASK, tmp_path / "b", PooledSlides([], {})))
    assert found == {"baseline": "mean_pool_lr", "folds": 0, "reason": "fewer sites than folds"}
    assert site_lines(found) == ["sites_not_compared: fewer sites than folds"]


def test_the_figures_of_the_sites_are_published(make, tmp_path):
    cohort = make()
    split = cohort.inputs["split"]
    patient = cohort.slides["patient_id"].str[1:].astype(int)
    sites = {"site": [f"h{p % 6}" for p in patient], "grouped_fold": patient % 3, "preserved_fold": patient % 6 // 2}
    table = cohort.slides.assign(**sites)
    write_sites(table, split)
    frames = [folds.read_fold(split, k) for k in range(3)]
    record = {"scheme": "kfold", "classes": cohort.classes, "site": {"folds": 3, "reason": ""}}
    folds.write_folds(split, frames, record)
    (tmp_path / "out").mkdir()
    work.run(QUICK, cohort.inputs, tmp_path / "out", Quiet())
    found = read_metrics(tmp_path / "out")
    assert found["site"]["folds"] == 3 and found["site"]["site_preserved"]["n"] == 60
    assert any(note.startswith("site_probe") for note in found["notes"])

"""The audit of published folds: a clean cohort passes, and a planted bag length is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import folds
from oceanpath.artifacts.audit_report import CHECKS, FILE, FOUND, LEAKS, read_audit
from oceanpath.artifacts.sites import write_sites
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.audit import work
from oceanpath.stages.audit.settings import AuditSettings

from ...conftest import write_store

N = 72


def cohort(tmp_path: Path, by_length: bool) -> Inputs:
    random = np.random.default_rng(0)
    ids, patients = [f"s{i:02d}" for i in range(N)], [f"p{i // 2}" for i in range(N)]
    label = np.repeat(random.permutation(N // 2) % 2, 2)
    slides = pd.DataFrame({"slide_id": ids, "patient_id": patients, "label": [("neg", "pos")[k] for k in label]})
    lengths = 10 + (20 * label if by_length else 0) + random.integers(0, 10, N)
    bags = {}
    for name, k, n in zip(ids, label, lengths, strict=True):
        bags[name] = random.normal(size=(n, 6)).astype(np.float32) + np.eye(6, dtype=np.float32)[k] * 0.6
    write_store(tmp_path / "mmap", bags, dtype="float32")
    fold, site = np.arange(N) // 2 % 3, np.arange(N) // 4 % 3
    frames = [
        slides.assign(role=np.where(fold == k, "test", np.where(fold == (k + 1) % 3, "val", "train"))) for k in range(3)
    ]
    (tmp_path / "split").mkdir()
    record = {"scheme": "kfold", "classes": ["neg", "pos"], "site": {"folds": 3, "reason": ""}}
    folds.write_folds(tmp_path / "split", frames, record)
    sites = slides.assign(site=[f"h{k}" for k in site], grouped_fold=fold, preserved_fold=site)
    write_sites(sites, tmp_path / "split")
    slides.assign(scanner=[f"S{k}" for k in label]).to_csv(tmp_path / "cohort.csv", index=False)
    return Inputs(parents={name: tmp_path / name for name in ("mmap", "split")})


@pytest.mark.parametrize("by_length", [False, True])
def test_a_clean_cohort_passes_and_a_planted_shortcut_is_found(tmp_path: Path, by_length: bool) -> None:
    inputs, out = cohort(tmp_path, by_length), tmp_path / "out"
    out.mkdir()
    table = tmp_path / "cohort.csv"
    columns = {"columns": ("scanner",), "labels": table} if by_length else {}
    summary = work.run(AuditSettings(resamples=200, shuffles=3, **columns), inputs, out, Quiet())
    findings = read_audit(out)
    found = [finding.check for finding in findings if finding.verdict == FOUND]
    assert found == (["label_from_bag_length", "label_from_columns"] if by_length else [])
    assert summary.metrics == {"checks": len(findings), "found": len(found)}
    assert {finding.check for finding in findings} == set(CHECKS) - (set() if by_length else {"label_from_columns"})
    before = (out / FILE).read_bytes()
    work.run(AuditSettings(resamples=200, shuffles=3, **columns), inputs, out, Quiet())
    assert (out / FILE).read_bytes() == before


def test_a_missing_column_and_an_unknown_check_are_errors(tmp_path: Path) -> None:
    inputs = cohort(tmp_path, by_length=False)
    with pytest.raises(ExperimentError, match=r"no column 'scaner'.*Did you mean 'scanner'"):
        work.run(AuditSettings(columns=("scaner",), labels=tmp_path / "cohort.csv"), inputs, tmp_path, Quiet())
    with pytest.raises(ValueError, match="unknown checks: patients"):
        AuditSettings(gate=("patients",))
    assert AuditSettings().gate == LEAKS and "gate" not in AuditSettings().identity()
    (tmp_path / FILE).write_text('{"checks": [{"check": "a", "verdict": "maybe", "text": "t"}]}')
    with pytest.raises(ArtifactError, match="verdict"):
        read_audit(tmp_path)

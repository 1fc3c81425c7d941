"""The folder tells source and cancer type; a site code or a look-alike never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from oceanpath.stages.curate.rules import OTHER, UNKNOWN, Rule, SlideSource, builtin_rules, source_of
from oceanpath.stages.curate.settings import CurateSettings


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("TCGA-LUAD/TCGA-05-4244-01Z-00-DX1.h5", ("TCGA", "LUAD")),
        ("tcga_brca_idc/a.h5", ("TCGA", "BRCA")),
        ("TCGA/BLCA/a.h5", ("TCGA", "BLCA")),
        ("TCGA/features_uni/COAD/a.h5", ("TCGA", "COAD")),
        ("tcga_pretrain/GBM/a.h5", ("TCGA", "GBM")),
        ("BRCA_OTHERS/TCGA-AA-0001-01Z-00-DX1.h5", ("TCGA", "BRCA")),
        ("pretrain/OV/x/TCGA-04-1331.h5", ("TCGA", "OV")),
        ("TCGA-AA-3514/TCGA-AA-3514-01Z.h5", ("TCGA", UNKNOWN)),  # AA is a tissue source site
        ("TCGA-AA-3514-01Z.h5", ("TCGA", UNKNOWN)),
        ("CPTAC-LUAD/C3L-00001-21.h5", ("CPTAC", "LUAD")),
        ("cptac_ccrcc/C3L-00004-21.h5", ("CPTAC", "CCRCC")),
        ("CPTAC-3/UCEC/a.h5", ("CPTAC", "UCEC")),
        ("CPTAC/a.h5", ("CPTAC", UNKNOWN)),
        ("LUAD/a.h5", (OTHER, UNKNOWN)),  # a cancer, but nobody says whose
        ("GTEx/Lung/GTEX-1117F.h5", (OTHER, UNKNOWN)),
        ("notcga/LUAD/a.h5", (OTHER, UNKNOWN)),
        ("COADX/TCGA-01.h5", ("TCGA", UNKNOWN)),
    ],
)
def test_the_folders_tell(place: str, expected: tuple[str, str]) -> None:
    assert source_of(place, builtin_rules()) == expected


@given(
    st.sampled_from(["LUAD", "BRCA", "OV", "COADREAD", "UVM"]), st.sampled_from(["-", "_", "/", "/a/b/"]), st.booleans()
)
def test_case_never_counts(study: str, between: str, upper: bool) -> None:
    place = f"data/tcga{between}{study.lower()}/s.h5"
    assert source_of(place.upper() if upper else place, builtin_rules()) == ("TCGA", study)


def test_own_rules_come_first_and_may_stand_alone() -> None:
    rule = Rule(source="GTEx", pattern=r"^gtex/([^/]+)/", cancer_type=r"normal_\1")
    settings = CurateSettings(sources=("GTEx",), rules=(rule,), builtin_rules=False)
    assert source_of("GTEx/Lung/a.h5", settings.table) == SlideSource("GTEx", "normal_LUNG")
    assert source_of("TCGA-LUAD/a.h5", settings.table) == SlideSource(OTHER, UNKNOWN)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"source": "X", "pattern": "("}, "not a regular expression"),
        ({"source": "X", "pattern": "a", "cancer_type": r"\1"}, "not a regular expression"),
        ({"source": "X", "pattern": ""}, "at least 1"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rule: dict[str, str], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Rule.model_validate(rule)


def test_a_source_that_no_rule_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean 'CPTAC'"):
        CurateSettings(sources=("CPTACC",))
    with pytest.raises(ValidationError, match="known: other"):
        CurateSettings(builtin_rules=False)

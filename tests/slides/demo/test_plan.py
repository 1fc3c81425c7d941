"""Plans of cohorts: deterministic, consistent per patient, tumours in positive slides only."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.slides.demo.plan import CLASSES, plan_cohort


@settings(deadline=None, max_examples=40)
@given(slides=st.integers(4, 80), seed=st.integers(0, 2**32 - 1))
def test_a_plan_is_a_cohort(slides: int, seed: int) -> None:
    plans = plan_cohort(slides, 2048, seed)
    assert plans == plan_cohort(slides, 2048, seed)
    ids = [p.slide_id for p in plans]
    assert len(plans) == slides and ids == sorted(set(ids))
    labels: dict[str, set[object]] = {p.patient_id: set() for p in plans}
    for p in plans:
        labels[p.patient_id].add((p.label, p.site, p.age, p.sex))
        kinds = [spot.kind for spot in p.spots]
        assert ("tumour" in kinds) == (p.label == CLASSES[1])
        assert all(np.hypot(s.x - p.side / 2, s.y - p.side / 2) <= 0.3 * p.side + 1 for s in p.spots)
    assert all(len(values) == 1 for values in labels.values())
    counts = [sum(p.patient_id == name for p in plans) for name in labels]
    assert max(counts) <= 3
    assert {p.label for p in plans} == set(CLASSES) or len(labels) < 2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import ExperimentError, StageError
from oceanpath.stats.patients import patient_rows


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=30), st.randoms())
@settings(deadline=None, max_examples=40)
def test_means_do_not_depend_on_the_order_of_slides(rows, random):
    random.shuffle(rows)
    patients, p = [f"p{a}" for a, _ in rows], np.array([b for _, b in rows])
    labels = np.array([a % 2 for a, _ in rows])
    found = patient_rows(patients, labels, np.stack([1 - p, p], axis=1))
    assert found.patients == sorted(set(patients)) and found.n_slides.sum() == len(rows)
    assert np.allclose(found.probs.sum(axis=1), 1)
    for i, name in enumerate(found.patients):
        own = [p[j] for j in range(len(p)) if patients[j] == name]
        assert found.probs[i, 1] == pytest.approx(np.mean(own)) and found.labels[i] == int(name[1]) % 2
    assert [found.patients[k] for k in found.numbers] == patients


def test_a_patient_with_two_labels_is_an_error():
    with pytest.raises(ExperimentError, match=r"patient b.*different labels"):
        patient_rows(["a", "b", "b"], np.array([0, 0, 1]), np.full((3, 2), 0.5))


def test_lengths_must_agree():
    with pytest.raises(StageError, match="per slide"):
        patient_rows(["a"], np.array([0, 1]), np.full((2, 2), 0.5))

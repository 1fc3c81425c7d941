import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import ExperimentError, StageError
from oceanpath.stats.patients import combine_events, patient_rows


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


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [[0.35, 0.5], [0.8, 0.0]]),
        ("max", [[0.5, 1.0], [0.8, 0.0]]),
        ("noisy_or", [[1 - 0.5 * 0.8, 1.0], [0.8, 0.0]]),
    ],
)
def test_events_of_slides_are_combined_per_patient(how, expected):
    values = np.array([[0.5, 1.0], [0.8, 0.0], [0.2, 0.0]])
    found = combine_events(values, np.array([0, 1, 0]), how)
    assert found == pytest.approx(np.array(expected))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=30)
def test_one_positive_slide_is_at_least_as_probable_as_any_of_them(slides):
    values, numbers = np.array(slides)[:, None], np.zeros(len(slides), np.int64)
    mean, largest, noisy = (combine_events(values, numbers, how)[0, 0] for how in ("mean", "max", "noisy_or"))
    assert mean <= largest + 1e-12 and largest <= noisy + 1e-12 and noisy <= 1

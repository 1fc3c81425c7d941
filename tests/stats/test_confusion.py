import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
)

from oceanpath.stats.confusion import confusion, confusion_measure, table_metrics


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60), st.integers(0, 99))
@settings(deadline=None, max_examples=80)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")  # sklearn's remark on our random rows
def test_metrics_are_those_of_sklearn_on_repeated_rows(rows, seed):
    y, d = np.array(rows).T
    counts = np.random.default_rng(seed).integers(0, 3, len(y)) if seed else np.ones(len(y), int)
    yr, dr = np.repeat(y, counts), np.repeat(d, counts)
    if len(set(yr)) < 2:
        return
    found = {k: v[0] for k, v in confusion_measure(y, d, 4)(counts[None].astype(float)).items()}
    assert found["accuracy"] == pytest.approx(accuracy_score(yr, dr))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(yr, dr))
    assert found["f1"] == pytest.approx(f1_score(yr, dr, average="macro", zero_division=0))
    assert found["mcc"] == pytest.approx(matthews_corrcoef(yr, dr), abs=1e-12)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(yr, dr), abs=1e-12)


def test_the_table_keeps_the_number_of_a_class_that_does_not_occur():
    y, d = np.array([0, 2, 2, 0]), np.array([0, 2, 0, 0])
    table = confusion(y, d, 4)
    assert table.tolist() == confusion_matrix(y, d, labels=range(4)).tolist()
    assert table[2].tolist() == [1, 0, 1, 0]


def test_two_classes_by_hand():
    found = {k: float(v[0]) for k, v in table_metrics(np.array([[[50, 10], [5, 35]]])).items()}
    assert found["sensitivity"] == pytest.approx(35 / 40) and found["specificity"] == pytest.approx(50 / 60)
    assert found["balanced_accuracy"] == pytest.approx((35 / 40 + 50 / 60) / 2)
    assert found["kappa"] == pytest.approx((0.85 - 0.51) / 0.49)  # chance (60·55 + 40·45) / 100²


def test_constant_decisions_are_worth_nothing_and_one_class_is_undefined():
    constant = {k: float(v[0]) for k, v in table_metrics(np.array([[[7, 0], [3, 0]]])).items()}
    assert constant["mcc"] == constant["kappa"] == 0 and constant["balanced_accuracy"] == 0.5
    alone = {k: float(v[0]) for k, v in table_metrics(np.array([[[5, 2], [0, 0]]])).items()}
    assert all(np.isnan(alone[name]) for name in ("mcc", "kappa", "sensitivity"))
    assert alone["accuracy"] == alone["balanced_accuracy"] == alone["specificity"] == pytest.approx(5 / 7)

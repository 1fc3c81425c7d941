"""Curves of a model whose answer is known: the mean of one feature over the patches."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from oceanpath.artifacts.features.files import FeatureMeta
from oceanpath.fit.explain import Explanation, PatchExplainer
from oceanpath.fit.objectives.base import Explained
from oceanpath.stages.analyze import deletion, localisation
from oceanpath.stages.analyze.explained import ExplainedSlide
from oceanpath.stages.analyze.regions import Discs

META = FeatureMeta("e", 1, 100, 0.5, 0.5, 0.5, "test", 100.0, 1000, 1000, "0", "0")


class MeanModel:
    """Predicts the mean of the patches' only feature, as the log odds of "b"."""

    class objective:  # noqa: N801  # an attribute
        outputs = ("a", "b")

    def scores(self, features, coords, subsets, weights):
        means = np.array([features[rows].mean() for rows in subsets])
        return np.column_stack([-means / 2, means / 2]) @ weights


def slide(values: list[float], *, name: str = "s", patient: str = "p", signed: bool = True) -> ExplainedSlide:
    features = np.array(values)[:, None]
    attention = np.abs(features[:, 0]).astype(np.float32) / np.abs(features).sum()
    explained = Explained("log odds of b", np.array([-1.0, 1.0]))
    parts = features[:, 0] / len(features) if signed else None
    return ExplainedSlide(
        row={"slide_id": name, "patient_id": patient, "label": "b"},
        features=features,
        coords=np.array([(100 * i, 0) for i in range(len(values))], np.int32),
        explainer=cast(PatchExplainer, MeanModel()),
        explanation=Explanation(attention, explained, float(features.mean()), parts, None),
        side=100.0,
        meta=META,
        slide=None,
    )


def test_deletion_removes_the_first_patches_and_insertion_keeps_them() -> None:
    order = np.array([3, 0, 2, 1])
    subsets = [subset.tolist() for subset in deletion.remaining(order)]
    assert len(subsets) == 20
    assert subsets[0] == [0, 1, 2, 3] and subsets[3] == [0, 1, 2] and subsets[9] == [1]
    assert subsets[10] == [0, 1, 2, 3] and subsets[13] == [0, 2, 3] and subsets[19] == [3]
    assert [one.tolist() for one in deletion.remaining(np.array([0]))] == [[0]] * 20


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_order_falls_as_fast_as_it_can_toward_either_prediction(sign: int) -> None:
    values = [sign * value for value in (9.0, 1, 5, 3, 7, 2, 8, 4, 6, 0)]
    curves = deletion.slide_curves(slide(values), seed=0)
    assert curves.order == "contribution"
    assert curves.ordered[0].tolist() == pytest.approx([4.5, 4, 3.5, 3, 2.5, 2, 1.5, 1, 0.5, 0])
    assert curves.ordered[1].tolist() == pytest.approx([4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9])
    assert curves.random[0, 0] == pytest.approx(4.5) and (curves.random[0, 1:] > curves.ordered[0, 1:]).all()
    again = deletion.slide_curves(slide(values), seed=0)
    assert np.array_equal(curves.random, again.random)
    other = deletion.slide_curves(slide(values, name="t"), seed=0)
    assert not np.array_equal(curves.random, other.random)


def test_without_contributions_attention_is_the_order() -> None:
    assert deletion.slide_curves(slide([4.0, 1, 2], signed=False), seed=0).order == "attention"


def test_the_difference_is_paired_by_slide_with_patients_as_clusters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    slides = [slide(rng.normal(3, 2, 12).tolist(), name=f"s{i}", patient=f"p{i // 2}") for i in range(12)]
    block = deletion.summarise([deletion.slide_curves(one, seed=0) for one in slides], 0.95)
    found = block["deletion"]["difference"]
    assert found["n"] == 12 and found["n_patients"] == 6 and found["low"] < found["value"] < found["high"] < 0
    assert block["insertion"]["difference"]["low"] > 0
    assert "fall faster" in deletion.describe(block)
    own, random = (np.mean(block["deletion"][name]) for name in ("ordered", "random"))
    assert found["value"] == pytest.approx(own - random)
    deletion.draw(block, tmp_path)
    assert (tmp_path / "deletion.png").stat().st_size > 2000


def test_localisation_is_the_area_of_each_slide_toward_its_label() -> None:
    spots = [{"x": 50, "y": 50, "radius": 40}]
    found = localisation.locate(slide([5.0, 1, 2, -6]), Discs(spots[:1]))
    assert found is not None and found.areas == {"attention": pytest.approx(2 / 3), "contribution": 1.0}
    assert localisation.locate(slide([5.0, 1, 2, -6]), Discs([])) is None
    assert localisation.locate(slide([5.0, 1, 2, -6]), None) is None
    against = slide([-5.0, 1, 2, 6])
    against.row["label"] = "a"
    found = localisation.locate(against, Discs(spots[:1]))
    assert found is not None and found.areas["contribution"] == 1.0
    block = localisation.summarise([found], 0.95)
    assert block["area"]["contribution"]["value"] == 1.0 and "one slide" not in localisation.describe(block)

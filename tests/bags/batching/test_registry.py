"""A strategy is one file and one line of the registry: its settings, its schema and its training follow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Batching
from oceanpath.bags.batching.registry import BATCHINGS, batching_class, parse_batching
from oceanpath.bags.batching.token_budget import TokenBudget
from oceanpath.bags.dataset import BagDataset
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.fit.settings import FitSettings
from oceanpath.fit.trainer import Training, TrainingData, Verdict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.settings import ABMILSettings
from oceanpath.tasks.classification import Classification

from ...narrowing import required
from ...recording import recorded

Make = Callable[..., Store]
GROWING = '''
from typing import Literal

from oceanpath.bags.batching.base import Batching, Draw, Epoch


class Growing(Batching):
    """In epoch n the first n + 1 bags, each as several views."""

    name: Literal["growing"] = "growing"
    views: int = 2
    """Number of views per bag."""

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        draws = sorted(epoch.draws)
        return [[draw._replace(view=view) for view in range(self.views)] for draw in draws[: draws[0].epoch + 1]]
'''


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "growing.py").write_text(GROWING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(BATCHINGS, "growing", "growing:Growing")
    yield
    sys.modules.pop("growing", None)


def seen_by(settings: FitSettings, store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The batches of a training, in order."""
    seen: list[Batch] = []
    read = recorded(Training._input, lambda self, batch: seen.append(kept(batch)))
    monkeypatch.setattr(Training, "_input", read)
    torch.manual_seed(0)
    classifier = WSIClassifier(ABMILSettings(hidden=8, attention=4), store.dim, ["a", "b"])
    dataset = BagDataset(store, range(len(store)), [i % 2 for i in range(len(store))], settings.max_patches)
    objective = read_objective(Classification(["a", "b"]), {})
    training = Training(classifier, objective, settings, TrainingData(dataset, torch.device("cpu")), seed=3)
    training.run(lambda _, loss, __: Verdict(not np.isfinite(loss), improved=True))
    assert training.plan.total == training.done == len(seen)
    assert training.optimizer.param_groups[0]["lr"] < settings.lr / 2  # the schedule has ended
    return seen


def kept(batch: Batch) -> Batch:
    return Batch(batch.features.clone(), batch.offsets, slide_ids=batch.slide_ids, views=batch.views)


@pytest.mark.usefixtures("growing")
def test_a_strategy_of_one_file_and_one_line_is_trained_with(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    batching = {"name": "growing", "views": 3}
    settings = FitSettings(epochs=3, warmup=0, batching=batching, max_patches=2)
    seen = seen_by(settings, make_store(bags), monkeypatch)
    shown = [batch.slide_ids for batch in seen]
    assert shown == [(f"slide_{k}",) * 3 for k in (0, 0, 1, 0, 1, 2)]  # one, two and three batches per epoch
    assert all(required(batch.views).tolist() == [0, 1, 2] for batch in seen)
    views = [seen[-1].features[first:last] for first, last in seen[-1].spans()]
    assert not all(torch.equal(views[0], view) for view in views[1:])  # each view of a capped bag has its own rows
    assert settings.identity()["batching"] == batching


@pytest.mark.parametrize("batching", ["length_buckets", {"name": "token_budget", "budget": 7}])
def test_every_strategy_trains_on_all_its_batches(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, batching: object
) -> None:
    seen = seen_by(FitSettings(epochs=5, batching=batching), make_store(bags), monkeypatch)
    names = [name for batch in seen for name in batch.slide_ids]
    assert len(names) == 5 * 4
    assert all(sorted(names[k : k + 4]) == sorted(bags) for k in range(0, 20, 4))
    assert all(batch.views is None for batch in seen)


def test_a_strategy_comes_as_a_name_or_as_a_table() -> None:
    assert parse_batching("length_buckets") == parse_batching({"name": "length_buckets", "buckets": 10})
    assert FitSettings(batching={"name": "token_budget", "budget": 9}).batching == TokenBudget(budget=9)


def test_the_default_leaves_identities_as_they_were() -> None:
    assert "batching" not in FitSettings().identity()
    assert "batching" not in FitSettings(batching="fixed").identity()


@pytest.mark.parametrize(
    ("batching", "message"),
    [
        ("token_buget", "unknown batching strategy; expected token_budget"),
        ({"budget": 3}, "expected the name of a batching strategy"),
        (7, "expected the name of a batching strategy"),
        ("token_budget", r"batching.budget\n  Field required"),
        ({"name": "token_budget", "budget": 0}, r"batching.budget\n"),
        ({"name": "fixed", "budget": 9}, r"batching.budget\n"),
    ],
)
def test_wrong_settings_are_named(batching: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FitSettings(batching=batching)


def test_each_line_names_its_strategy_and_the_schema_has_its_keys() -> None:
    names, *tables = FitSettings.model_json_schema()["properties"]["batching"]["anyOf"]
    assert names == {"enum": list(BATCHINGS)}
    for name, table in zip(BATCHINGS, tables, strict=True):
        strategy = batching_class(name)
        assert issubclass(strategy, Batching)
        assert strategy.model_fields["name"].default == name
        assert set(table["properties"]) == set(strategy.model_fields)
        assert all(part["description"] for part in table["properties"].values())

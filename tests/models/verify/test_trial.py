"""The checks are able to fail: each catches a model that breaks it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.cli.app import run_app
from oceanpath.errors import ExperimentError
from oceanpath.models.base import BaseMIL
from oceanpath.models.verify import concepts, contract, exports
from oceanpath.models.verify.trial import DIM, LENGTHS, AggregatorCheck, candidates, small, trial


class Sound(BaseMIL):
    """A linear layer and the mean; the broken models below each change one thing."""

    def __init__(self, in_dim: int) -> None:
        super().__init__(in_dim, 4)
        self.linear = nn.Linear(in_dim, 4)
        self.dropout = nn.Dropout(0.5)

    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        weights = h.new_ones(h.shape[:2]) if mask is None else mask.to(h.dtype)
        weights = weights / weights.sum(dim=1, keepdim=True)
        embedding = torch.bmm(weights.unsqueeze(1), self.dropout(self.linear(h)).to(h.dtype)).squeeze(1)
        return embedding, weights if return_attention else None


class ForgetsTheMask(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        return super().pool(h, None, coords, return_attention)


class LooksAtTheOthers(Sound):
    def forward_packed(self, batch: Batch, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().forward_packed(batch, return_attention)
        return embedding - embedding.mean(dim=0, keepdim=True), attention


class ReadsInOrder(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding + h[:, 0, :4], attention


class AttendsTwice(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding, None if attention is None else attention * 2


class FailsOnOnePatch(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding / (h.shape[1] - 1), attention


class HasAnIdleParameter(Sound):
    def __init__(self, in_dim: int) -> None:
        super().__init__(in_dim)
        self.idle = nn.Parameter(torch.zeros(1))


class NeverRests(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        return super().pool(nn.functional.dropout(h, 0.5), mask, coords, return_attention)


class HidesAWeight(Sound):
    def __init__(self, in_dim: int) -> None:
        super().__init__(in_dim)
        self.linear.register_forward_hook(lambda module, given, out: out * 0)


class BakesTheSizeIn(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding * (2.0 if h.shape[1] == 100 else 1.0), attention


class ReadsCoordsUnsaid(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding if coords is None else embedding + coords.float().mean() / 1e4, attention


class BakesTheCoordsIn(Sound):
    reads_coords = True

    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding if coords is None else embedding * int(coords[0, 0, 0]), attention


class WeighsInHalfPrecision(Sound):
    def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        embedding, attention = super().pool(h, mask, coords, return_attention)
        return embedding * torch.softmax(self.linear(h), dim=1).sum(dim=1), attention


def said(model: BaseMIL, check: Any) -> str:
    found: str = check(model.eval(), contract.ragged(LENGTHS, DIM))
    return found


@pytest.mark.parametrize("check", contract.CONTRACT, ids=lambda check: check.__name__)
def test_a_sound_model_breaks_no_check(check: Any) -> None:
    assert said(Sound(DIM), check) == ""


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (ForgetsTheMask, contract.packed_padded_and_single_agree, "packed and padded differ"),
        (ForgetsTheMask, contract.padding_never_matters, "padding"),
        (LooksAtTheOthers, contract.other_bags_never_matter, "other bags before and after differ"),
        (ReadsInOrder, contract.order_never_matters, "two orders differ"),
        (AttendsTwice, contract.attention_is_a_distribution, "sums to 1 ±"),
        (FailsOnOnePatch, contract.one_patch_works, "not finite"),
        (HasAnIdleParameter, contract.gradients_are_finite, "idle has no gradient"),
        (WeighsInHalfPrecision, contract.softmax_is_float32, "a softmax is in torch.bfloat16"),
        (ReadsCoordsUnsaid, contract.coordinates_are_declared, "does not set reads_coords"),
        (NeverRests, contract.evaluation_is_repeatable, "two evaluations differ"),
        (HidesAWeight, contract.weights_are_restored, "other weights do not change"),
    ],
)
def test_a_broken_model_is_caught(kind: type[Sound], check: Any, words: str) -> None:
    torch.manual_seed(0)
    assert words in said(kind(DIM), check)


def test_a_size_that_is_baked_into_the_trace_is_caught() -> None:
    assert "differs by" in exports.torchscript_is_equal(BakesTheSizeIn(DIM).eval())


def test_coordinates_that_are_baked_into_the_trace_are_caught() -> None:
    assert "with coordinates" in exports.torchscript_is_equal(BakesTheCoordsIn(DIM).eval())


def test_what_a_model_raises_is_a_check_broken() -> None:
    class Raises(Sound):
        def pool(self, h: Tensor, mask: Any, coords: Any, return_attention: bool) -> tuple[Tensor, Tensor | None]:
            raise RuntimeError("no such\nthing")

    verdicts = list(trial(Raises(DIM).eval()))
    assert not any(one.holds for one in verdicts)
    assert verdicts[0].message == "raises RuntimeError: no such"


@pytest.mark.parametrize(("name", "least"), [("abmil", 0.9), ("static", 0.75)])
def test_the_standard_concept_is_learnt_and_noise_is_not(name: str, least: float) -> None:
    (model,) = candidates(name).values()
    assert concepts.auroc_after_training(model, concepts.standard) >= least
    (model,) = candidates(name).values()
    noise = concepts.auroc_after_training(model, lambda training, dim, generator: concepts._background(dim, generator))
    assert 0.35 < noise < 0.65


def test_a_user_s_class_is_verified_and_a_broken_one_ends_with_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import types

    mine = types.ModuleType("mine")
    vars(mine)["Sound"] = Sound
    monkeypatch.setitem(__import__("sys").modules, "mine", mine)
    rows = [AggregatorCheck("a_check", True, ""), AggregatorCheck("another_check", False, "is broken")]
    monkeypatch.setattr("oceanpath.models.verify.trial.trial", lambda model: rows[: 1 + isinstance(model, Sound)])
    assert run_app(["models", "verify", "abmil"]) == 0
    assert run_app(["models", "verify", "mine:Sound"]) == 6
    out, err = capsys.readouterr()
    assert "pass  a_check" in out
    assert "FAIL  another_check" in out
    assert "mine:Sound: another_check" in err


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("abmill", "unknown aggregator"), ("no.such:Thing", "cannot build"), ("builtins:float", "not an aggregator")],
)
def test_what_cannot_be_verified_is_an_experiment_error(wanted: str, words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        candidates(wanted)


def test_a_small_model_takes_only_the_keys_it_has() -> None:
    assert small("static") == {"name": "static", "hidden": 16}

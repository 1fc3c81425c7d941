"""All contract checks on one model, as rows of a table. An exception of the model is a failed check."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from oceanpath.errors import ExperimentError
from oceanpath.models.base import BaseMIL
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model, settings_of
from oceanpath.models.verify import concepts, exports
from oceanpath.models.verify.contract import CONTRACT, ragged

DIM = 12
LENGTHS = [5, 7, 1, 11]
MIN_AUROC = 0.75
"""AUROC that `standard` must reach; chance level is 0.5."""
SMALL: dict[str, Any] = {"hidden": 16, "attention": 8, "query": 8, "heads": 2}
SMALL |= {"landmarks": 4, "latents": 4, "state": 4, "head": 8, "chunk": 4}
RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
CONCEPTS: tuple[tuple[concepts.Draw, bool], ...] = (
    (concepts.standard, True),
    (concepts.threshold, False),
    (concepts.false_frequency, False),
)


class AggregatorCheck(NamedTuple):
    """The result of one contract check on one model."""

    check: str
    holds: bool
    message: str
    """The violation, or a remark about a passed check."""


def small(name: str) -> dict[str, Any]:
    """The `[model]` table of a small model of an architecture: the checks do not depend on the width."""
    fields = settings_of(name).model_fields
    return {"name": name} | {key: value for key, value in SMALL.items() if key in fields}


def candidates(name: str) -> dict[str, BaseMIL]:
    """Name → a small model in eval mode: every registered model (""), one of them, or ``module:Class``.

    The class is called with the feature dimension and returns a `BaseMIL`.

    Raises: ExperimentError: unknown name, module or class, or not an aggregator.
    """
    torch.manual_seed(0)
    if ":" not in name:
        names = [name] if name else aggregator_names()
        return {name: build_aggregator(parse_model(small(name)), DIM).eval() for name in names}
    module, _, kind = name.partition(":")
    try:
        model = getattr(importlib.import_module(module), kind)(DIM)
    except (ImportError, AttributeError, TypeError) as error:
        do = "The module must be importable, and the class must take one argument, the feature dimension."
        raise ExperimentError("cannot build this model", where=name, got=error, do=do) from error
    if not isinstance(model, BaseMIL):
        raise ExperimentError("not an aggregator", where=name, expected="a BaseMIL", got=type(model).__name__)
    return {name: model.eval()}


def trial(model: BaseMIL) -> Iterator[AggregatorCheck]:
    """The result of every check, in order; does not change the model."""
    batch = ragged(LENGTHS, model.in_dim)
    for check in CONTRACT:
        if check.__name__ == "order_never_matters" and model.ordered:
            yield AggregatorCheck(check.__name__, True, "not checked: the class sets ordered = True")
        else:
            yield _verdict(check.__name__, lambda check=check: check(copy.deepcopy(model), batch))  # type: ignore[misc]  # default of a lambda
    double = copy.deepcopy(model).double()
    wide = ragged(LENGTHS, model.in_dim, torch.float64)
    yield _verdict("float64_agrees", lambda: CONTRACT[0](double, wide))
    yield _verdict("torchscript_is_equal", lambda: exports.torchscript_is_equal(copy.deepcopy(model)))
    yield _verdict("onnx_is_equal", lambda: exports.onnx_is_equal(copy.deepcopy(model)))
    for draw, decides in CONCEPTS:
        yield _concept(model, draw, decides)


def _verdict(name: str, check: Callable[[], str]) -> AggregatorCheck:
    try:
        message = check()
    except RAISED as error:
        message = f"raises {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return AggregatorCheck(name, not message, message)


def _concept(model: BaseMIL, draw: concepts.Draw, decides: bool) -> AggregatorCheck:
    reached = float("nan")

    def learn() -> str:
        nonlocal reached
        reached = concepts.auroc_after_training(copy.deepcopy(model), draw)
        return f"AUROC {reached:.2f}; expected at least {MIN_AUROC}" if decides and not reached >= MIN_AUROC else ""

    verdict = _verdict(f"learns_{draw.__name__}", learn)
    message = verdict.message or f"AUROC {reached:.2f}" + ("" if decides else " (reported, not required)")
    return verdict._replace(message=message)

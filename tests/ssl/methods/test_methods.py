"""What holds for every method, and the special parts of each."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.ssl.block_positions import block_positions
from oceanpath.ssl.methods.base import Method, StepContext, embed
from oceanpath.ssl.methods.dino import DINO
from oceanpath.ssl.methods.jepa import JEPA
from oceanpath.ssl.methods.registry import METHODS, parse_method
from oceanpath.ssl.teacher import Teacher, momentum_at

from ..bags import DIM, SMALL, bags, small_aggregator, small_method, train, views_of

WITH_TEACHER = ("byol", "dino", "jepa")


@torch.no_grad()
def value(method: Method, patients: Tensor | None = None) -> float:
    """The loss on fixed views in eval mode."""
    return float(method.eval().loss(views_of(method, 77), StepContext(0, 1, patients=patients)).value)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_and_takes_batches_of_two(name: str) -> None:
    method = small_method(name)
    before = value(method)
    assert all(map(math.isfinite, train(method, 80)))
    if name != "dino":  # its first loss is low because no centre separates the assignments yet
        assert value(method) < before
    assert all(map(math.isfinite, train(small_method(name), 5, count=2)))


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_reads_every_view_and_changes_no_weight(name: str) -> None:
    method = small_method(name).eval()
    views = views_of(method, 5)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with torch.no_grad():
        loss = float(method.loss(views, StepContext(3, 10)).value)
        assert float(method.loss(views, StepContext(3, 10)).value) == loss
        for k in range(len(views)):
            other = [bags(8, 12345) if i == k else view for i, view in enumerate(views)]
            assert float(method.loss(other, StepContext(3, 10)).value) != loss, f"view {k}"
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


@pytest.mark.parametrize("name", METHODS)
def test_the_state_has_one_aggregator_and_one_teacher(name: str) -> None:
    tensors = list(small_method(name).state_dict())
    copies = [key for key in tensors if key.endswith("score.weight")]
    assert len(copies) == (2 if name in WITH_TEACHER else 1)


@pytest.mark.parametrize("name", WITH_TEACHER)
def test_a_teacher_is_in_eval_mode_without_gradients_and_follows_once_per_step(name: str) -> None:
    method = small_method(name, ema=0.5)
    method.train()
    teacher = method.get_submodule("teacher")
    assert isinstance(teacher, Teacher)
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    key = "module.score.weight" if name == "jepa" else "module.aggregator.score.weight"
    old, own = teacher.state_dict()[key].clone(), method.aggregator.get_parameter("score.weight")
    with torch.no_grad():
        own.add_(1.0)
    context = StepContext(0, 100)
    method.begin_step(context)
    for seed in range(3):  # three batches of one step
        method.loss(views_of(method, seed), context)
    torch.testing.assert_close(teacher.state_dict()[key], old)
    method.after_update(context)
    torch.testing.assert_close(teacher.state_dict()[key], old + 0.5)


def test_the_momentum_rises_to_one_over_the_true_number_of_steps() -> None:
    for total in (10, 1000, 30_000):
        values = [momentum_at(step, total, 0.996) for step in range(total)]
        assert values == sorted(values)
        assert values[0] == pytest.approx(0.996)
        assert values[-1] == 1.0
        assert values[total // 2] < 1.0


def test_dino_updates_its_centre_once_per_step_by_all_batches() -> None:
    method = small_method("dino", centre_momentum=0.8, local_views=0)
    assert isinstance(method, DINO)
    method.train()
    context = StepContext(0, 100)
    method.begin_step(context)
    batches = [views_of(method, seed) for seed in (1, 2)]
    for views in batches:
        method.loss(views, context)
    with torch.no_grad():
        scores = torch.cat([method.teacher.module(view) for views in batches for view in views])
    assert not method.centre.any()
    method.after_update(context)
    torch.testing.assert_close(method.centre, 0.2 * scores.mean(dim=0))


def test_dino_warms_up_its_temperature_and_freezes_its_prototypes_in_the_first_epoch() -> None:
    method = small_method("dino", temperature_warmup=0.5)
    assert isinstance(method, DINO)
    temperatures = [method.teacher_temperature(StepContext(step, 100)) for step in (0, 25, 50, 99)]
    assert temperatures == pytest.approx([0.04, 0.055, 0.07, 0.07])
    prototypes = method.student.head.get_parameter("prototypes.weight")
    before = prototypes.detach().clone()
    train(method, 5)
    assert torch.equal(prototypes, before)
    train(method, 6)
    assert not torch.equal(prototypes, before)


def test_a_standardised_bottleneck_separates_slides_that_are_almost_equal() -> None:
    random = torch.Generator().manual_seed(0)
    embeddings = torch.randn(1, 16, generator=random) + 1e-3 * torch.randn(64, 16, generator=random)
    spread = {}
    for standardised in (False, True):
        method = small_method("dino", standardised=standardised, out=16)
        assert isinstance(method, DINO)
        heads = (method.train().student.head, method.teacher.module.head, method.eval().student.head)
        with torch.no_grad():
            scores = [head(embeddings) for head in heads]
        torch.testing.assert_close(scores[0], scores[1])  # statistics of the batch, also in the teacher's eval mode
        torch.testing.assert_close(scores[0], scores[2])
        spread[standardised] = float(scores[0].std(dim=0).mean())
        assert method.least_bags == 1 + standardised
    assert spread[False] < 1e-3
    assert spread[True] == pytest.approx(0.25, abs=0.05)  # 1 / √16: that of random directions


def test_dino_s_scores_are_cosines_and_local_views_are_seen_by_the_student_alone() -> None:
    method = small_method("dino", local_views=4)
    assert isinstance(method, DINO)
    scores = method.student(bags(8, 0))
    assert scores.abs().max() <= 1.0 + 1e-6
    seen: list[int] = []
    method.teacher.module.register_forward_hook(lambda *_: seen.append(1))
    method.loss(views_of(method, 0), StepContext(0, 10))
    assert len(views_of(method, 0)) == 6
    assert len(seen) == 2


def test_simclr_has_no_negatives_within_a_patient() -> None:
    method = small_method("simclr")
    assert value(method, torch.zeros(8, dtype=torch.int64)) == pytest.approx(0, abs=1e-6)
    assert value(method, torch.arange(8)) > 0.1


def test_jepa_predicts_bags_of_one_patch_and_bags_without_coordinates() -> None:
    method = small_method("jepa")
    for coords in (True, False):
        views = views_of(method, 0, lengths=1, coords=coords)
        assert math.isfinite(method.loss(views, StepContext(0, 10)).numbers()["loss"])


def test_jepa_s_prediction_depends_on_the_position_of_the_block() -> None:
    method = small_method("jepa").eval()
    assert isinstance(method, JEPA)
    context, *blocks = views_of(method, 0)
    moved = [Batch(block.features, block.offsets, block.coords // 3) for block in blocks if block.coords is not None]
    losses = [method.loss((context, *each), StepContext(0, 10)).numbers()["loss"] for each in (blocks, moved)]
    assert losses[0] != losses[1]
    torch.testing.assert_close(method.targets(blocks), method.targets(moved))


def test_positions_are_relative_to_the_slide() -> None:
    def view(*corners: tuple[int, int]) -> Batch:
        return Batch(torch.zeros(len(corners), DIM), torch.tensor([0, len(corners)]), torch.tensor(corners).int())

    positions = block_positions(view((100, 0), (100, 400)), [view((100, 0), (200, 100)), view((300, 300))])
    torch.testing.assert_close(positions[:, 0], torch.tensor([[0.25, 0.125, 0.5, 0.25], [1.0, 0.75, 0.0, 0.0]]))


def test_padded_views_have_the_embeddings_of_packed_ones() -> None:
    aggregator = small_aggregator().eval()
    view = bags(5, 0)
    torch.testing.assert_close(embed(aggregator, replace(view, padded_to=20)), embed(aggregator, view))


def test_an_unknown_method_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="vicreg"):
        parse_method("vicregg")
    assert {parse_method(name).name for name in METHODS} == set(METHODS) == set(SMALL)


def test_dropout_of_the_aggregator_rests_in_the_teacher() -> None:
    teacher = Teacher(small_aggregator(dropout=0.5))
    teacher.train()
    first, second = (teacher.module.forward_packed(bags(4, 0))[0] for _ in range(2))
    assert torch.equal(first, second)

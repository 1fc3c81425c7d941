from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.dataset import Bag, BagDataset, collate
from oceanpath.errors import StageError
from oceanpath.fit import trainer
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import SlideLoss, build_loss
from oceanpath.fit.optim import rate
from oceanpath.fit.settings import FitSettings
from oceanpath.fit.trainer import FitModule, fit_model
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.settings import ABMILSettings, ClamSBSettings
from oceanpath.tasks.classification import Classification

LABELS = [i % 2 for i in range(12)]
QUICK = FitSettings(epochs=4, batch_size=5, lr=1e-2)


def objective_of(loss: SlideLoss) -> ClassificationObjective:
    return ClassificationObjective(Classification(["a", "b"]), loss)


def test_a_patch_level_loss_takes_part(store: Store) -> None:
    found = []
    for weight in (0.0, 0.3):
        torch.manual_seed(0)
        model = ClamSBSettings(hidden=8, attention=4, instance_weight=weight, dropout=0.0)
        module = FitModule(WSIClassifier(model, 6, ["a", "b"]), objective_of(build_loss("ce")), QUICK, seed=3)
        before = {name: value.clone() for name, value in module.model.state_dict().items()}
        fit(module, store)
        moved = {name for name, value in module.model.state_dict().items() if not torch.equal(value, before[name])}
        found.append((moved, module.model.head.weight.detach().clone()))
    assert {"clustering.ways.weight", "clustering.ways.bias"} <= found[1][0]
    assert not torch.equal(found[0][1], found[1][1])


def module_of(settings: FitSettings = QUICK, loss: SlideLoss | None = None) -> FitModule:
    torch.manual_seed(0)
    classifier = WSIClassifier(ABMILSettings(hidden=8, attention=4), 6, ["a", "b"])
    return FitModule(classifier, objective_of(loss or build_loss("ce")), settings, seed=3)


def fit(module: FitModule, store: Store, stop_after: int | None = None) -> list[float]:
    losses: list[float] = []

    def judge(epoch: int, loss: float) -> bool:
        assert epoch == len(losses)
        losses.append(loss)
        return len(losses) == stop_after

    fit_model(module, BagDataset(store, range(12), LABELS, max_patches=5), None, torch.device("cpu"), judge)
    return losses


def weights(module: FitModule) -> bytes:
    return b"".join(value.numpy().tobytes() for value in module.model.state_dict().values())


def test_the_loss_falls_and_the_classes_come_apart(store: Store) -> None:
    module = module_of(QUICK.model_copy(update={"epochs": 30}))
    losses = fit(module, store)
    assert len(losses) == 30
    assert losses[-1] < 0.5 * losses[0]
    module.model.eval()
    logits = torch.cat([module.model(torch.from_numpy(np.array(store.features(i)))[None]) for i in range(12)])
    assert logits.argmax(dim=1).tolist() == LABELS


@pytest.mark.parametrize("balance", [None, LABELS])
def test_reading_ahead_into_reused_memory_changes_no_bit(
    store: Store, monkeypatch: pytest.MonkeyPatch, balance: list[int] | None
) -> None:
    def collated(dataset: BagDataset, batches: BatchSampler) -> DataLoader[Bag]:
        own = torch.Generator().manual_seed(0)
        return DataLoader(dataset, batch_sampler=batches, collate_fn=collate, generator=own)

    fits = []
    for loader in (None, collated):
        if loader:
            monkeypatch.setattr(trainer, "loader_of", loader)
        module, dataset = module_of(), BagDataset(store, range(12), LABELS, max_patches=5)
        losses: list[float] = []

        def judge(_: int, loss: float, kept: list[float] = losses) -> bool:
            kept.append(loss)
            return False

        fit_model(module, dataset, balance, torch.device("cpu"), judge)
        fits.append((losses, weights(module)))
    assert len(fits[0][0]) == QUICK.epochs
    assert fits[0] == fits[1]


def test_the_judge_stops_the_fit(store: Store) -> None:
    assert len(fit(module_of(), store, stop_after=2)) == 2


def test_two_fits_are_equal_bit_by_bit_whatever_was_drawn_before(store: Store) -> None:
    first, second, other = module_of(), module_of(), module_of()
    other.seed = 4
    first_losses = fit(first, store)
    torch.rand(7)
    np.random.seed(5)
    assert fit(second, store) == first_losses
    assert weights(first) == weights(second)
    fit(other, store)
    assert weights(first) != weights(other)


def test_bfloat16_fits_too(store: Store) -> None:
    losses = fit(module_of(QUICK.model_copy(update={"precision": "bf16", "epochs": 12})), store)
    assert losses[-1] < losses[0]


def test_a_step_without_finite_loss_changes_nothing(store: Store) -> None:
    patient = QUICK.model_copy(update={"skip_limit": 99})
    module = module_of(patient, loss=lambda logits, labels: logits.sum(dim=1) * float("nan"))
    before = weights(module)
    losses = fit(module, store)
    assert weights(module) == before
    assert module.guard.skipped == 12
    assert all(np.isnan(loss) for loss in losses)


def test_one_bad_batch_is_skipped_and_the_fit_goes_on(store: Store) -> None:
    plain, calls = build_loss("ce"), []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        calls.append(1)
        return plain(logits, labels) * (float("nan") if len(calls) == 2 else 1.0)

    module = module_of(loss=loss)
    losses = fit(module, store)
    assert module.guard.skipped == 1
    assert np.isfinite(losses).all()
    assert all(torch.isfinite(value).all() for value in module.model.state_dict().values())


def rates(module: FitModule) -> list[float]:
    """The learning rate of every step, as it is when the loss is computed."""
    found: list[float] = []
    assert isinstance(module.objective, ClassificationObjective)
    plain = module.objective._loss

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        optimizer = module.optimizers()
        assert not isinstance(optimizer, list)
        found.append(optimizer.param_groups[0]["lr"])
        return plain(logits, labels)

    module.objective._loss = loss
    return found


def test_the_rate_of_every_step_is_the_schedules(store: Store) -> None:
    module = module_of()
    found = rates(module)
    fit(module, store)
    assert found == pytest.approx([QUICK.lr * rate(step, 3, 12) for step in range(12)], rel=1e-12)


@pytest.mark.parametrize("bad", [0, 4])
def test_a_skipped_step_advances_the_schedule(store: Store, bad: int) -> None:
    plain, calls = build_loss("ce"), []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        calls.append(1)
        return plain(logits, labels) * (float("nan") if len(calls) == bad + 1 else 1.0)

    module = module_of(loss=loss)
    found = rates(module)
    fit(module, store)
    assert module.guard.skipped == 1
    assert found == pytest.approx([QUICK.lr * rate(step, 3, 12) for step in range(12)], rel=1e-12)


def test_a_gradient_is_clipped_to_the_norm_that_was_set(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """AdamW hides the size of a gradient, so it is looked at where the optimiser takes it."""
    norms = []
    for clip in (0.01, 1e9):
        module = module_of(QUICK.model_copy(update={"clip": clip}), build_loss("ce", torch.tensor([50.0, 50.0])))
        seen: list[float] = []

        def configure(module: FitModule = module, seen: list[float] = seen) -> object:
            (optimizer,), schedules = FitModule.configure_optimizers(module)
            parameters = [p for group in optimizer.param_groups for p in group["params"]]

            def look(*_: object) -> None:
                grads = [p.grad.flatten() for p in parameters if p.grad is not None]
                seen.append(float(torch.cat(grads).norm()))

            optimizer.register_step_pre_hook(look)
            return [optimizer], schedules

        monkeypatch.setattr(module, "configure_optimizers", configure)
        fit(module, store)
        norms.append(seen)
    clipped, free = norms
    assert len(clipped) == len(free) == 12
    assert clipped == pytest.approx([0.01] * 12, rel=1e-3)
    assert min(free) > 0.1


def test_too_many_bad_steps_end_the_fit_with_the_slides(store: Store) -> None:
    settings = QUICK.model_copy(update={"skip_limit": 2})
    module = module_of(settings, loss=lambda logits, labels: logits.sum(dim=1) * float("inf"))
    with pytest.raises(StageError, match=r"slide_\d\d.*2 consecutive training steps"):
        fit(module, store)


def test_ctrl_c_stays_a_keyboard_interrupt(store: Store) -> None:
    plain = build_loss("ce")

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return plain(logits, labels)

    with pytest.raises(KeyboardInterrupt):
        fit(module_of(loss=loss), store)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_is_printed_and_no_file_is_left(
    store: Store, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(Path().iterdir())
    fit(module_of(), store)
    assert capfd.readouterr() == ("", "")
    assert sorted(Path().iterdir()) == before


def test_a_warm_up_of_a_fraction_of_an_epoch_is_a_whole_number_of_steps(store: Store) -> None:
    """Of three steps per epoch, half an epoch is two."""
    module = module_of(QUICK.model_copy(update={"warmup": 0.5}))
    recorded = rates(module)
    fit(module, store)
    assert recorded == pytest.approx([QUICK.lr * rate(step, 2, 12) for step in range(12)], rel=1e-12)


def test_the_loss_of_a_step_and_of_an_epoch_is_a_mean(store: Store) -> None:
    """With a constant loss per slide, every step and every epoch have this loss, whatever their sizes."""
    module = module_of(loss=lambda logits, labels: 3.0 + 0.0 * logits.sum(dim=1) * labels)
    assert fit(module, store) == [3.0] * QUICK.epochs


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_precision_is_that_of_the_settings(store: Store, precision: str) -> None:
    plain, types = build_loss("ce"), set()

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        types.add(torch.is_autocast_enabled("cpu"))
        return plain(logits, labels)

    fit(module_of(QUICK.model_copy(update={"precision": precision}), loss), store, stop_after=1)
    assert types == {precision == "bf16"}


def test_a_frozen_aggregator_is_trained_after_its_epochs_and_the_head_from_the_first(store: Store) -> None:
    torch.manual_seed(0)
    classifier = WSIClassifier(ABMILSettings(hidden=8, attention=4), 6, ["a", "b"])
    module = FitModule(classifier, objective_of(build_loss("ce")), QUICK, seed=3, frozen_epochs=2)
    states: list[tuple[bytes, bytes]] = []

    def parts() -> tuple[bytes, bytes]:
        state = module.model.state_dict()
        own = {name.startswith("aggregator."): b"" for name in state}
        for name, value in state.items():
            own[name.startswith("aggregator.")] += value.numpy().tobytes()
        return own[True], own[False]

    def judge(epoch: int, _: float) -> bool:
        states.append(parts())
        return epoch == 3

    first = parts()
    fit_model(module, BagDataset(store, range(12), LABELS), None, torch.device("cpu"), judge)
    aggregators = [first[0], *(aggregator for aggregator, _ in states)]
    assert aggregators[0] == aggregators[1] == aggregators[2]
    assert len(set(aggregators[2:])) == 3, "trained in the third and in the fourth epoch"
    assert len({first[1], *(head for _, head in states)}) == 5

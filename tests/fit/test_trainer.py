from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.batching.windows import Window
from oceanpath.bags.dataset import Bag, BagDataset, collate
from oceanpath.bags.packed import PackedLoader
from oceanpath.errors import StageError
from oceanpath.fit import trainer
from oceanpath.fit.input_norm import fit_input_norm
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import SlideLoss, build_loss
from oceanpath.fit.optim import rate
from oceanpath.fit.perturbation import Perturbation, drop_patches
from oceanpath.fit.saved_state import SavedTraining
from oceanpath.fit.settings import FitSettings
from oceanpath.fit.trainer import Training, TrainingData, Verdict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.patches import ZScore
from oceanpath.models.settings import ABMILSettings, ClamSBSettings, ModelSettings
from oceanpath.tasks.classification import Classification

LABELS = [i % 2 for i in range(12)]
ABMIL = ABMILSettings(hidden=8, attention=4)
QUICK = FitSettings(epochs=4, batch_size=5, lr=1e-2)


def objective_of(loss: SlideLoss) -> ClassificationObjective:
    return ClassificationObjective(Classification(["a", "b"]), loss)


def test_a_patch_level_loss_takes_part(store: Store) -> None:
    found = []
    for weight in (0.0, 0.3):
        torch.manual_seed(0)
        model = ClamSBSettings(hidden=8, attention=4, instance_weight=weight, dropout=0.0)
        module = module_of(store, model=model)
        before = {name: value.clone() for name, value in module.model.state_dict().items()}
        fit(module)
        moved = {name for name, value in module.model.state_dict().items() if not torch.equal(value, before[name])}
        found.append((moved, module.model.head.weight.detach().clone()))
    assert {"auxiliary.ways.weight", "auxiliary.ways.bias"} <= found[1][0]
    assert not torch.equal(found[0][1], found[1][1])


def module_of(
    store: Store,
    settings: FitSettings = QUICK,
    loss: SlideLoss | None = None,
    balance: list[int] | None = None,
    model: ModelSettings = ABMIL,
    seed: int = 3,
    window: Window | None = None,
) -> Training:
    torch.manual_seed(0)
    dataset = BagDataset(store, range(12), LABELS, max_patches=5)
    data = TrainingData(dataset, torch.device("cpu"), balance, window)
    return Training(
        WSIClassifier(model, 6, ["a", "b"]), objective_of(loss or build_loss("ce")), settings, data, seed=seed
    )


class Judge:
    """Records the training losses; the weights of the best epoch are not kept."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.losses: list[float] = []
        self.evaluated = b""
        self.stop_after = stop_after

    def __call__(self, epoch: int, train_loss: float, model: WSIClassifier) -> Verdict:
        assert epoch == len(self.losses)
        assert model.aggregator.embed_dim == 8
        self.losses.append(train_loss)
        self.evaluated = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
        return Verdict(len(self.losses) == self.stop_after, improved=True)

    def contents(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def restore(self, contents: dict[str, Any]) -> None:
        self.losses = contents["losses"]


def fit(training: Training, stop_after: int | None = None) -> list[float]:
    judge = Judge(stop_after)
    training.run(judge)
    return judge.losses


def weights(module: Training) -> bytes:
    return b"".join(value.numpy().tobytes() for value in module.model.state_dict().values())


def test_the_loss_falls_and_the_classes_come_apart(store: Store) -> None:
    module = module_of(store, QUICK.model_copy(update={"epochs": 30}))
    losses = fit(module)
    assert len(losses) == 30
    assert losses[-1] < 0.5 * losses[0]
    module.model.eval()
    logits = torch.cat([module.model(torch.from_numpy(np.array(store.features(i)))[None]) for i in range(12)])
    assert logits.argmax(dim=1).tolist() == LABELS


@pytest.mark.parametrize("balance", [None, LABELS])
def test_reading_ahead_into_reused_memory_changes_no_bit(
    store: Store, monkeypatch: pytest.MonkeyPatch, balance: list[int] | None
) -> None:
    def collated(dataset: BagDataset, batches: Iterable[list[Draw]]) -> Iterator[Batch]:
        return (collate([dataset[draw] for draw in draws]) for draws in batches)

    def many_readers(dataset: BagDataset, batches: Iterable[list[Draw]]) -> PackedLoader:
        return PackedLoader(dataset, batches, buffers=3, readers=4)

    fits = []
    for loader in (None, collated, many_readers):
        if loader:
            monkeypatch.setattr(trainer, "loader_of", loader)
        module = module_of(store, balance=balance)
        fits.append((fit(module), weights(module)))
    assert len(fits[0][0]) == QUICK.epochs
    assert fits[0] == fits[1] == fits[2]


def test_the_judge_stops_the_fit(store: Store) -> None:
    assert len(fit(module_of(store), stop_after=2)) == 2


def test_two_fits_are_equal_bit_by_bit_whatever_was_drawn_before(store: Store) -> None:
    first, second, other = module_of(store), module_of(store), module_of(store, seed=4)
    first_losses = fit(first)
    torch.rand(7)
    np.random.seed(5)
    assert fit(second) == first_losses
    assert weights(first) == weights(second)
    fit(other)
    assert weights(first) != weights(other)


def test_bfloat16_fits_too(store: Store) -> None:
    losses = fit(module_of(store, QUICK.model_copy(update={"precision": "bf16", "epochs": 12})))
    assert losses[-1] < losses[0]


def test_a_step_without_finite_loss_changes_nothing(store: Store) -> None:
    patient = QUICK.model_copy(update={"skip_limit": 99})
    module = module_of(store, patient, loss=lambda logits, labels: logits.sum(dim=1) * float("nan"))
    before = weights(module)
    losses = fit(module)
    assert weights(module) == before
    assert module.guard.skipped == 12
    assert all(np.isnan(loss) for loss in losses)


def test_one_bad_batch_is_skipped_and_the_fit_goes_on(store: Store) -> None:
    plain, calls = build_loss("ce"), []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        calls.append(1)
        return plain(logits, labels) * (float("nan") if len(calls) == 2 else 1.0)

    module = module_of(store, loss=loss)
    losses = fit(module)
    assert module.guard.skipped == 1
    assert np.isfinite(losses).all()
    assert all(torch.isfinite(value).all() for value in module.model.state_dict().values())


def rates(module: Training) -> list[float]:
    """The learning rate of every step, as it is when the loss is computed."""
    found: list[float] = []
    assert isinstance(module.objective, ClassificationObjective)
    plain = module.objective._loss

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        found.append(module.optimizer.param_groups[0]["lr"])
        return plain(logits, labels)

    module.objective._loss = loss
    return found


def test_the_rate_of_every_step_is_the_schedules(store: Store) -> None:
    module = module_of(store)
    found = rates(module)
    fit(module)
    assert found == pytest.approx([QUICK.lr * rate(step, 3, 12) for step in range(12)], rel=1e-12)


@pytest.mark.parametrize("bad", [0, 4])
def test_a_skipped_step_advances_the_schedule(store: Store, bad: int) -> None:
    plain, calls = build_loss("ce"), []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        calls.append(1)
        return plain(logits, labels) * (float("nan") if len(calls) == bad + 1 else 1.0)

    module = module_of(store, loss=loss)
    found = rates(module)
    fit(module)
    assert module.guard.skipped == 1
    assert found == pytest.approx([QUICK.lr * rate(step, 3, 12) for step in range(12)], rel=1e-12)


def test_a_gradient_is_clipped_to_the_norm_that_was_set(store: Store) -> None:
    """AdamW hides the size of a gradient, so it is read where the optimiser receives it."""
    norms = []
    for clip in (0.01, 1e9):
        loss = build_loss("ce", torch.tensor([50.0, 50.0]))
        module, seen = module_of(store, QUICK.model_copy(update={"clip": clip}), loss), list[float]()

        def look(*_: object, module: Training = module, seen: list[float] = seen) -> None:
            grads = [p.grad.flatten() for p in module.model.parameters() if p.grad is not None]
            seen.append(float(torch.cat(grads).norm()))

        module.optimizer.register_step_pre_hook(look)
        fit(module)
        norms.append(seen)
    clipped, free = norms
    assert len(clipped) == len(free) == 12
    assert clipped == pytest.approx([0.01] * 12, rel=1e-3)
    assert min(free) > 0.1


def test_too_many_bad_steps_end_the_fit_with_the_slides(store: Store) -> None:
    settings = QUICK.model_copy(update={"skip_limit": 2})
    module = module_of(store, settings, loss=lambda logits, labels: logits.sum(dim=1) * float("inf"))
    with pytest.raises(StageError, match=r"slide_\d\d.*2 consecutive training steps"):
        fit(module)


def test_ctrl_c_stays_a_keyboard_interrupt(store: Store) -> None:
    plain = build_loss("ce")

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return plain(logits, labels)

    with pytest.raises(KeyboardInterrupt):
        fit(module_of(store, loss=loss))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_is_printed_and_no_file_is_left(
    store: Store, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(Path().iterdir())
    fit(module_of(store))
    assert capfd.readouterr() == ("", "")
    assert sorted(Path().iterdir()) == before


def test_a_warm_up_of_a_fraction_of_an_epoch_is_a_whole_number_of_steps(store: Store) -> None:
    """Of three steps per epoch, half an epoch is two."""
    module = module_of(store, QUICK.model_copy(update={"warmup": 0.5}))
    recorded = rates(module)
    fit(module)
    assert recorded == pytest.approx([QUICK.lr * rate(step, 2, 12) for step in range(12)], rel=1e-12)


def test_the_loss_of_a_step_and_of_an_epoch_is_a_mean(store: Store) -> None:
    """With a constant loss per slide, every step and every epoch have this loss, whatever their sizes."""
    module = module_of(store, loss=lambda logits, labels: 3.0 + 0.0 * logits.sum(dim=1) * labels)
    assert fit(module) == [3.0] * QUICK.epochs


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_precision_is_that_of_the_settings(store: Store, precision: str) -> None:
    plain, types = build_loss("ce"), set()

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        types.add(torch.is_autocast_enabled("cpu"))
        return plain(logits, labels)

    fit(module_of(store, QUICK.model_copy(update={"precision": precision}), loss), stop_after=1)
    assert types == {precision == "bf16"}


def test_a_frozen_aggregator_is_trained_after_its_epochs_and_the_head_from_the_first(store: Store) -> None:
    module = module_of(store)
    module.frozen_epochs = 2
    states: list[tuple[bytes, bytes]] = []

    def parts() -> tuple[bytes, bytes]:
        state = module.model.state_dict()
        own = {name.startswith("aggregator."): b"" for name in state}
        for name, value in state.items():
            own[name.startswith("aggregator.")] += value.numpy().tobytes()
        return own[True], own[False]

    def judge(epoch: int, _: float, __: WSIClassifier) -> Verdict:
        states.append(parts())
        return Verdict(epoch == 3, improved=True)

    first = parts()
    module.run(judge)
    aggregators = [first[0], *(aggregator for aggregator, _ in states)]
    assert aggregators[0] == aggregators[1] == aggregators[2]
    assert len(set(aggregators[2:])) == 3, "trained in the third and in the fourth epoch"
    assert len({first[1], *(head for _, head in states)}) == 5


class KilledError(Exception):
    """Raised where a process would be killed."""


KILLED_SETTINGS = {
    "plain": {},
    "accumulated in bf16, one part frozen": {"accumulate": 2, "precision": "bf16", "batch_size": 2, "head_lr": 1e-3},
    "averaged, with noise": {"ema": 0.5, "instance_dropout": 0.5, "feature_noise": 0.1},
    "plateau": {"schedule": "plateau", "schedule_epochs": 1, "schedule_factor": 0.5},
}


@pytest.mark.parametrize("keys", KILLED_SETTINGS.values(), ids=KILLED_SETTINGS)
@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_killed_at_any_step_and_resumed_is_uninterrupted(
    store: Store, tmp_path: Path, keys: dict[str, object], seconds: float
) -> None:
    settings = QUICK.model_copy(update={"epochs": 3, **keys})

    def run(kill_at: int = -1) -> tuple[list[float], bytes]:
        module, judge, plain = module_of(store, settings), Judge(), build_loss("ce")
        module.frozen_epochs = 1
        assert isinstance(module.objective, ClassificationObjective)

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            if module.done == kill_at:
                raise KilledError
            return plain(logits, labels)

        module.objective._loss = loss
        module.run(judge, SavedTraining(tmp_path / "state", seconds, training=module, judge=judge))
        return judge.losses, weights(module) + judge.evaluated

    expected = run()
    for kill_at in (0, 2, 3, 5, 8):
        (tmp_path / "state").unlink(missing_ok=True)
        with pytest.raises(KilledError):
            run(kill_at)
        torch.manual_seed(kill_at)  # another process has another state of the global generator
        assert run() == expected, f"killed at step {kill_at}"


def test_a_damaged_state_starts_the_training_again(store: Store, tmp_path: Path) -> None:
    found = []
    for damage in (False, True):
        module, judge = module_of(store), Judge()
        if damage:
            (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:3000])
        module.run(judge, SavedTraining(tmp_path / "state", 0.0, training=module, judge=judge))
        found.append((judge.losses, weights(module)))
    assert found[0] == found[1]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".state")] == []


def test_accumulated_batches_are_one_batch(store: Store) -> None:
    """Without dropout, three batches of two slides have the gradient of one batch of six."""
    model, found = ABMIL.model_copy(update={"dropout": 0.0}), []
    for keys in ({"batch_size": 6}, {"batch_size": 2, "accumulate": 3}):
        module = module_of(store, QUICK.model_copy(update={"epochs": 2, "max_patches": None, **keys}), model=model)
        losses = fit(module)
        assert module.done == 4
        found.append((losses, module.model.head.weight.detach()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-5)


def test_a_loss_between_slides_gets_all_slides_of_its_window_at_once(store: Store) -> None:
    """The gradient is that of one batch, also if the batches of the window are read one by one."""
    sizes, grads = list[int](), []
    for size in (6, 2):

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            sizes.append(len(logits))
            return -torch.log_softmax(logits[:, 0] * labels, dim=0)

        settings = QUICK.model_copy(update={"epochs": 1, "batch_size": size})
        module = module_of(
            store, settings, loss, model=ABMIL.model_copy(update={"dropout": 0.0}), window=Window(6, [True] * 12)
        )
        fit(module)
        assert module.model.head.weight.grad is not None
        grads.append(module.model.head.weight.grad.clone())
    assert sizes == [6] * 4
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"schedule": "constant", "warmup": 1.0}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ({"schedule": "step", "warmup": 0.0, "schedule_epochs": 2}, [1] * 6 + [0.1] * 6),
        ({"schedule": "plateau", "warmup": 0.0, "schedule_epochs": 2}, [1] * 9 + [0.1] * 3),
    ],
)
def test_schedules(store: Store, keys: dict[str, object], expected: list[float]) -> None:
    module = module_of(store, QUICK.model_copy(update=keys))
    found = rates(module)
    module.run(lambda epoch, *_: Verdict(stop=False, improved=epoch == 0))
    assert found == pytest.approx([QUICK.lr * factor for factor in expected], rel=1e-12)


def test_parts_of_the_model_have_their_own_rates(store: Store) -> None:
    keys = {"head_lr": 3e-3, "aggregator_lr": 1e-4, "warmup": 0.0, "schedule": "constant"}
    module, found = module_of(store, QUICK.model_copy(update=keys)), dict[str, float]()
    fit(module)
    for group in module.optimizer.param_groups:
        for name, parameter in module.model.named_parameters():
            if any(parameter is own for own in group["params"]):
                found[name] = group["lr"]
                assert group["weight_decay"] == (QUICK.weight_decay if parameter.ndim >= 2 else 0.0)
    assert {name: rate for name, rate in found.items() if rate != 1e-4} == {"head.weight": 3e-3, "head.bias": 3e-3}
    assert len(found) == len(list(module.model.parameters()))


def test_the_average_is_evaluated_and_the_weights_are_trained_as_without_it(store: Store) -> None:
    evaluated, trained = [], []
    for decay in (0.0, 0.6):
        module, judge, heads = module_of(store, QUICK.model_copy(update={"ema": decay})), Judge(1), list[Tensor]()

        def look(*_: object, module: Training = module, heads: list[Tensor] = heads) -> None:
            heads.append(module.model.head.weight.detach().clone())

        module.optimizer.register_step_post_hook(look)
        module.run(judge)
        evaluated.append(judge.evaluated)
        trained.append(weights(module))
        expected = heads[0]
        for head in heads[1:]:
            expected = decay * expected + (1 - decay) * head
        state = module.model.state_dict() if module.average is None else module.average.module.state_dict()
        torch.testing.assert_close(state["head.weight"], expected)
    assert trained[0] == trained[1] == evaluated[0] != evaluated[1]


def test_left_out_patches_and_noise(store: Store) -> None:
    bags = [store.features(k) for k in range(12)]
    batch = collate([Bag(bag, store.coords(k), 0, str(k)) for k, bag in enumerate(bags)])
    torch.manual_seed(0)
    assert drop_patches(batch, 0.0).features.equal(batch.features)
    for dropped in (0.5, 0.999):
        kept = drop_patches(batch, dropped)
        assert kept.lengths.min() >= 1
        assert kept.coords is not None and len(kept.coords) == len(kept.features) == int(kept.offsets[-1])
        assert abs(len(kept.features) / len(batch.features) - (1 - dropped)) < 0.15
        rows = {tuple(row) for row in kept.split(kept.features)[5].tolist()}
        assert rows <= {tuple(row) for row in bags[5].tolist()}
    noise = Perturbation.of(FitSettings(feature_noise=0.1), BagDataset(store, range(12)), torch.device("cpu"), 0)
    change = noise(batch).features - batch.features.float()
    assert change.std(dim=0) == pytest.approx(0.1 * np.concatenate(bags).std(axis=0), rel=0.4)


def test_fitted_input_norm(store: Store) -> None:
    module = module_of(store, model=ABMIL.model_copy(update={"input_norm": "zscore"}))
    fit_input_norm(module.model, store, range(0, 12, 2), seed=0)
    before = weights(module)
    norm = module.model.aggregator.get_submodule("patches.0")
    assert isinstance(norm, ZScore)
    rows = torch.from_numpy(np.concatenate([store.features(k) for k in range(0, 12, 2)])).float()
    assert torch.allclose(norm(rows).mean(dim=0), torch.zeros(6), atol=1e-5)
    assert torch.allclose(norm(rows).std(dim=0, unbiased=False), torch.ones(6), atol=1e-4)
    fit(module)
    assert torch.allclose(norm.mean, rows.mean(dim=0))
    assert weights(module) != before
    norm.set_moments(torch.zeros(6), torch.zeros(6))
    assert torch.isfinite(norm(rows)).all()


def test_the_aggregator_is_trained_from_the_first_step_unless_first_epochs_are_frozen(store: Store) -> None:
    changed = []
    for frozen in (0, 1):
        module = module_of(store, QUICK.model_copy(update={"epochs": 1}))
        assert module.frozen_epochs == 0
        module.frozen_epochs = frozen
        before = [value.clone() for value in module.model.aggregator.parameters()]
        fit(module)
        now = module.model.aggregator.parameters()
        changed.append(any(not torch.equal(value, old) for value, old in zip(now, before, strict=True)))
    assert changed == [True, False]

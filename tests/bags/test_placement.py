"""Where a store's bags are changes no bit of a batch; what cannot be placed is said before anything is read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags import placement
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.token_budget import TokenBudget
from oceanpath.bags.dataset import BagDataset, collate
from oceanpath.bags.packed import PackedLoader
from oceanpath.bags.placement import free_bytes, loader_of, place
from oceanpath.bags.resident import GatherLoader, ResidentStore
from oceanpath.errors import ExperimentError

from ..narrowing import required
from ..recording import recorded

Make = Callable[..., Store]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def bits(batch: Batch) -> tuple[object, ...]:
    tensors = (batch.features, batch.offsets, batch.coords, batch.labels)
    return (*(None if t is None else (t.dtype, t.numpy().tobytes()) for t in tensors), batch.slide_ids)


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=10),
    coords=st.booleans(),
    labelled=st.booleans(),
    cap=st.one_of(st.none(), st.integers(1, 40)),
    budget=st.integers(1, 150),
)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_place_never_changes_a_batch(
    make_store: Make, lengths: list[int], coords: bool, labelled: bool, cap: int | None, budget: int
) -> None:
    random = np.random.default_rng(0)
    files = make_store({f"s{i:02}": random.normal(size=(n, 5)) for i, n in enumerate(lengths)}, coords=coords)
    held, labels = ResidentStore(files, "cpu"), list(range(len(lengths))) if labelled else None
    numbers = list(range(len(lengths)))[::-1]
    mapped, placed = (BagDataset(store, numbers, labels, cap, seed=3) for store in (files, held))
    sampler = BatchSampler([mapped.length(i) for i in range(len(mapped))], TokenBudget(budget=budget), 1, seed=1)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        wanted = [bits(collate([mapped[draw] for draw in draws])) for draws in sampler]
        assert [bits(batch) for batch in PackedLoader(mapped, sampler)] == wanted
        assert [bits(batch) for batch in PackedLoader(placed, sampler)] == wanted
        assert [bits(batch) for batch in GatherLoader(placed, held, sampler)] == wanted
        assert [bits(collate([placed[draw] for draw in draws])) for draws in sampler] == wanted


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("cap", [None, 3])
def test_a_batch_on_the_gpu_is_the_same(make_store: Make, bags: dict[str, np.ndarray], cap: int | None) -> None:
    files = make_store(bags, coords=True)
    draws = [[Draw(2, 1), Draw(0, 1)], [Draw(3, 1)]]
    wanted = PackedLoader(BagDataset(files, range(4), [0, 1, 0, 1], cap), draws)
    found = loader_of(BagDataset(place(files, "gpu", CUDA), range(4), [0, 1, 0, 1], cap), draws)
    assert isinstance(found, GatherLoader)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.features.is_cuda
        assert bits(ours.to("cpu")) == bits(theirs)


def test_a_store_that_is_held_elsewhere_answers_from_its_files(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    """On torch's meta device, which holds shapes alone: what is asked for on the CPU must come from the files."""
    files = make_store(bags, coords=True)
    held = ResidentStore(files, "meta")
    assert held.resident_features.shape == (17, 6)
    assert held.resident_features.dtype == torch.float16
    assert held.resident_coords is not None
    assert held.resident_coords.shape == (17, 2)
    assert held.resident_coords.dtype == torch.int32
    assert held.resident_features.is_meta and held.resident_coords.is_meta
    assert held.starts == [0, 3, 4, 12, 17]
    for i in range(4):
        assert np.array_equal(held.features(i), files.features(i))
        assert np.array_equal(required(held.coords(i)), required(files.coords(i)))
        wanted, found = bytearray(files.features(i).nbytes - 12), bytearray(files.features(i).nbytes - 12)
        files.read_features(i, memoryview(wanted), 12)
        held.read_features(i, memoryview(found), 12)
        assert found == wanted
    (batch,) = loader_of(BagDataset(held, range(4), [0, 1, 0, 1]), [[Draw(2, 0), Draw(0, 0)]])
    assert batch.features.shape == (11, 6)
    assert batch.features.is_meta


def test_a_held_store_reads_a_part_of_a_bag(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    files = make_store(bags)
    held = ResidentStore(files, "cpu")
    assert held.coords(2) is None
    for start, size in ((0, 96), (12, 84), (36, 24)):
        found = bytearray(size)
        held.read_features(2, memoryview(found), start)
        assert bytes(found) == np.array(files.features(2)).tobytes()[start : start + size]


def test_each_place_has_its_store_and_its_loader(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    files = make_store(bags)
    kinds = {name: place(files, name, CPU) for name in ("auto", "mmap", "ram")}
    assert [type(store) for store in kinds.values()] == [Store, Store, ResidentStore]
    for store in kinds.values():
        loader = loader_of(BagDataset(store, [0, 1]), [[Draw(0, 0)], [Draw(1, 0)]])
        assert isinstance(loader, PackedLoader)
        assert len(loader) == len(list(loader)) == 2


def test_what_is_held_is_not_read_again(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    files = make_store(bags, coords=True)
    held = place(files, "ram", CPU)
    wanted, places = np.array(files.features(2)), np.array(files.coords(2))
    for chunk in files.path.glob("*.bin"):
        chunk.unlink()
    assert np.array_equal(held.features(2), wanted)
    assert np.array_equal(required(held.coords(2)), places)
    with pytest.raises(ValueError, match="read-only"):
        held.features(2)[0] = 0


def test_a_held_store_travels_as_its_path(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    sent = pickle.dumps(place(make_store(bags), "ram", CPU))
    assert len(sent) < 500
    assert type(pickle.loads(sent)) is Store


def test_auto_takes_a_gpu_that_has_twice_the_room(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, asked = make_store(bags, coords=True), list[torch.device]()
    size = sum(map(len, bags.values())) * (6 * 2 + 8)
    resident = recorded(lambda store, device: store, lambda _, device: asked.append(device))
    monkeypatch.setattr(placement, "ResidentStore", resident)
    for free, wanted in ((2 * size, [CUDA]), (2 * size - 1, [])):
        monkeypatch.setattr(placement, "free_bytes", lambda device, free=free: free)
        asked.clear()
        place(files, "auto", CUDA)
        assert asked == wanted


def test_no_gpu_and_no_room_are_told(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_store(bags)
    with pytest.raises(ExperimentError, match="no GPU"):
        place(files, "gpu", CPU)
    monkeypatch.setattr(placement, "free_bytes", lambda device: 10)
    for where in ("ram", "gpu"):
        with pytest.raises(ExperimentError, match="does not fit"):
            place(files, where, CUDA)


def test_what_just_fits_is_placed(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, size = make_store(bags, coords=True), sum(map(len, bags.values())) * (6 * 2 + 8)
    monkeypatch.setattr(placement, "free_bytes", lambda device: size)
    assert type(place(files, "ram", CPU)) is ResidentStore
    monkeypatch.setattr(placement, "free_bytes", lambda device: size - 1)
    with pytest.raises(ExperimentError, match="does not fit"):
        place(files, "ram", CPU)


def test_free_memory_of_a_gpu_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    assert free_bytes(CUDA) == 123
    assert free_bytes(CPU) != 123


def test_a_system_that_does_not_say_how_much_is_free_leaves_it_to_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(placement, "Path", lambda name: tmp_path / "nothing")
    assert free_bytes(CPU) > 1 << 60
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:   7000 kB\n")
    monkeypatch.setattr(placement, "Path", lambda name: tmp_path / "meminfo")
    assert free_bytes(CPU) == 7000 * 1024


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="the system does not tell")
def test_free_memory_is_what_the_machine_says() -> None:
    assert 1 << 20 < free_bytes(CPU) < 1 << 50

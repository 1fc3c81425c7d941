"""Packed batches are the batches of `collate`, whatever was in the memory before."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags import packed
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.token_budget import TokenBudget
from oceanpath.bags.dataset import BagDataset, collate
from oceanpath.bags.packed import PackedLoader
from oceanpath.bags.resident import GatherLoader, ResidentStore
from oceanpath.bench.rounds import peak_mb
from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

from ..recording import recorded

Make = Callable[..., Store]


def kept(batch: Batch) -> Batch:
    coords, labels = (None if tensor is None else tensor.clone() for tensor in (batch.coords, batch.labels))
    return Batch(batch.features.clone(), batch.offsets.clone(), coords, labels, batch.slide_ids)


def same(ours: Batch, theirs: Batch) -> bool:
    pairs = [(getattr(ours, name), getattr(theirs, name)) for name in ("features", "offsets", "coords", "labels")]
    equal = all((a is None and b is None) or (a.dtype == b.dtype and torch.equal(a, b)) for a, b in pairs)
    return equal and ours.slide_ids == theirs.slide_ids


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    coords=st.booleans(),
    labelled=st.booleans(),
    cap=st.one_of(st.none(), st.integers(1, 40)),
    buffers=st.integers(2, 4),
    readers=st.integers(1, 3),
    budget=st.integers(1, 150),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_packed_is_collated(
    make_store: Make,
    lengths: list[int],
    coords: bool,
    labelled: bool,
    cap: int | None,
    buffers: int,
    readers: int,
    budget: int,
) -> None:
    random = np.random.default_rng(0)
    store = make_store({f"s{i:02}": random.normal(size=(n, 5)) for i, n in enumerate(lengths)}, coords=coords)
    labels = list(range(len(lengths))) if labelled else None
    dataset = BagDataset(store, list(range(len(lengths)))[::-1], labels, cap, seed=3)
    sampler = BatchSampler([dataset.length(i) for i in range(len(dataset))], TokenBudget(budget=budget), 1, seed=1)
    loader = PackedLoader(dataset, sampler, buffers, readers)
    for epoch in (0, 1, 2):
        sampler.set_epoch(epoch)
        wanted = [collate([dataset[draw] for draw in draws]) for draws in sampler]
        assert len(loader) == len(wanted)
        got = [kept(batch) for batch in loader]
        assert all(same(ours, theirs) for ours, theirs in zip(got, wanted, strict=True))


def test_two_batches_are_read_before_the_first_is_given_and_a_copy_that_was_sent_starts_without_memory(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    start = recorded(PackedLoader._start, lambda _, draws, *rest: started.append(draws))
    monkeypatch.setattr(PackedLoader, "_start", start)
    loader = PackedLoader(BagDataset(make_store(bags), range(4)), [[Draw(i, 0)] for i in range(4)])
    batches = iter(loader)
    next(batches)
    assert len(started) == 2
    next(batches)
    assert len(started) == 3
    assert len(list(batches)) == 2
    assert len(loader._idle) == 2  # the next iteration takes the memory over
    copy = pickle.loads(pickle.dumps(loader))
    assert copy._idle == []
    assert [len(batch.features) for batch in copy] == [3, 1, 8, 5]


def test_a_long_bag_is_read_in_pieces_and_a_capped_one_at_once(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "PIECE_BYTES", 3 * 12 + 11)  # three rows of six float16
    store, draws = make_store(bags), [Draw(2, 0), Draw(0, 0)]
    for cap, expected in ((None, [(0, 0, 3), (0, 3, 6), (0, 6, 8), (1, 0, 3)]), (5, [(0, 0, 5), (1, 0, 3)])):
        dataset = BagDataset(store, range(4), max_patches=cap)
        lengths = [dataset.length(draw.position) for draw in draws]
        found = PackedLoader(dataset, [draws])._pieces(draws, lengths)
        assert [(piece.bag, piece.rows.start, piece.rows.stop) for piece in found] == expected
    monkeypatch.setattr(packed, "PIECE_BYTES", 1)
    assert len(list(PackedLoader(BagDataset(store, range(4)), [draws])._pieces([Draw(2, 0)], [8]))) == 8


def test_small_batches_are_read_by_the_caller_and_large_ones_by_threads(
    make_store: Make, bags: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = set()
    read = recorded(PackedLoader._read_rows, lambda *_: readers.add(threading.current_thread()))
    monkeypatch.setattr(PackedLoader, "_read_rows", read)
    loader = PackedLoader(BagDataset(make_store(bags), range(4)), [[Draw(0, 0), Draw(2, 0)]])
    small = [kept(batch) for batch in loader]
    assert readers == {threading.current_thread()}
    readers.clear()
    monkeypatch.setattr(packed, "PIECE_BYTES", 1)
    assert all(same(a, b) for a, b in zip(loader, small, strict=True))
    assert threading.current_thread() not in readers


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_any_number_of_workers_delivers_what_the_packed_loader_does(
    make_store: Make, bags: dict[str, np.ndarray], workers: int
) -> None:
    dataset = BagDataset(make_store(bags, coords=True), [0, 1, 2, 3], [0, 1, 0, 1], max_patches=4, seed=1)
    sampler = BatchSampler([dataset.length(i) for i in range(4)], Fixed(), 3, seed=5)
    how = "fork" if workers else None
    there = list(
        DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers, multiprocessing_context=how)
    )
    here = [kept(batch) for batch in PackedLoader(dataset, sampler)]
    assert all(same(a, b) for a, b in zip(here, there, strict=True))


def test_going_on_after_some_batches_gives_the_rest(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    dataset = BagDataset(make_store(bags), [0, 1, 2, 3], max_patches=2, seed=1)
    sampler = BatchSampler([2, 1, 2, 2], Fixed(), 1, seed=5)
    loader = PackedLoader(dataset, sampler, buffers=3)
    sampler.set_epoch(4)
    whole = [kept(batch) for batch in loader]
    for delivered in range(len(whole) + 1):
        sampler.resume(4, delivered)
        rest = [kept(batch) for batch in loader]
        assert len(rest) == len(whole) - delivered
        assert all(same(a, b) for a, b in zip(rest, whole[delivered:], strict=True))


def test_memory_is_used_again(make_store: Make) -> None:
    store = make_store({f"s{i}": np.full((50, 8), i) for i in range(9)})
    loader = PackedLoader(BagDataset(store, list(range(9))), BatchSampler([50] * 9, Fixed(), 1, seed=0))
    for _ in range(2):
        places = {batch.features.data_ptr() for batch in loader}
        assert len(places) == 2


def test_a_batch_stays_while_the_next_is_read(make_store: Make) -> None:
    store = make_store({f"s{i}": np.full((50, 8), i) for i in range(9)})
    loader = PackedLoader(BagDataset(store, list(range(9))), [])
    assert list(loader) == []
    sampler = BatchSampler([50] * 9, Fixed(), 1, seed=0)
    for batch in PackedLoader(BagDataset(store, list(range(9))), sampler):
        before = batch.features.clone()
        torch.randn(200, 200) @ torch.randn(200, 200)  # time enough to read ahead
        assert torch.equal(batch.features, before)
        assert float(batch.features[0, 0]) == float(batch.slide_ids[0][1:])


def test_a_short_chunk_is_told_where_the_batch_is_asked_for(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    store = make_store(bags)
    chunk = store.path / "features_000.bin"
    chunk.write_bytes(chunk.read_bytes()[:10])
    loader = PackedLoader(BagDataset(store, [0, 1, 2, 3]), BatchSampler([3, 1, 8, 5], Fixed(), 2, seed=0))
    with pytest.raises(ArtifactError, match="too short"):
        list(loader)


def test_one_buffer_is_no_room_and_no_reader_reads_nothing(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    dataset = BagDataset(make_store(bags), [0])
    with pytest.raises(ValueError, match="two buffers"):
        PackedLoader(dataset, [], buffers=1)
    with pytest.raises(ValueError, match="at least one reader"):
        PackedLoader(dataset, [], readers=0)


def loader_of_nine(make_store: Make, rows: int = 50, dim: int = 8) -> PackedLoader:
    store = make_store({f"s{i}": np.full((rows, dim), i) for i in range(9)}, coords=True)
    return PackedLoader(BagDataset(store, range(9)), BatchSampler([rows] * 9, Fixed(), 2, seed=0))


@given(turns=st.lists(st.integers(0, 2), max_size=25))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_iterations_under_way_at_once_do_not_disturb_each_other(make_store: Make, turns: list[int]) -> None:
    """Three iterations are advanced in any order, and one is dropped half way: each one's last batch stays right."""
    loader = loader_of_nine(make_store)
    alone = [kept(batch) for batch in loader]
    under_way, batches, reached = [iter(loader) for _ in range(3)], dict[int, Batch](), [0, 0, 0]
    for turn in turns:
        following = next(under_way[turn], None)
        if following is None:  # it is over: a new one takes its place and perhaps its memory
            batches.pop(turn, None)
            under_way[turn], reached[turn] = iter(loader), 0
            continue
        batches[turn] = following
        reached[turn] += 1
        for other, batch in batches.items():
            assert same(batch, alone[reached[other] - 1])
    assert isinstance(under_way[0], Generator)
    under_way[0].close()
    assert all(same(ours, theirs) for ours, theirs in zip(loader, alone, strict=True))


def test_memory_of_an_iteration_that_was_left_is_used_again(make_store: Make) -> None:
    loader, places = loader_of_nine(make_store), set()
    for _ in range(5):
        for batch in loader:
            places.add(batch.features.data_ptr())
            break
    assert len(places) <= 2


def checksum(loader: PackedLoader) -> list[float]:
    return [float(batch.features.double().sum()) for batch in loader]


def test_a_fork_and_a_fresh_process_read_the_same(make_store: Make) -> None:
    """Whether the loader was used before or is being used: threads and memory of the parent are not the child's."""
    loader = loader_of_nine(make_store)
    here, half = checksum(loader), iter(loader)
    before = kept(next(half))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(checksum, [loader]) == [here]  # sent by pickle
    read, write = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=lambda: write.send(checksum(loader)))
    child.start()  # inherited as it is, in the middle of an iteration
    assert read.recv() == here
    child.join()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_checksum_of, [pickle.dumps(loader)]) == [here]
    assert len([before, *half]) == len(here)


def _checksum_of(sent: bytes) -> list[float]:
    return checksum(pickle.loads(sent))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system does not tell resident memory")
def test_memory_is_two_batches_and_stays_so_for_ten_epochs(make_store: Make) -> None:
    """Batches of 32 MB: at most three times that at any time, and no more after ten epochs than after one."""
    rows, dim = 8192, 1024
    loader = loader_of_nine(make_store, rows, dim)
    batch_mb = 2 * rows * (dim * 2 + 8) / 2**20

    def epochs(number: int) -> None:
        for _ in range(number):
            for batch in loader:
                assert batch.features.shape[1] == dim

    once, often = peak_mb(lambda: epochs(1)), peak_mb(lambda: epochs(10))
    assert 1.5 * batch_mb < often < 3 * batch_mb
    assert often < once + 8


def test_bfloat16_is_delivered_as_such(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    (tmp_path / "features").mkdir()
    for name in "ab":
        np.save(tmp_path / "features" / f"{name}.npy", values)
    (tmp_path / "store").mkdir()
    run(MmapSettings(features=tmp_path / "features", dtype="bfloat16"), Inputs(), tmp_path / "store", Quiet())
    for cap in (None, 5):
        dataset = BagDataset(Store(tmp_path / "store"), [0, 1], max_patches=cap)
        wanted = collate([dataset[Draw(0, 0)], dataset[Draw(1, 0)]]).features
        held = ResidentStore(dataset.store)
        assert np.array_equal(held.features(1), dataset.store.features(1))
        in_memory = BagDataset(held, [0, 1], max_patches=cap)
        (again,) = PackedLoader(in_memory, [[Draw(0, 0), Draw(1, 0)]])
        (gathered,) = GatherLoader(in_memory, held, [[Draw(0, 0), Draw(1, 0)]])
        (batch,) = PackedLoader(dataset, [[Draw(0, 0), Draw(1, 0)]])
        assert again.features.dtype == gathered.features.dtype == batch.features.dtype == torch.bfloat16
        assert torch.equal(again.features, batch.features)
        assert torch.equal(gathered.features, batch.features)
        assert torch.equal(batch.features.float(), wanted)
        assert cap or torch.equal(batch.features[:9], torch.from_numpy(values).bfloat16())

"""Extraction for a device: reader processes, slides prepared in advance, bounded memory, the same bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.engine.feature_extractor import FeatureExtractor
from oceanpath.slides.engine.prefetch import Prefetcher
from oceanpath.stages.extract import slide_encoder, work
from oceanpath.stages.extract.cohort import parts
from oceanpath.stages.extract.prepare import prepare
from oceanpath.stages.extract.settings import ExtractSettings

from ...recording import recorded

PAGE = os.sysconf("SC_PAGE_SIZE")


class Device:
    """Takes one batch at a time, as a GPU does, and remembers how large they were."""

    name, dim, input_px, batch_size, threads = "device", 3, 0, 16, 0
    revision, weights_sha256 = "", ""
    sizes: ClassVar[set[int]] = set()

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        self.sizes.add(len(patches))
        means: NDArray[np.floating] = patches.mean(axis=(1, 2))
        return means.astype(np.float16)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(slide_encoder, "build_encoder", lambda name, device, options: Device())
    slide_encoder._slide_encoder.cache_clear()
    yield
    slide_encoder._slide_encoder.cache_clear()


def draw(folder: Path, count: int, side: int = 512) -> Path:
    folder.mkdir()
    for seed in range(count):
        noise = np.random.default_rng(seed).integers(60, 200, (side // 8, side // 8, 3))
        write_aperio(folder / f"s{seed:02d}.svs", noise.repeat(8, 0).repeat(8, 1).astype(np.uint8), 0.5)
    return folder


def extract(slides: Path, out: Path, workers: int, failed: list[str] | None = None) -> dict[str, bytes]:
    keys = ExtractSettings(encoder="hed_stats", slides=slides, patch_px=64, min_tissue=0.0, workers=workers)
    result: dict[str, bytes] = {}
    every = parts(keys, Inputs())
    for part, upcoming in zip_longest(every, every[1:]):
        folder = out / part.key
        folder.mkdir(parents=True)
        try:
            work.run_part(keys, Inputs(upcoming=upcoming), part, folder, Quiet())
        except OceanPathError as error:
            assert failed is not None
            failed.append(str(error))
            continue
        result[part.key] = (folder / f"{part.key}.h5").read_bytes()
    return result


def test_readers_in_other_processes_change_no_byte(device: None, tmp_path: Path) -> None:
    slides = draw(tmp_path / "slides", 4)
    expected = extract(slides, tmp_path / "0", 0)
    assert extract(slides, tmp_path / "3", 3) == expected
    assert Device.sizes == {16}


def test_a_bad_slide_between_good_ones(device: None, tmp_path: Path) -> None:
    slides, failed = draw(tmp_path / "slides", 5, 256), list[str]()
    expected = extract(slides, tmp_path / "0", 2)
    cut = (slides / "s01.svs").read_bytes().replace(b"\xff\xd8\xff", bytes(3))
    (slides / "s01.svs").write_bytes(cut)
    (slides / "s03.svs").write_bytes(b"no slide")
    got = extract(slides, tmp_path / "1", 2, failed)
    assert got == {key: expected[key] for key in ("s00", "s02", "s04")}
    assert ["s01.svs" in failed[0], "s03.svs" in failed[1]] == [True, True]


def test_the_upcoming_slide_is_prepared_while_one_is_encoded(
    device: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ExtractSettings(encoder="hed_stats", slides=draw(tmp_path / "slides", 2), patch_px=64, workers=0)
    first, second = parts(keys, Inputs())
    prepared: list[str] = []

    preparing = recorded(prepare, lambda request: prepared.append(request.slide_id))
    encoder = slide_encoder.SlideEncoder(
        FeatureExtractor(Device(), 0), Prefetcher(preparing, lambda slide: slide.reader.close())
    )
    monkeypatch.setattr(work, "slide_encoder_for", lambda settings: encoder)
    work.run_part(keys, Inputs(upcoming=second), first, tmp_path, Quiet())
    deadline = time.monotonic() + 20
    while encoder.slides.ready() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert prepared == ["s00", "s01"]
    work.run_part(keys, Inputs(), second, tmp_path, Quiet())
    assert prepared == ["s00", "s01"]


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_does_not_grow_with_the_number_of_slides(device: None, tmp_path: Path, workers: int) -> None:
    slides, resident = draw(tmp_path / "slides", 30, 256), list[int]()

    class MemoryRecorder(Quiet):
        def start(self, total: int, unit: str) -> None:
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)

    keys = ExtractSettings(encoder="hed_stats", slides=slides, patch_px=64, min_tissue=0.0, workers=workers)
    every = parts(keys, Inputs())
    for part, upcoming in zip_longest(every, every[1:]):
        (tmp_path / part.key).mkdir()
        work.run_part(keys, Inputs(upcoming=upcoming), part, tmp_path / part.key, MemoryRecorder())
    grown = (max(resident[20:]) - max(resident[:10])) / 2**20
    print(f"memory after 30 slides: {grown:+.1f} MB over that after 10")
    assert len(resident) == 30 and grown < 4

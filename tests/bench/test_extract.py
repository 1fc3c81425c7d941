"""The benchmark of extraction reads what it says it reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.bench.extract import MPP, largest_difference, write_bench_slide
from oceanpath.cli.app import run_app
from oceanpath.slides.reader import open_slide


def test_the_slide_is_a_pyramid_at_40x(tmp_path: Path) -> None:
    write_bench_slide(tmp_path / "bench.svs", 4300)
    with open_slide(tmp_path / "bench.svs") as reader:
        assert (reader.mpp.x, reader.width, len(reader.level_sizes), reader.reader) == (MPP, 4300, 3, "tiff_tiles")
    assert largest_difference(tmp_path / "bench.svs", 8) == 0


def test_every_method_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [
        "--side",
        "2048",
        "--patches",
        "4",
        "--rounds",
        "1",
        "--scratch",
        str(tmp_path),
        "--out",
        str(tmp_path / "o"),
    ]
    assert run_app(["bench", "extract", "--json", *more]) == 0
    message = json.loads(capsys.readouterr().out)
    rows = {row["way"]: row for row in message["rows"]}
    assert message["largest_difference_to_openslide"] == 0
    assert rows["OpenSlide, PIL bicubic"]["patches"] == 4 and 0 < rows["mean_colour"]["patches"] <= 16
    assert all(row["cpu_ms"] > 0 for row in rows.values())
    written = [f"extract.{kind}" for kind in ("json", "md", "pdf", "png", "svg")]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == written

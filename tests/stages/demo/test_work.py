"""The demo stage: a cohort on disk, the same for any number of workers, checked."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Quiet, resolve
from oceanpath.slides.demo.cohort import COLUMNS
from oceanpath.slides.demo.texture import build_textures
from oceanpath.stages.demo.settings import DemoSettings
from oceanpath.stages.demo.stage import STAGE
from oceanpath.stages.demo.work import check, run


@pytest.fixture(autouse=True, scope="module")
def textures_once() -> Iterator[None]:
    """Textures of a seed are drawn once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oceanpath.stages.demo.work.build_textures", functools.cache(build_textures))
        yield


def make(out: Path, **keys: object) -> Path:
    out.mkdir()
    run(DemoSettings(slides=4, side_px=1024, **keys), Inputs(), out, Quiet())
    return out


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("demo") / "out", seed=3)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_slides_table_and_truth_agree(cohort: Path) -> None:
    check(cohort)
    table = pd.read_csv(cohort / "cohort.csv", dtype=str)
    assert tuple(table.columns) == COLUMNS and len(table) == 4
    truth = json.loads((cohort / "truth.json").read_text())
    for row in table.itertuples():
        kinds = {spot["kind"] for spot in truth[row.slide_id]["spots"]}
        assert ("tumour" in kinds) == (row.label == "tumour")
    assert "tumour" not in {path.name for path in (cohort / "slides").iterdir()}


def test_workers_never_change_the_bytes(tmp_path: Path, cohort: Path) -> None:
    assert files(make(tmp_path / "one", seed=3, workers=0)) == files(cohort)


def test_another_seed_is_another_cohort(tmp_path: Path, cohort: Path) -> None:
    other = files(make(tmp_path / "other", seed=4))
    assert not set(other.values()) & set(files(cohort).values())


def test_workers_are_not_part_of_the_identity() -> None:
    assert (
        DemoSettings(workers=7).identity() == DemoSettings().identity() == {"seed": 42, "side_px": 2560, "slides": 36}
    )
    assert resolve(STAGE.work) is run and resolve(STAGE.check) is check


@pytest.mark.parametrize("damage", ["slide", "missing", "table", "truth"])
def test_check_detects_damage(tmp_path: Path, cohort: Path, damage: str) -> None:
    for name, data in files(cohort).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    first = sorted((tmp_path / "slides").iterdir())[0]
    if damage == "slide":
        first.write_bytes(first.read_bytes()[:500])
    elif damage == "missing":
        first.unlink()
    elif damage == "table":
        (tmp_path / "cohort.csv").write_text("slide_id\nx\n")
    else:
        reported = json.loads((tmp_path / "truth.json").read_text())
        reported[first.stem]["mpp"] = 0.3
        (tmp_path / "truth.json").write_text(json.dumps(reported))
    with pytest.raises(ArtifactError):
        check(tmp_path)

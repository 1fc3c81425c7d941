"""The command that an error prints makes the damaged result again; `runtime.verify` switches comparing off."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app
from oceanpath.cli.published import Verifier
from oceanpath.errors import ArtifactError
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace
from oceanpath.serving.slide_inputs import find_inputs

from ..recording import recorded
from .trials import Project

Projects = Callable[[str], Project]
CASES = {
    "a bag of the store": ("study", "runs/mmap/*/features_000.bin", "eval --force eval"),
    "the store's index": ("study", "runs/mmap/*/index_arrays.npz", "split --force split"),
    "a checkpoint": ("study", "runs/train/*/fold_1/best.ckpt", "export --force export"),
    "folds": ("study", "runs/split/*/fold_0.parquet", "train --force train"),
    "a part": ("parts", "parts/train/*/best.ckpt", "train"),
    "extracted features": ("slides", "runs/extract/*/OP-0103-A.h5", "mmap --force mmap"),
    "a slide of the demo": ("slides", "runs/demo/*/slides/OP-0103-A.svs", "extract --force extract"),
    "places of adopted files": ("adopted", "runs/mmap/*/local/places.npz", "split --force split"),
}


def flip(path: Path, at: int = -1) -> None:
    """Change a byte in place, and put the modification time back."""
    state, raw = path.stat(), bytearray(path.read_bytes())
    raw[at] ^= 1
    with path.open("r+b") as file:
        file.write(raw)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def give(project: Project, words: str) -> int:
    verb, _, more = words.partition(" ")
    return run_app([verb, "-e", f"{project.top}/e.toml", "--workspace", str(project.out), "--quiet", *more.split()])


def remedy(said: str) -> list[str]:
    (command,) = re.findall(r"`oceanpath ([^`]+)`", said)
    return shlex.split(command)


@pytest.mark.parametrize("case", CASES)
def test_the_printed_remedy_works(case: str, project: Projects, capsys: pytest.CaptureFixture[str]) -> None:
    state, pattern, words = CASES[case]
    here = project(state)
    here.restore()
    assert give(here, words) == 0
    wanted = here.results()
    here.restore()
    (path, *_) = sorted(here.out.glob(pattern))
    flip(path)
    capsys.readouterr()
    assert give(here, words) == 4
    said = capsys.readouterr().err
    assert path.name in said
    assert run_app(remedy(said)) == 4  # it counts what it set aside
    assert give(here, words) == 0
    assert here.results() == wanted
    assert here.is_whole()
    here.restore(path)


def test_what_links_a_damaged_chunk_is_set_aside_with_it(project: Projects, capsys: pytest.CaptureFixture[str]) -> None:
    here = project("grown")
    here.restore()
    (path,) = here.out.glob("runs/mmap/*/features_000.bin")
    flip(path)
    assert give(here, "mmap") == 0  # linked unread: whoever first reads a bag notices
    assert give(here, "mmap --verify") == 4
    stores = list(here.out.glob("runs/mmap/[!.]*"))
    assert len(stores) == 2
    (new,) = here.used()
    assert run_app(["ledger", "verify", "--deep", "--repair", str(new)]) == 4
    assert not list(here.out.glob("runs/mmap/[!.]*"))
    assert give(here, "mmap") == 0
    assert give(here, "mmap --verify") == 0
    here.restore(path)


def test_a_chunk_that_was_written_to_is_not_taken_over(project: Projects) -> None:
    here = project("grown")
    here.restore()
    (path,) = here.out.glob("runs/mmap/*/features_000.bin")
    flip(path)
    os.utime(path)
    assert give(here, "mmap") == 0
    assert give(here, "mmap --verify") == 0
    here.restore(path)


def test_verify_false_reads_without_comparing_and_changes_no_result(project: Projects) -> None:
    here = project("study")
    here.restore()
    (path,) = here.out.glob("runs/mmap/*/features_000.bin")
    before = here.results()
    assert give(here, "run --set runtime.verify=false") == 0
    assert here.results() == before
    flip(path)
    assert give(here, "eval --force eval --set runtime.verify=false") == 0
    assert give(here, "eval --force eval") == 4
    here.restore(path)


def test_a_run_with_nothing_to_do_reads_no_results(project: Projects, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project("study")
    here.restore()
    read: list[Path] = []
    monkeypatch.setattr("oceanpath.pipeline.digests.xxh3_of_file", recorded(lambda path: "", read.append))
    assert give(here, "run") == 0
    assert read == []
    assert give(here, "eval --force eval") == 4, "a step that runs reads its inputs"
    assert read
    here.restore()


def test_the_ledger_is_rebuilt_by_the_printed_command(project: Projects, capsys: pytest.CaptureFixture[str]) -> None:
    here = project("study")
    ledger = here.out / "ledger.sqlite"
    raw = ledger.read_bytes()
    for damaged in (raw[:-5000], bytes(len(raw)), b"", raw.replace(b"auroc", b"aurok")):
        here.restore()
        ledger.write_bytes(damaged)
        capsys.readouterr()
        assert run_app(["ledger", "show", "--workspace", str(here.out)]) == 4
        said = capsys.readouterr().err
        assert "the ledger is damaged" in said
        assert "ledger.sqlite" in said
        if damaged != raw.replace(b"auroc", b"aurok"):  # a run does not read metrics
            assert give(here, "run") == 4
            assert "the ledger is damaged" in capsys.readouterr().err
        assert run_app(remedy(said)) == 0
        assert run_app(["ledger", "show", "--workspace", str(here.out)]) == 0
        assert run_app(["run", f"{here.top}/e.toml", "--workspace", str(here.out)]) == 0
        assert "Nothing to do" in capsys.readouterr().out
    here.restore()


def test_rebuild_says_which_results_it_leaves_out(project: Projects, capsys: pytest.CaptureFixture[str]) -> None:
    here = project("study")
    here.restore()
    (manifest,) = here.out.glob("runs/split/*/manifest.json")
    flip(manifest, 200)
    capsys.readouterr()
    assert run_app(["ledger", "rebuild", "--workspace", str(here.out)]) == 0
    assert "1 damaged results are left out" in capsys.readouterr().out
    here.restore(manifest)


def test_verify_names_a_damaged_ledger_too(project: Projects, capsys: pytest.CaptureFixture[str]) -> None:
    here = project("study")
    here.restore()
    ledger = here.out / "ledger.sqlite"
    ledger.write_bytes(ledger.read_bytes().replace(b"auroc", b"aurok"))
    capsys.readouterr()
    assert run_app(["ledger", "verify", "--workspace", str(here.out)]) == 4
    said = capsys.readouterr().out
    assert "the ledger is damaged" in said
    assert "ledger rebuild" in said
    here.restore()


def test_a_folder_that_is_no_result_cannot_be_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["ledger", "verify", str(tmp_path)]) == 2
    assert "not a published folder" in capsys.readouterr().err


def test_the_old_key_is_accepted_with_a_warning_and_builds_no_store_again(
    project: Projects, capsys: pytest.CaptureFixture[str]
) -> None:
    here = project("study")
    here.restore()
    capsys.readouterr()
    words = ["mmap", "-e", f"{here.top}/e.toml", "--workspace", str(here.out), "--dry-run"]
    assert run_app([*words, "--set", "mmap.verify=false"]) == 0
    said = capsys.readouterr()
    assert "warning: --set mmap.verify: mmap.verify has no effect; set runtime.verify instead" in said.err
    assert re.search(r"mmap +fresh", said.out)
    assert maintenance.verify(Workspace(here.out), deep=True) == []


def read_features(paths: list[Path]) -> None:
    """Read slides as `predict` does."""
    for slide in find_inputs(paths, verify=Verifier().verify):
        slide.read()


def test_predict_compares_published_features_before_it_reads_them(project: Projects) -> None:
    here = project("slides")
    here.restore()
    folder = here.out / "experiments" / "slides" / "extract"
    path = sorted(folder.resolve().glob("*.h5"))[1]
    for features in ([folder], [folder / path.name], [path]):
        read_features(features)
    flip(path)
    for features in ([folder], [folder / path.name], [path]):
        with pytest.raises(ArtifactError, match=f"{path.name}.*sealed digest"):
            read_features(features)
    read_features([sorted(folder.resolve().glob("*.h5"))[0]])
    here.restore(path)


def test_extract_puts_no_damaged_file_into_another_folder(
    project: Projects, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = project("slides")
    here.restore()
    path = sorted(here.out.glob("runs/extract/*/*.h5"))[1]
    flip(path)
    assert give(here, f"extract --out {tmp_path / 'laid'}") == 4
    said = capsys.readouterr().err
    assert path.name in said
    assert not (tmp_path / "laid" / path.name).exists()
    assert run_app(remedy(said)) == 4
    assert give(here, f"extract --out {tmp_path / 'laid'}") == 0
    assert (tmp_path / "laid" / path.name).is_file()
    here.restore(path)

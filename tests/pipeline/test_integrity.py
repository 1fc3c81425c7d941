"""A step compares what it reads with its sealed digests; what is damaged is named, and is not used."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError
from oceanpath.pipeline.fingerprint import fingerprint
from oceanpath.pipeline.integrity import changed
from oceanpath.pipeline.stage import Inputs, Stage
from oceanpath.pipeline.workspace import MANIFEST, read_manifest

from .conftest import ToyProject


def place(toy: ToyProject, step: str) -> Path:
    return (toy.folder / "out" / "experiments" / "toy" / step).resolve()


def spoil(path: Path, *, late: bool = False) -> None:
    """Change every byte, keep the size, and put the modification time back unless it is to be `late`."""
    state = path.stat()
    with path.open("r+b") as file:
        file.write(bytes(byte ^ 1 for byte in path.read_bytes()))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + (3_600_000_000_000 if late else 0)))


@pytest.mark.parametrize("late", [False, True])
def test_a_step_refuses_a_parent_with_a_changed_byte_by_name(toy, calls, late: bool) -> None:
    toy.run()
    file = place(toy, "count") / "counts.json"
    spoil(file, late=late)
    states = toy.run(["report.title=x"])
    assert calls() == []
    assert isinstance(states["report"].error, ArtifactError)
    said = states["report"].error.render()
    assert str(file) in said
    assert f"oceanpath ledger verify --deep --repair {file.parent}" in said
    assert not list(toy.workspace.root.glob("runs/report/*.partial"))


def test_what_is_fresh_is_not_read(toy, calls) -> None:
    toy.run()
    spoil(place(toy, "count") / "counts.json")
    assert [state.state for state in toy.run().values()] == ["fresh"] * 3


def test_a_part_is_compared_before_it_is_gathered(toy, calls) -> None:
    toy.run()
    (part,) = toy.workspace.root.glob("parts/count/*/a.txt")
    spoil(part)
    shutil.rmtree(place(toy, "count"))
    states = toy.run()
    assert calls() == []
    assert states["count"].error is not None
    assert str(part) in states["count"].error.render()


def test_parts_that_are_whole_are_not_made_again_for_a_damaged_whole(toy, calls) -> None:
    toy.run()
    (place(toy, "count") / MANIFEST).write_text("{}")
    assert toy.run()["count"].state == "ok"
    assert calls() == ["count"]
    toy.run(force=["count"])
    assert calls() == ["count a", "count b", "count", "report"]


def test_comparing_can_be_left_out(toy, calls) -> None:
    toy.run()
    spoil(place(toy, "count") / "counts.json")
    assert toy.run(["report.title=x"], verify=False)["report"].state == "ok"


def test_every_byte_of_a_manifest_is_sealed(toy) -> None:
    toy.run()
    path = place(toy, "report") / MANIFEST
    raw = path.read_bytes()
    for at in range(len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
        with pytest.raises(ArtifactError):
            read_manifest(path.parent)
    path.write_bytes(raw)
    assert read_manifest(path.parent) is not None


def test_a_manifest_from_before_there_were_seals_is_accepted(toy) -> None:
    toy.run()
    path = place(toy, "report") / MANIFEST
    raw = json.loads(path.read_text())
    del raw["seal"], raw["local"]
    path.write_text(json.dumps(raw, indent=1, sort_keys=True))
    assert [state.state for state in toy.run().values()] == ["fresh"] * 3


def test_what_a_stage_compares_itself_is_left_to_it(toy) -> None:
    stage = Stage("x", 1, "", "", "", self_checked=("count/*.bin", "read/big/*"))
    assert not stage.compared("count")("a.bin")
    assert stage.compared("count")("a.json")
    assert stage.compared("read")("a.bin")
    assert not stage.compared("read")("big/deep/a")
    toy.run()
    folder = place(toy, "count")
    spoil(folder / "counts.json")
    inputs = Inputs({"count": folder})
    inputs.check("count", ["another.txt"])
    with pytest.raises(ArtifactError, match=r"counts\.json"):
        inputs.check("count", ["counts.json"])
    Inputs({"count": folder}, verify=False).check("count", ["counts.json"])


def test_a_folder_that_was_never_published_has_nothing_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    Inputs({"count": tmp_path}).check("count", ["a.txt"])
    with pytest.raises(ArtifactError, match="damaged"):
        changed(tmp_path, lambda name: True)


def test_local_files_are_sealed_and_may_be_missing(toy) -> None:
    toy.run()
    folder = place(toy, "report")
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / "local").mkdir()
    (folder / "local" / "here.txt").write_text("here")
    del manifest["seal"]
    manifest["local"] = {"local/here.txt": {"size": 4, "digest": fingerprint("another file")}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert changed(folder, lambda name: True) == [folder / "local" / "here.txt"]
    (folder / "local" / "here.txt").unlink()
    assert changed(folder, lambda name: True) == []

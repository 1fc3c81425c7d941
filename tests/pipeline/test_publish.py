"""A folder is complete and sealed at its place, or it is not there."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.leases import in_use
from oceanpath.pipeline.processes import machine, process_tag
from oceanpath.pipeline.publish import PublishRequest, publish, publish_once
from oceanpath.pipeline.stage import JOURNAL, Summary
from oceanpath.pipeline.workspace import MANIFEST, PARTIAL, Workspace, read_manifest

from ..recording import recorded


def order(text: str = "hello", **more: Any) -> PublishRequest:
    def write(out: Path) -> Summary:
        (out / "deep").mkdir()
        (out / "deep" / "a.txt").write_text(text)
        return Summary(("said",), {"n": 1})

    return PublishRequest("toy", "stage", 1, {"x": 1}, write, **more)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "out")
    made.open()
    return made


def test_what_is_published_says_what_it_is(workspace: Workspace) -> None:
    manifest = publish(workspace, order())
    place = workspace.folder("stage", "toy", order().fingerprint)
    assert read_manifest(place) == manifest
    assert set(manifest.files) == {"deep/a.txt"}
    assert manifest.summary == {"lines": ["said"], "metrics": {"n": 1}}


def test_the_output_digest_is_of_names_and_contents_alone(tmp_path: Path) -> None:
    made = [publish(Workspace(tmp_path / name), order()).digest for name in ("one", "two")]
    assert made[0] == made[1]
    assert publish(Workspace(tmp_path / "three"), order("other")).digest != made[0]


def test_the_first_to_commit_wins_and_the_second_leaves_nothing(workspace: Workspace) -> None:
    first = publish(workspace, order("first"))
    assert publish(workspace, order("second")) == first
    assert [path.name for path in (workspace.root / "runs" / "toy").iterdir()] == [order().fingerprint]


def test_replacing_sets_the_old_one_aside_whole(workspace: Workspace) -> None:
    publish(workspace, order("first"))
    publish(workspace, order("second"), replace=True)
    place = workspace.folder("stage", "toy", order().fingerprint)
    assert (place / "deep" / "a.txt").read_text() == "second"
    (aside,) = (workspace.root / "set_aside").iterdir()
    assert (aside / "deep" / "a.txt").read_text() == "first"


def test_forcing_replaces_what_was_published_before_and_nothing_that_was_since(workspace: Workspace) -> None:
    first = publish(workspace, order("first"))
    with in_use(workspace) as since:
        assert publish_once(workspace, order("second")) == (first, False)
        time.sleep(0.02)  # longer than the clock of a file system may stand still
        made = publish_once(workspace, order("second"), since=since)
        assert made is not None and made[1]
        assert publish_once(workspace, order("third"), since=since) == (made[0], False)
    place = workspace.folder("stage", "toy", order().fingerprint)
    assert (place / "deep" / "a.txt").read_text() == "second"


def test_a_failing_check_publishes_nothing(workspace: Workspace) -> None:
    def refuse(path: Path) -> None:
        raise ArtifactError("bad", where=path)

    with pytest.raises(ArtifactError, match="bad"):
        publish(workspace, order(check=refuse))
    assert not list((workspace.root / "runs" / "toy").iterdir())


def test_a_stage_that_writes_nothing_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ArtifactError, match="wrote nothing"):
        publish(workspace, PublishRequest("toy", "stage", 1, {}, lambda out: Summary()))


def test_a_full_disk_is_a_stage_error_with_the_place(workspace: Workspace) -> None:
    def write(out: Path) -> Summary:
        raise OSError(28, "No space left on device")

    with pytest.raises(StageError, match="No space left"):
        publish(workspace, PublishRequest("toy", "stage", 1, {}, write))
    assert not list((workspace.root / "runs" / "toy").iterdir())


@pytest.mark.parametrize("damage", ["truncate", "delete", "manifest", "renamed"])
def test_damage_is_told(workspace: Workspace, damage: str) -> None:
    publish(workspace, order())
    place = workspace.folder("stage", "toy", order().fingerprint)
    if damage == "truncate":
        (place / "deep" / "a.txt").write_text("he")
    elif damage == "delete":
        (place / "deep" / "a.txt").unlink()
    elif damage == "manifest":
        (place / MANIFEST).write_text("{")
    else:
        place = place.rename(place.with_name("0" * 32))
    with pytest.raises(ArtifactError):
        read_manifest(place)


def test_nothing_there_is_not_damage(workspace: Workspace) -> None:
    assert read_manifest(workspace.root / "nothing") is None


DEAD, FAR = f"999999999-1-{machine()}", "999999999-1-elsewhere"


def hold(workspace: Workspace, name: str, process: str, age: float = 0.0) -> None:
    """Let a process hold the lock of a fingerprint, last touched `age` seconds ago."""
    file = workspace.locks / name / f"{process}.12345678"
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (time.time() - age,) * 2)


def test_only_what_nobody_is_at_is_swept(workspace: Workspace) -> None:
    folder, kept = workspace.root / "runs" / "toy", []
    for letter, process, age in (
        ("a", process_tag(), 0),  # at work
        ("b", FAR, 0),
        ("c", FAR, 1000),  # its heart stopped
        ("d", DEAD, 0),
        ("e", DEAD, None),  # killed before it held the lock, or after another took it over
        ("f", FAR, None),
    ):
        path = folder / f".{letter * 32}.{process}.12345678.partial"
        path.mkdir(parents=True)
        if age is not None:
            hold(workspace, letter * 32, process, age)
        kept += [path] if letter in "ab" else []
    (folder / ".odd.partial").mkdir()
    workspace.remove_unfinished()
    assert sorted(folder.iterdir()) == sorted(kept)


def test_what_was_killed_in_the_middle_of_a_small_thing_is_swept(workspace: Workspace) -> None:
    links, locks = workspace.root / "experiments" / "toy", workspace.locks
    for process in (process_tag(), DEAD):
        (locks / f".name.{process}.12345678").mkdir(parents=True)
        (locks / f".clock.{process}.12345678").touch()
        links.mkdir(parents=True, exist_ok=True)
        (links / f".train@v1.2.{process}.12345678").symlink_to("nowhere")
    (links / ".unknown").touch()
    workspace.remove_unfinished()
    left = sorted(path.name.rpartition(".")[0].rpartition(".")[2] for path in (*locks.iterdir(), *links.iterdir()))
    assert left == ["", *[process_tag()] * 3]


def test_published_bytes_hold_no_time_and_no_place(workspace: Workspace) -> None:
    publish(workspace, order())
    place = workspace.folder("stage", "toy", order().fingerprint)
    text = json.dumps(json.loads((place / MANIFEST).read_text()))
    assert str(workspace.root) not in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; the file test below covers root")
def test_an_unwritable_workspace_is_an_error_with_advice(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ExperimentError, match="--workspace"):
        Workspace(tmp_path / "out").open()


def test_a_file_in_place_of_a_workspace_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ExperimentError, match="--workspace"):
        Workspace(tmp_path / "out").open()


def test_a_workspace_without_symbolic_links_is_told_before_any_work(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(ExperimentError, match=r"has no symbolic links.*another disk with --workspace"):
        Workspace(tmp_path / "out").open()
    assert list((tmp_path / "out").iterdir()) == []


def test_folders_that_cannot_be_synced_are_published(workspace: Workspace, monkeypatch) -> None:
    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    assert publish(workspace, order()).files


def test_a_stage_may_say_itself_what_children_are_keyed_by(workspace: Workspace) -> None:
    manifest = publish(workspace, order(digest=lambda path: (path / "deep" / "a.txt").read_text().lower()))
    assert manifest.digest == "hello"
    assert len(manifest.files["deep/a.txt"]["digest"]) == 32


def test_what_is_local_is_published_and_sealed_nowhere(tmp_path: Path) -> None:
    def write(out: Path, text: str) -> Summary:
        (out / "local").mkdir()
        (out / "local" / "place.txt").write_text(text)
        (out / "a.txt").write_text("same")
        return Summary()

    made = []
    for name in ("here", "there"):
        one = PublishRequest("toy", "stage", 1, {}, partial(write, text=name))
        made.append(publish(Workspace(tmp_path / name), one))
        place = Workspace(tmp_path / name).folder("stage", "toy", one.fingerprint)
        assert (place / "local" / "place.txt").read_text() == name
    assert made[0].digest == made[1].digest
    assert set(made[0].files) == {"a.txt"}


def test_linked_files_are_sealed_without_being_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(workspace, order())
    place = workspace.folder("stage", "toy", order().fingerprint)
    read: list[str] = []
    digest = recorded(lambda path: "0" * 32, lambda path: read.append(path.name))
    monkeypatch.setattr("oceanpath.pipeline.publish.xxh3_of_file", digest)

    def write(out: Path) -> Summary:
        (out / "linked.txt").hardlink_to(place / "deep" / "a.txt")
        (out / "copied.txt").write_text("hello")
        return Summary()

    second = publish(
        workspace, PublishRequest("toy", "stage", 1, {"x": 2}, write, linked=(place, workspace.root / "gone"))
    )
    assert read == ["copied.txt"]
    assert second.files["linked.txt"] == first.files["deep/a.txt"]


def test_what_was_published_before_is_told_newest_first(workspace: Workspace) -> None:
    assert workspace.earlier("toy") == ()
    names: list[Path] = []
    for number in range(3):
        made = publish(workspace, PublishRequest("toy", "stage", 1, {"x": number}, order().write))
        place = workspace.folder("stage", "toy", made.fingerprint)
        os.utime(place, (1000 + number, 1000 + number))
        names.insert(0, place)
    (workspace.root / "runs" / "toy" / ".half.partial").mkdir()
    assert workspace.earlier("toy") == tuple(names)
    assert workspace.earlier("toy", most=2) == tuple(names[:2])


def killed_work(workspace: Workspace, told: str, stage: str = "toy") -> Path:
    """What a dead process left of `journaled`, with `told` in its journal."""
    name = f".{journaled([]).fingerprint}.{DEAD}.12345678{PARTIAL}"
    place = workspace.root / "runs" / stage / name
    (place / JOURNAL).parent.mkdir(parents=True)
    (place / JOURNAL).write_text(told)
    return place


def journaled(seen: list[str], end: BaseException | None = None, kind: str = "stage") -> PublishRequest:
    """Work that reports the content of its journal at its start, and ends as requested."""

    def write(out: Path) -> Summary:
        seen.append((out / JOURNAL).read_text() if (out / JOURNAL).exists() else "")
        (out / JOURNAL).parent.mkdir(exist_ok=True)
        (out / JOURNAL).write_text("half")
        (out / "a.txt").write_text("all")
        if end is not None:
            raise end
        return Summary()

    return PublishRequest("toy", kind, 1, {"y": 1}, write)


def test_work_with_a_journal_goes_on_where_a_dead_process_left_it(workspace: Workspace) -> None:
    seen: list[str] = []
    killed_work(workspace, "a third")
    workspace.remove_unfinished()
    manifest = publish(workspace, journaled(seen))
    assert seen == ["a third"]
    (place,) = (workspace.root / "runs" / "toy").iterdir()
    assert sorted(path.name for path in place.iterdir()) == ["a.txt", MANIFEST]
    assert set(manifest.files) == {"a.txt"}


def test_an_interrupt_leaves_the_journal_and_an_error_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        publish(workspace, journaled([], KeyboardInterrupt()))
    (left,) = (workspace.root / "runs" / "toy").iterdir()
    assert (left / JOURNAL).read_text() == "half"
    shutil.rmtree(left)
    with pytest.raises(StageError):
        publish(workspace, journaled([], OSError(28, "No space left on device")))
    assert not list((workspace.root / "runs" / "toy").iterdir())


@pytest.mark.parametrize("what", ["force", "other settings", "prune"])
def test_what_nobody_goes_on_with_is_removed(workspace: Workspace, what: str) -> None:
    left, seen = killed_work(workspace, "a third"), list[str]()
    if what == "force":
        publish(workspace, journaled(seen), replace=True)
        assert seen == [""]
    elif what == "other settings":
        publish(workspace, order())
    else:
        maintenance.prune(workspace, [])
    assert not left.exists()
    assert not list((workspace.root / "runs" / "toy").glob(f".*{PARTIAL}"))


@pytest.mark.parametrize("process", [process_tag(), FAR], ids=["here", "elsewhere"])
def test_whoever_is_at_work_keeps_its_journal(workspace: Workspace, process: str) -> None:
    seen: list[str] = []
    place = workspace.root / "runs" / "toy" / f".{'a' * 32}.{process}.12345678{PARTIAL}"
    (place / JOURNAL).parent.mkdir(parents=True)
    (place / JOURNAL).write_text("theirs")
    hold(workspace, "a" * 32, process)
    publish(workspace, journaled(seen))
    assert seen == [""]
    assert (place / JOURNAL).read_text() == "theirs"


@pytest.mark.parametrize("resumes", [True, False])
def test_an_interrupted_part_is_resumed_and_those_of_other_parts_are_kept(workspace: Workspace, resumes: bool) -> None:
    seen: list[str] = []
    request = replace(journaled(seen, kind="part"), resumes=resumes)
    parts = workspace.root / "parts" / "toy"
    folders = [parts / f".{name}.{DEAD}.12345678{PARTIAL}" for name in (request.fingerprint, "b" * 32)]
    for folder in folders:
        (folder / JOURNAL).parent.mkdir(parents=True)
        (folder / JOURNAL).write_text("a third")
    workspace.remove_unfinished()
    publish(workspace, request)
    assert seen == ["a third" if resumes else ""]
    assert (folders[1] / JOURNAL).read_text() == "a third"

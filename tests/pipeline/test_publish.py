"""A folder is complete and sealed at its place, or it is not there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.pipeline import stock
from oceanpath.pipeline.processes import host, process_tag
from oceanpath.pipeline.publish import Order, publish
from oceanpath.pipeline.stage import JOURNAL, Summary
from oceanpath.pipeline.workspace import MANIFEST, PARTIAL, Workspace, read_manifest


def order(text: str = "hello", **more: object) -> Order:
    def write(out: Path) -> Summary:
        (out / "deep").mkdir()
        (out / "deep" / "a.txt").write_text(text)
        return Summary(("said",), {"n": 1})

    return Order("toy", "stage", 1, {"x": 1}, write, **more)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "out")
    made.open()
    return made


def test_what_is_published_says_what_it_is(workspace: Workspace) -> None:
    manifest = publish(workspace, order())
    place = workspace.place("stage", "toy", order().fingerprint)
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
    place = workspace.place("stage", "toy", order().fingerprint)
    assert (place / "deep" / "a.txt").read_text() == "second"
    (aside,) = (workspace.root / "set_aside").iterdir()
    assert (aside / "deep" / "a.txt").read_text() == "first"


def test_a_failing_check_publishes_nothing(workspace: Workspace) -> None:
    def refuse(path: Path) -> None:
        raise ArtifactError("bad", where=path)

    with pytest.raises(ArtifactError, match="bad"):
        publish(workspace, order(check=refuse))
    assert not list((workspace.root / "runs" / "toy").iterdir())


def test_a_stage_that_writes_nothing_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ArtifactError, match="wrote nothing"):
        publish(workspace, Order("toy", "stage", 1, {}, lambda out: Summary()))


def test_a_full_disk_is_a_stage_error_with_the_place(workspace: Workspace) -> None:
    def write(out: Path) -> Summary:
        raise OSError(28, "No space left on device")

    with pytest.raises(StageError, match="No space left"):
        publish(workspace, Order("toy", "stage", 1, {}, write))
    assert not list((workspace.root / "runs" / "toy").iterdir())


@pytest.mark.parametrize("damage", ["truncate", "delete", "manifest", "renamed"])
def test_damage_is_told(workspace: Workspace, damage: str) -> None:
    publish(workspace, order())
    place = workspace.place("stage", "toy", order().fingerprint)
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


def test_only_what_dead_processes_left_is_swept(workspace: Workspace) -> None:
    folder = workspace.root / "runs" / "toy"
    dead = folder / f".{'a' * 32}.999999999-1-{host()}.12345678.partial"
    alive = folder / f".{'a' * 32}.{process_tag()}.12345678.partial"
    far = folder / f".{'a' * 32}.999999999-1-elsewhere.12345678.partial"
    for path in (dead, alive, far):
        path.mkdir(parents=True)
    workspace.sweep()
    assert sorted(folder.iterdir()) == sorted([alive, far])


def test_published_bytes_hold_no_time_and_no_place(workspace: Workspace) -> None:
    publish(workspace, order())
    place = workspace.place("stage", "toy", order().fingerprint)
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
        one = Order("toy", "stage", 1, {}, lambda out, name=name: write(out, name))
        made.append(publish(Workspace(tmp_path / name), one))
        place = Workspace(tmp_path / name).place("stage", "toy", one.fingerprint)
        assert (place / "local" / "place.txt").read_text() == name
    assert made[0].digest == made[1].digest
    assert set(made[0].files) == {"a.txt"}


def test_linked_files_are_sealed_without_being_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(workspace, order())
    place = workspace.place("stage", "toy", order().fingerprint)
    read: list[str] = []
    monkeypatch.setattr("oceanpath.pipeline.publish.hash_file", lambda path: read.append(path.name) or "0" * 32)

    def write(out: Path) -> Summary:
        (out / "linked.txt").hardlink_to(place / "deep" / "a.txt")
        (out / "copied.txt").write_text("hello")
        return Summary()

    second = publish(workspace, Order("toy", "stage", 1, {"x": 2}, write, linked=(place, workspace.root / "gone")))
    assert read == ["copied.txt"]
    assert second.files["linked.txt"] == first.files["deep/a.txt"]


def test_what_was_published_before_is_told_newest_first(workspace: Workspace) -> None:
    assert workspace.earlier("toy") == ()
    names = []
    for number in range(3):
        made = publish(workspace, Order("toy", "stage", 1, {"x": number}, order().write))
        place = workspace.place("stage", "toy", made.fingerprint)
        os.utime(place, (1000 + number, 1000 + number))
        names.insert(0, place)
    (workspace.root / "runs" / "toy" / ".half.partial").mkdir()
    assert workspace.earlier("toy") == tuple(names)
    assert workspace.earlier("toy", most=2) == tuple(names[:2])


def killed_work(workspace: Workspace, told: str, stage: str = "toy") -> Path:
    """What a dead process left of `journaled`, with `told` in its journal."""
    name = f".{journaled([]).fingerprint}.999999999-1-{host()}.12345678{PARTIAL}"
    place = workspace.root / "runs" / stage / name
    (place / JOURNAL).parent.mkdir(parents=True)
    (place / JOURNAL).write_text(told)
    return place


def journaled(seen: list[str], end: BaseException | None = None, kind: str = "stage") -> Order:
    """Work that tells what its journal held when it began, and ends as told."""

    def write(out: Path) -> Summary:
        seen.append((out / JOURNAL).read_text() if (out / JOURNAL).exists() else "")
        (out / JOURNAL).parent.mkdir(exist_ok=True)
        (out / JOURNAL).write_text("half")
        (out / "a.txt").write_text("all")
        if end is not None:
            raise end
        return Summary()

    return Order("toy", kind, 1, {"y": 1}, write)


def test_work_with_a_journal_goes_on_where_a_dead_process_left_it(workspace: Workspace) -> None:
    seen: list[str] = []
    killed_work(workspace, "a third")
    workspace.sweep()
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
    left, seen = killed_work(workspace, "a third"), []
    if what == "force":
        publish(workspace, journaled(seen), replace=True)
        assert seen == [""]
    elif what == "other settings":
        publish(workspace, order())
    else:
        stock.prune(workspace, [])
    assert not left.exists()
    assert not list((workspace.root / "runs" / "toy").glob(f".*{PARTIAL}"))


def test_the_living_and_the_far_keep_their_journals(workspace: Workspace) -> None:
    folder, seen = workspace.root / "runs" / "toy", []
    name = journaled(seen).fingerprint
    others = [folder / f".{name}.{tag}.12345678{PARTIAL}" for tag in (process_tag(), "999999999-1-elsewhere")]
    for place in others:
        (place / JOURNAL).parent.mkdir(parents=True)
        (place / JOURNAL).write_text("theirs")
    publish(workspace, journaled(seen))
    assert seen == [""]
    assert all((place / JOURNAL).read_text() == "theirs" for place in others)

"""A store in object storage gives the bags of the local one, and each fault is named."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from oceanpath.artifacts.object_storage import CREDENTIALS, ObjectFolder, open_client
from oceanpath.artifacts.store import remote
from oceanpath.artifacts.store.reader import Store, check, digest_content
from oceanpath.artifacts.store.source_files import SourceFiles
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.packed import PackedLoader
from oceanpath.errors import ArtifactError, ExperimentError, MissingExtraError, OceanPathError, StageError, together
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet
from oceanpath.stages.mmap.preflight import preflight
from oceanpath.stages.mmap.reuse import best_reuse
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run
from oceanpath.stages.tables import DataSettings, ExternalCohort

from ..conftest import write_store
from ..narrowing import required
from .object_server import ObjectServer

pytest.importorskip("obstore", reason="needs oceanpath[cloud]")
ADDRESS = "s3://bucket/cohort"
SETTINGS = MmapSettings(store=ADDRESS)


class Cloud(NamedTuple):
    """A store on this machine, the same in object storage, and the folder in which a run publishes its index."""

    local: Store
    uploaded: Path
    out: Path
    cache: Path
    server: ObjectServer

    def store(self) -> Store:
        """The remote store, as a run opens it."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        run(SETTINGS, Inputs(), self.out, Quiet())
        check(self.out)
        return Store(self.out)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    random = np.random.default_rng(0)
    bags = {f"s{k:02d}": random.standard_normal((100 + k, 32)).astype(np.float16) for k in range(40)}
    uploaded = tmp_path / "objects" / "bucket" / "cohort"
    local = write_store(uploaded, bags, coords=True)
    SourceFiles.of([], "").save(uploaded)
    with ObjectServer(tmp_path / "objects") as server:
        forget_credentials(monkeypatch)
        for name, value in (server.environment | {remote.VARIABLE: str(tmp_path / "cache")}).items():
            monkeypatch.setenv(name, value)
        yield Cloud(local, uploaded, tmp_path / "out", tmp_path / "cache", server)


def forget_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in itertools.chain(*CREDENTIALS.values()):
        monkeypatch.delenv(name, raising=False)


def test_bags_and_digest_are_those_of_the_local_store_with_one_request_per_bag(cloud: Cloud) -> None:
    store = cloud.store()
    assert digest_content(cloud.out) == digest_content(cloud.uploaded)
    assert not list(cloud.out.glob("features_*.bin")) and cloud.server.ranges == []
    for _ in range(2):
        for i in range(len(store)):
            assert store.stored(i).tobytes() == cloud.local.stored(i).tobytes()
            assert np.array_equal(store.coords(i), cloud.local.coords(i))  # type: ignore[arg-type]  # both have coords
    assert len(cloud.server.ranges) == len(set(cloud.server.ranges)) == len(store)
    again = Store(cloud.out)  # another process of this machine
    assert [again.stored(i).tobytes() for i in range(40)] == [cloud.local.stored(i).tobytes() for i in range(40)]
    assert len(cloud.server.ranges) == len(store)
    (files,) = cloud.cache.iterdir()
    for chunk in cloud.uploaded.glob("features_*.bin"):
        assert (files / chunk.name).stat().st_size == chunk.stat().st_size


def test_batches_are_equal_and_fetched_in_advance_with_at_most_16_requests(cloud: Cloud) -> None:
    cloud.server.delay = 0.01
    batches = [[Draw(k, 0), Draw(k + 1, 0)] for k in range(0, 40, 2)]
    store = cloud.store()
    cloud.server.most_at_once = 0
    pairs = [PackedLoader(BagDataset(each, range(40)), batches) for each in (store, cloud.local)]
    for own, expected in zip(*pairs, strict=True):
        assert own.features.numpy().tobytes() == expected.features.numpy().tobytes()
    assert len(cloud.server.ranges) == 40
    assert 3 <= cloud.server.most_at_once <= remote.IN_FLIGHT  # without reading ahead: 1


def test_only_bags_that_are_used_are_fetched(cloud: Cloud) -> None:
    store = cloud.store()
    out = bytearray(3 * 64)
    store.read_features(7, memoryview(out), 64)
    assert bytes(out) == cloud.local.stored(7)[1:4].tobytes()
    assert len(cloud.server.ranges) == 1


def spoil(cloud: Cloud, name: str = "features_000.bin") -> None:
    path = cloud.uploaded / name
    path.write_bytes(path.read_bytes()[:-4096] + bytes(4096))


def test_each_fault_of_an_object_has_its_own_words(cloud: Cloud) -> None:
    store = cloud.store()
    faults: dict[str, tuple[type[OceanPathError], str, Callable[[], object]]] = {
        "denied": (StageError, "access is denied", lambda: store.stored(0)),
        "short": (ArtifactError, "an object ends before its last bag", lambda: store.stored(1)),
    }
    for fault, (kind, words, read) in faults.items():
        cloud.server.fault = fault
        with pytest.raises(kind, match=words) as caught:
            read()
        assert f"{ADDRESS}/features_000.bin" in caught.value.render()
    cloud.server.fault = ""
    assert store.stored(0).tobytes() == cloud.local.stored(0).tobytes()  # a failed bag is fetched again
    folder, size = ObjectFolder(ADDRESS), (cloud.uploaded / "features_000.bin").stat().st_size
    for start in (size - 5, size + 5):
        with pytest.raises(ArtifactError, match="an object ends before its last bag"):
            folder.read("features_000.bin", start, 10, "")
    spoil(cloud)
    with pytest.raises(ArtifactError, match=r"an object changed since its index was read.*--force mmap"):
        store.stored(2)
    (cloud.uploaded / "features_000.bin").unlink()
    with pytest.raises(ArtifactError, match="there is no such object"):
        store.stored(3)


def test_a_bag_that_differs_from_its_digest_names_the_cache(cloud: Cloud) -> None:
    store = cloud.store()
    store.stored(0)
    (files,) = cloud.cache.iterdir()
    with (files / "features_000.bin").open("r+b") as file:
        file.write(b"spoiled")
    with pytest.raises(ArtifactError, match=f"a bag differs from its digest.*Remove {files}"):
        Store(cloud.out).stored(0)


def test_a_cache_that_cannot_be_written_is_named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    store = cloud.store()
    cloud.cache.write_text("a file")
    with pytest.raises(StageError, match=f"the cache of features cannot be written.*{remote.VARIABLE}"):
        store.stored(0)
    monkeypatch.delenv(remote.VARIABLE)
    with pytest.raises(ExperimentError, match=f"need {remote.VARIABLE}"):
        Store(cloud.out).stored(0)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://bucket/other", "there is no store at this address"),
        ("s3://nothing/cohort", "there is no such bucket"),
    ],
)
def test_an_address_without_a_store_is_refused(cloud: Cloud, address: str, words: str) -> None:
    cloud.out.mkdir()
    with pytest.raises(ArtifactError, match=words):
        run(MmapSettings(store=address), Inputs(), cloud.out, Quiet())


def test_all_missing_files_of_a_store_are_named(cloud: Cloud) -> None:
    for name in ("features_000.bin", "coords_000.bin"):
        (cloud.uploaded / name).unlink()
    with pytest.raises(ArtifactError, match=r"not complete; got 2 missing files: features_000.bin, coords_000.bin"):
        cloud.store()


def test_preflight_contacts_nothing_and_names_all_problems(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert preflight(SETTINGS, ParentSources(frozenset())).problems == ()
    monkeypatch.delenv("AWS_SKIP_SIGNATURE")
    monkeypatch.delenv(remote.VARIABLE)
    manifest = SETTINGS.model_copy(update={"manifest": cloud.out})
    text = together(preflight(manifest, ParentSources(frozenset())).problems).render()
    for words in (
        "data.store cannot be combined",
        "mmap.manifest",
        "no credentials",
        "AWS_SKIP_SIGNATURE",
        "OCEANPATH_C",
    ):
        assert words in text
    assert cloud.server.ranges == [] and cloud.server.most_at_once == 0


@pytest.mark.parametrize(
    "address", ["cohort", "/data/cohort", "https://host/cohort", "az://a/b", "s3://", "s3://b/a b"]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ExperimentError, match=r"no address of object storage; expected s3://BUCKET/FOLDER or gs://"):
        open_client(address)


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(MissingExtraError, match=r"oceanpath\[cloud\]"):
        open_client("gs://bucket/cohort")


def test_credentials_are_never_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(monkeypatch)
    for address, variable in (("s3://b/c", "AWS_ACCESS_KEY_ID"), ("gs://b/c", "GOOGLE_APPLICATION_CREDENTIALS")):
        with pytest.raises(ExperimentError, match=f"there are no credentials.*{variable}"):
            open_client(address)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_ALLOW_HTTP", "", r"endpoint cannot be used; expected https://…, got http://127.* AWS_ALLOW_HTTP=true"),
        ("AWS_ENDPOINT_URL", "not an address", "endpoint cannot be used"),
        ("AWS_SKIP_SIGNATURE", "false", "there are no credentials"),
        ("AWS_ACCESS_KEY_ID", "key", "variables in the environment are wrong; got .*SecretAccessKey"),
    ],
)
def test_wrong_variables_are_named_before_any_request(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = preflight(SETTINGS, ParentSources(frozenset())).problems
    assert re.search(words, problem.render()), problem.render()
    assert cloud.server.most_at_once == 0


def test_a_forked_process_says_that_it_cannot_fetch(cloud: Cloud) -> None:
    store = cloud.store()
    store.stored(0)
    required(store._remote)._process = 0  # as in a process with a copy of the memory of this one
    assert store.stored(0).tobytes() == cloud.local.stored(0).tobytes()
    with pytest.raises(StageError, match=r"a forked process cannot fetch features.*spawn"):
        store.stored(1)


def test_a_store_is_one_source_of_features() -> None:
    assert DataSettings(store=ADDRESS).store == ADDRESS
    with pytest.raises(ValueError, match="store is set next to slides or features"):
        DataSettings(store=ADDRESS, features=Path("features"))
    assert ExternalCohort(name="b", store=ADDRESS).store == ADDRESS
    with pytest.raises(ValueError, match="needs features, slides or store"):
        ExternalCohort(name="b", store=ADDRESS, features=Path("features"))


def test_a_local_store_reuses_no_chunks_of_a_remote_one(cloud: Cloud) -> None:
    cloud.store()
    assert best_reuse(MmapSettings(), None, [cloud.out]) is None  # type: ignore[arg-type]  # not read

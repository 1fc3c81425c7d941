"""The protocol of S3 against moto, and the rate of a link with a delay. `nox -s cloud` starts it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.object_storage import ObjectFolder
from oceanpath.artifacts.store import remote
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.store.source_files import SourceFiles
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.packed import PackedLoader
from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

from ..conftest import ROOT, write_store
from .object_server import ObjectServer
from .test_remote import forget_credentials

pytestmark = pytest.mark.skipif(not os.environ.get("OCEANPATH_CLOUD"), reason="run by `nox -s cloud`")
DELAY_MS, RATE = 20, 100e6
ROUNDS = 3
"""The fastest counts: other programs of the machine may take its processors."""
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The endpoint of moto, an implementation of S3 of its own, with the bucket `bucket`."""
    pytest.importorskip("moto", reason="moto[s3,server] is not installed: run `nox -s cloud`")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    forget_credentials(monkeypatch)
    variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", remote.VARIABLE: str(tmp_path / "cache")}
    for name, value in (variables | KEYS).items():
        monkeypatch.setenv(name, value)
    yield endpoint
    server.stop()


def test_a_store_in_moto_gives_the_bags_of_the_local_one(amazon: str, tmp_path: Path) -> None:
    import boto3

    random = np.random.default_rng(0)
    bags = {f"s{k}": random.standard_normal((300, 64)).astype(np.float16) for k in range(60)}
    local = write_store(tmp_path / "local", bags, coords=True)
    SourceFiles.of([], "").save(local.path)
    client = boto3.client("s3", endpoint_url=amazon)
    client.create_bucket(Bucket="bucket")
    for path in local.path.iterdir():
        client.upload_file(str(path), "bucket", f"a/cohort/{path.name}")
    (tmp_path / "out").mkdir()
    run(MmapSettings(store="s3://bucket/a/cohort/"), Inputs(), tmp_path / "out", Quiet())
    store = Store(tmp_path / "out")
    assert len(list(local.path.glob("features_*.bin"))) > 1
    store.expect(range(len(store)))
    for i in range(len(store)):
        assert store.stored(i).tobytes() == local.stored(i).tobytes()
        assert np.array_equal(store.coords(i), local.coords(i))  # type: ignore[arg-type]  # both have coords
    folder, last = ObjectFolder("s3://bucket/a/cohort"), "features_000.bin"
    found = folder.files()[last]
    with pytest.raises(ArtifactError, match="changed since its index was read"):
        folder.read(last, 0, 10, '"0"')
    for start in (found.size - 5, found.size + 5):
        with pytest.raises(ArtifactError, match="ends before its last bag"):
            folder.read(last, start, 10, found.etag)
    with pytest.raises(ArtifactError, match="no such object"):
        folder.read("other", 0, 10, "")
    with pytest.raises(ArtifactError, match="no such bucket"):
        ObjectFolder("s3://other/cohort").files()


def test_a_connection_that_ends_early_each_time_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "x").write_bytes(bytes(1000))
    with ObjectServer(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.fault = "ends"
        with pytest.raises(StageError, match="the connection ended before the last byte"):
            ObjectFolder("s3://bucket").read("x", 0, 1000, "")


@pytest.mark.parametrize(("slides", "patches"), [(64, 4400), (400, 440)], ids=["9 MB per bag", "0.9 MB per bag"])
def test_reading_uses_at_least_80_percent_of_the_link(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slides: int, patches: int
) -> None:
    """A link with a delay of 20 ms per request and 100 MB/s, in a process of its own."""
    random = np.random.default_rng(0)
    bag = random.standard_normal((patches, 1024)).astype(np.float16)
    uploaded = tmp_path / "objects" / "bucket" / "cohort"
    local = write_store(uploaded, {f"s{k:03d}": bag + np.float16(k) for k in range(slides)})
    SourceFiles.of([], "").save(uploaded)
    link = str(DELAY_MS), str(RATE / 1e6)
    command = [sys.executable, "-m", "tests.cloud.object_server", str(tmp_path / "objects"), *link]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_SKIP_SIGNATURE": "true"}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        shares: dict[int, float] = {}
        for number, in_flight in enumerate((1, *[remote.IN_FLIGHT] * ROUNDS)):
            monkeypatch.setattr(remote, "IN_FLIGHT", in_flight)
            monkeypatch.setenv(remote.VARIABLE, str(tmp_path / f"cache_{number}"))
            out = tmp_path / f"out_{number}"
            out.mkdir()
            run(MmapSettings(store="s3://bucket/cohort"), Inputs(), out, Quiet())
            loader = PackedLoader(BagDataset(Store(out), range(slides)), [[Draw(k, 0)] for k in range(slides)])
            size, seconds = slides * bag.nbytes, []
            for _ in range(2):
                started = time.monotonic()
                for k, batch in enumerate(loader):
                    if k % 16 == 0:
                        assert batch.features.numpy().tobytes() == local.stored(k).tobytes()
                seconds.append(time.monotonic() - started)
            share = size / seconds[0] / RATE
            shares[in_flight] = max(share, shares.get(in_flight, 0.0))
            print(
                f"\n{slides} bags of {bag.nbytes / 1e6:.1f} MB, {in_flight} requests at once: {seconds[0]:.2f} s, "
                f"{share:.0%} of the link; again from the cache {seconds[1]:.2f} s"
            )
        server.kill()
    assert shares[16] >= 0.8

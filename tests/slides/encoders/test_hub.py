"""Downloads against a hub on this machine, with the hub's real client: downloads, refusals, and an unreachable hub."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from oceanpath.errors import MissingExtraError, StageError
from oceanpath.slides.encoders.hub import download
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec, Hub
from oceanpath.slides.encoders.weights import find_weights

COMMIT, WEIGHTS = "c" * 40, b"weights of a network"


def spec(repo: str, file: str = "pytorch_model.bin", revision: str = COMMIT) -> EncoderSpec:
    return EncoderSpec("x", "", 4, 224, "-", "-", hub=Hub(repo, file, revision, gated=repo == "Lab/gated"))


class FakeHub(BaseHTTPRequestHandler):
    """Answers as the hub does for one open file, a gated and a hidden repository."""

    refusals: ClassVar = {"gated": (403, "GatedRepo"), "hidden": (401, "RepoNotFound"), "busy": (400, "")}

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(WEIGHTS)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _answer(self, body: bytes) -> None:
        if self.path == "/":
            self.send_error(404)
            return
        _, _, name, _, revision, file = self.path.split("/")
        status, code = self.refusals.get(name, (200, ""))
        if status == 200 and revision not in (COMMIT, "main"):
            status, code = 404, "RevisionNotFound"
        elif status == 200 and file != "pytorch_model.bin":
            status, code = 404, "EntryNotFound"
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        if status == 200:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(WEIGHTS).hexdigest()}"')
        self.send_header("Content-Length", str(len(WEIGHTS) if status == 200 else 0))
        self.end_headers()
        self.wfile.write(body if status == 200 else b"")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub on a free port that the client asks, and an empty cache."""
    client = pytest.importorskip("huggingface_hub", reason="huggingface-hub is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = tmp_path / "hub"
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", here)
    template = here + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(client, "hf_hub_download", partial(client.hf_hub_download, cache_dir=cache))
    yield cache
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_weights_are_downloaded_once_and_record_their_commit(hub: Path, revision: str) -> None:
    result = find_weights(spec("Lab/open", revision=revision), EncoderOptions())
    assert result.path.read_bytes() == WEIGHTS and result.revision == COMMIT
    assert result.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    again = find_weights(spec("Lab/open", revision=revision), EncoderOptions())
    assert again.sha256 == result.sha256


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        (spec("Lab/gated"), r"access to the weights must be granted first; .* Request access .* set HF_TOKEN"),
        (spec("Lab/hidden"), r"the hub has no such repository, or it is private; .* Set HF_TOKEN"),
        (
            spec("Lab/open", revision="d" * 40),
            r"the hub has no such revision or file; .*dddddddddddd\. Check extract\.revision",
        ),
        (
            spec("Lab/open", file="absent.bin"),
            r"the hub has no such revision or file; expected absent\.bin of Lab/open",
        ),
        (spec("Lab/busy"), r"the hub cannot be reached and the weights are not in its cache; .* got Bad request"),
    ],
    ids=["gated", "hidden", "revision", "file", "refused"],
)
def test_a_refusal_names_its_remedy(hub: Path, requested: EncoderSpec, message: str) -> None:
    with pytest.raises(StageError, match=f"encoder x: {message}") as caught:
        find_weights(requested, EncoderOptions())
    assert "set extract.weights to the copy" in str(caught.value) and "random_vit_tiny" in str(caught.value)


def test_without_a_network_another_cached_commit_is_suggested(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    find_weights(spec("Lab/open"), EncoderOptions())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert find_weights(spec("Lab/open"), EncoderOptions()).path.read_bytes() == WEIGHTS
    with pytest.raises(
        StageError,
        match=f"cannot be reached .*The cache contains another commit; to use it, set extract.revision = '{COMMIT}'",
    ):
        find_weights(spec("Lab/open", revision="e" * 40), EncoderOptions())


def test_an_unreachable_hub_is_reported_within_seconds(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(StageError, match=r"the hub cannot be reached .* got http://127\.0\.0\.1:\d+: .*refused"):
            find_weights(spec("Lab/open"), EncoderOptions())
        assert time.monotonic() - started < 10


def test_a_full_disk_is_reported(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def full(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(StageError, match=r"the download failed; .* got .*No space left on device\. Run again"):
        find_weights(spec("Lab/open"), EncoderOptions())


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"expected the package huggingface-hub\. .*oceanpath\[encoders\]"):
        download(spec("Lab/open"), COMMIT)

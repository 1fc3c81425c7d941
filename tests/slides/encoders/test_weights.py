"""Which file an encoder gets, and that it is the one it should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.slides.encoders import build_encoder, prepare_encoder
from oceanpath.slides.encoders.hub import cache_root, cached
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec, Hub
from oceanpath.slides.encoders.weights import LOCAL, find_weights, hash_file

COMMIT, OTHER = "a" * 40, "b" * 40
HUB = Hub("Lab/Model-X", "pytorch_model.bin", COMMIT)
CARD = EncoderSpec("x", "", 4, 224, "-", "-", hub=HUB)
NONE = EncoderOptions()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def keep(cache: Path, content: bytes, commit: str = COMMIT, file: str = HUB.file, folder: str = "Lab--Model-X") -> Path:
    """A file in the hub's cache as the hub's tools lay it out; returns the blob."""
    blob = cache / f"models--{folder}" / "blobs" / hashlib.sha256(content).hexdigest()
    link = cache / f"models--{folder}" / "snapshots" / commit / file
    for place in (blob, link):
        place.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    return blob


def test_the_cache_is_read_without_any_package(cache: Path) -> None:
    keep(cache, b"weights")
    result = find_weights(CARD, NONE)
    assert (result.revision, result.sha256) == (COMMIT, hashlib.sha256(b"weights").hexdigest())
    assert result.path.read_bytes() == b"weights"


def test_case_is_ignored_and_standard_names_are_tried(cache: Path) -> None:
    keep(cache, b"weights", file="model.safetensors", folder="lab--model-x")
    assert find_weights(CARD, NONE).path.name == "model.safetensors"


def test_a_branch_is_its_last_downloaded_commit(cache: Path) -> None:
    keep(cache, b"weights", commit=OTHER)
    (cache / "models--Lab--Model-X/refs").mkdir()
    (cache / "models--Lab--Model-X/refs/main").write_text(OTHER + "\n")
    assert find_weights(CARD, EncoderOptions(revision="main")).revision == OTHER
    assert cached(HUB, COMMIT) is None and cached(HUB, "v1") is None


def test_a_damaged_blob_is_never_used(cache: Path) -> None:
    blob = keep(cache, b"weights")
    blob.write_bytes(b"weight")
    with pytest.raises(
        ArtifactError, match=r"the digest of the weights does not match; expected sha256 .* delete .* and run again"
    ):
        find_weights(CARD, NONE)


def test_the_published_digest_is_checked(cache: Path) -> None:
    keep(cache, b"weights")
    keep(cache, b"others", commit=OTHER)
    promise = Hub(HUB.repo, HUB.file, COMMIT, sha256=hashlib.sha256(b"others").hexdigest())
    spec = EncoderSpec("x", "", 4, 224, "-", "-", hub=promise)
    with pytest.raises(ArtifactError, match="differ from the published ones"):
        find_weights(spec, NONE)
    assert find_weights(spec, EncoderOptions(revision=OTHER)).revision == OTHER


def test_a_local_file_takes_precedence(cache: Path, tmp_path: Path) -> None:
    keep(cache, b"weights")
    path = tmp_path / "mine.bin"
    path.write_bytes(b"mine")
    result = find_weights(CARD, EncoderOptions(weights=path))
    assert result == (path, LOCAL, hashlib.sha256(b"mine").hexdigest())
    path.write_bytes(b"changed")
    assert hash_file(path) == hashlib.sha256(b"changed").hexdigest()


def test_a_digest_in_the_file_name_is_checked(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"mine").hexdigest()
    good, bad = tmp_path / f"net-{digest[:8]}.pth", tmp_path / "net-00000000.pth"
    good.write_bytes(b"mine")
    bad.write_bytes(b"mine")
    assert find_weights(CARD, EncoderOptions(weights=good)).sha256 == digest
    with pytest.raises(ArtifactError, match="expected sha256 00000000"):
        find_weights(CARD, EncoderOptions(weights=bad))


def test_a_missing_file_and_a_folder_have_their_own_errors(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"no such weights file; expected pytorch_model.bin of Lab/Model-X"):
        find_weights(CARD, EncoderOptions(weights=tmp_path / "absent.bin"))
    with pytest.raises(ExperimentError, match="a folder, not a weights file"):
        find_weights(CARD, EncoderOptions(weights=tmp_path))


def test_an_encoder_without_weights_refuses_weights(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"extract\.weights: the encoder has no weights; got hed_stats"):
        build_encoder("hed_stats", "cpu", EncoderOptions(weights=tmp_path / "w.bin"))
    with pytest.raises(ExperimentError, match=r"extract\.revision"):
        prepare_encoder("random_vit_tiny", EncoderOptions(revision="main"))
    assert prepare_encoder("hed_stats", NONE) == ""


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_root() == Path.home() / ".cache/huggingface/hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_root() == tmp_path / "x/huggingface/hub"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "h"))
    assert cache_root() == tmp_path / "h/hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "c"))
    assert cache_root() == tmp_path / "c" and cached(HUB, COMMIT) is None

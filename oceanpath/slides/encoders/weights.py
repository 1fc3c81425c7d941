"""The weights file of an encoder: a local file, a file in the hub's cache, or a download. Needs no torch."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.file_digests import sha256_of_file
from oceanpath.slides.encoders import hub
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec

LOCAL = "local file"
NAMED_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
"""Names of torch's hub: the SHA-256 of resnet50-0676ba61.pth starts with 0676ba61."""


class Weights(NamedTuple):
    """A verified weights file."""

    path: Path
    revision: str
    """Commit of the hub repository, or ``local file``."""
    sha256: str


def find_weights(spec: EncoderSpec, options: EncoderOptions) -> Weights:
    """The weights of an encoder, downloaded if necessary.

    Raises:
        ExperimentError: `options.weights` is not a file.
        MissingExtraError: a download is needed and huggingface-hub is not installed.
        StageError: they cannot be downloaded; the message gives the reason and the remedy.
        ArtifactError: the digest of the file is not that of its name, the hub or the spec.
    """
    if options.weights is not None:
        path = local_file(options.weights, f"{spec.hub.file} of {spec.hub.repo}" if spec.hub else spec.name)
        sha256, in_name = hash_file(path), NAMED_DIGEST.search(path.name)
        _validate(path, sha256, in_name.group(1) if in_name else "", "Download or copy the file again.")
        return Weights(path, LOCAL, sha256)
    if spec.hub is None:
        raise ExperimentError("the encoder has no published weights", where=spec.name)
    revision = options.revision or spec.hub.revision
    path = hub.cached(spec.hub, revision) or hub.download(spec, revision)
    sha256, blob = hash_file(path), path.resolve().name
    do = f"The cached file is damaged: delete {path.resolve()} and run again."
    _validate(path, sha256, blob if re.fullmatch(r"[0-9a-f]{64}", blob) else "", do)
    if revision == spec.hub.revision and path.name == spec.hub.file:
        _validate(
            path,
            sha256,
            spec.hub.sha256,
            "The weights on the hub differ from the published ones; contact the owner of the repository.",
        )
    return Weights(path, hub.commit_of(path), sha256)


def hash_file(path: Path) -> str:
    """SHA-256 hex digest of a file; read once per process as long as the file does not change."""
    state = path.stat()
    return _hash(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _hash(path: Path, _: int, __: int) -> str:
    return sha256_of_file(path)


def local_file(path: Path, expected: str) -> Path:
    """`path`, if it is a file. Raises: ExperimentError: it is not."""
    if path.is_file():
        return path
    what = "a folder, not a weights file" if path.is_dir() else "no such weights file"
    raise ExperimentError(what, where=path, expected=expected, do="Set extract.weights to the file itself.")


def _validate(path: Path, sha256: str, expected: str, do: str) -> None:
    if not sha256.startswith(expected):
        raise ArtifactError(
            "the digest of the weights does not match", where=path, expected=f"sha256 {expected}", got=sha256, do=do
        )

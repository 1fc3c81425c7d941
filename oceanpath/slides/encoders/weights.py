"""Which file of weights an encoder gets: a local one, one of the hub's cache, or a download. No torch."""

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
"""How torch's hub names files: resnet50-0676ba61.pth begins its sha256 with 0676ba61."""


class Weights(NamedTuple):
    """A file of weights that is what it says it is."""

    path: Path
    revision: str
    """Commit of the hub repository, or ``local file``."""
    sha256: str


def find_weights(card: EncoderSpec, options: EncoderOptions) -> Weights:
    """The weights for an encoder that has some, downloaded if need be.

    Raises:
        ExperimentError: `options.weights` is no file.
        MissingExtraError: a download is needed and huggingface-hub is not installed.
        StageError: they cannot be downloaded; the message says why and what to do.
        ArtifactError: the file is not the one that its name, the hub or the card promises.
    """
    if options.weights is not None:
        path = local_file(options.weights, f"{card.hub.file} of {card.hub.repo}" if card.hub else card.name)
        sha256, promised = hash_file(path), NAMED_DIGEST.search(path.name)
        _validate(path, sha256, promised.group(1) if promised else "", "Get the file again.")
        return Weights(path, LOCAL, sha256)
    if card.hub is None:
        raise ExperimentError("the encoder has no published weights", where=card.name)
    revision = options.revision or card.hub.revision
    path = hub.cached(card.hub, revision) or hub.download(card, revision)
    sha256, blob = hash_file(path), path.resolve().name
    do = f"The cached file is damaged: delete {path.resolve()} and run again."
    _validate(path, sha256, blob if re.fullmatch(r"[0-9a-f]{64}", blob) else "", do)
    if revision == card.hub.revision and path.name == card.hub.file:
        _validate(path, sha256, card.hub.sha256, "The hub serves other weights than were published: ask its owner.")
    return Weights(path, hub.commit_of(path), sha256)


def hash_file(path: Path) -> str:
    """sha256 hex digest of a file's bytes; read once a process while the file stays as it is."""
    state = path.stat()
    return _hash(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _hash(path: Path, _: int, __: int) -> str:
    return sha256_of_file(path)


def local_file(path: Path, wanted: str) -> Path:
    """`path`, which is a file. Raises: ExperimentError: it is none."""
    if path.is_file():
        return path
    what = "a folder, not a file of weights" if path.is_dir() else "no such file of weights"
    raise ExperimentError(what, where=path, expected=wanted, do="Set extract.weights to the file itself.")


def _validate(path: Path, sha256: str, promised: str, do: str) -> None:
    if not sha256.startswith(promised):
        raise ArtifactError(
            "the weights are not what they should be", where=path, expected=f"sha256 {promised}", got=sha256, do=do
        )

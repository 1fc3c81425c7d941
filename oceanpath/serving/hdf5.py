"""Features in a file of an untrusted client, or of the configured folder.

`oceanpath.artifacts.features.files` reads ordinary files with code that always terminates, and all others in a child
process with a time limit. The size is compared with the limits before rows are read. Errors never contain a path or
content of other files on this machine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.container import UnreadableError
from oceanpath.artifacts.features.files import FeatureFile, open_bag, read_features, scan_features
from oceanpath.artifacts.features.layouts import PATCH
from oceanpath.artifacts.features.layouts import NoPatchesError as NoRowsError
from oceanpath.errors import ArtifactError
from oceanpath.serving.errors import BadFeaturesError, EmptyBagError, MalformedError, RequestError
from oceanpath.serving.prediction_request import Limits, PredictionRequest, validate_size
from oceanpath.serving.stored_rows import StoredRows

MAGIC = b"\x89HDF\r\n\x1a\n"


def decode_file(
    path: Path, limits: Limits, noun: str = "the .h5", features_key: str = "", level: str = PATCH
) -> PredictionRequest:
    """The slide in a file of any layout that `oceanpath.artifacts.features.files` reads.

    Args:
        path: The file; no error contains it.
        limits: Larger features are rejected before they are read.
        noun: What errors call the file.
        features_key: Name of the features, if the file has several arrays that may be features.
        level: Level of the features that the model reads.

    Raises: MalformedError, TooLargeError, EmptyBagError, BadFeaturesError.
    """
    with _as_request_errors(noun):
        scanned = _scan(path, limits, features_key, level)
        features, coords = read_features(scanned)
    return PredictionRequest(features, coords, scanned.provenance)


def open_file(path: Path, limits: Limits, noun: str, features_key: str, level: str) -> PredictionRequest:
    """`decode_file`, except that features are read when the model evaluates them, which raises the same errors."""

    def read(rows: int) -> Generator[NDArray[np.floating]]:
        with _as_request_errors(noun), open_bag(scanned) as bag:
            yield from bag.blocks(rows)

    with _as_request_errors(noun):
        scanned = _scan(path, limits, features_key, level)
        with open_bag(scanned) as bag:
            coords = bag.coords()
    rows = StoredRows((scanned.n, scanned.dim), np.dtype(scanned.dtype), read)
    return PredictionRequest(rows, coords, scanned.provenance)


def _scan(path: Path, limits: Limits, features_key: str, level: str) -> FeatureFile:
    return scan_features(path, features_key, lambda layout: validate_size((layout.n, layout.dim), 4, limits), level)


@contextmanager
def _as_request_errors(noun: str) -> Iterator[None]:
    """Errors of a file, which `noun` names, as errors of a request."""
    try:
        yield
    except RequestError:
        raise
    except UnreadableError as error:
        raise MalformedError(f"{noun} {error.what}") from error
    except NoRowsError as error:
        raise EmptyBagError("the slide has no patches", expected="at least one") from error
    except ArtifactError as error:
        raise BadFeaturesError(error.what, expected=error.expected, got=error.got) from error

"""Writes HDF5 bodies to a temporary file, which is read like any other feature file."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

from oceanpath.artifacts.features.hdf5_library import LIBRARY
from oceanpath.artifacts.features.layouts import PATCH
from oceanpath.serving.hdf5 import decode_file
from oceanpath.serving.prediction_request import Limits, PredictionRequest


class Hdf5Reader:
    """Reads HDF5 bodies. Safe to call from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def read(self, body: bytes | bytearray, level: str = PATCH) -> PredictionRequest:
        """The slide in an HDF5 file, whose features are of this level.

        Raises: MalformedError: damaged, or with rows in other files. TooLargeError, EmptyBagError, BadFeaturesError.
        """
        with NamedTemporaryFile(suffix=".h5", prefix="oceanpath-") as file:
            file.write(body)
            file.flush()
            return decode_file(Path(file.name), self._limits, level=level)

    def close(self) -> None:
        """End the process of the HDF5 library, if it runs."""
        LIBRARY.close()

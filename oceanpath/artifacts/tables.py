"""Tables that OceanPath writes: parquet with the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from oceanpath.errors import ArtifactError


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as parquet, without its index."""
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")


@contextmanager
def open_table(path: Path, like: pd.DataFrame) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that appends rows with the columns and types of `like` to a new parquet file, each as a row group."""
    schema = pa.Table.from_pandas(like, preserve_index=False).schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda frame: writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))


def read_row_groups(path: Path) -> Iterator[pd.DataFrame]:
    """The row groups of a parquet file that OceanPath wrote, one at a time.

    Raises: ArtifactError: the file is missing or not parquet.
    """
    try:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError("cannot be read as parquet", where=path, got=error) from error


def table_columns(path: Path) -> list[str]:
    """Names of the columns of a parquet file. Raises: ArtifactError: the file is missing or not parquet."""
    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError("cannot be read as parquet", where=path, got=error) from error


def read_table(path: Path) -> pd.DataFrame:
    """The rows of a parquet file that OceanPath wrote.

    Raises: ArtifactError: the file is missing or not parquet.
    """
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError("cannot be read as parquet", where=path, got=error) from error
    return frame

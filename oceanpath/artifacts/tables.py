"""Tables that OceanPath writes: parquet with the same bytes for the same rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from oceanpath.errors import ArtifactError


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as parquet, without its index."""
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """The rows of a parquet file that OceanPath wrote.

    Raises: ArtifactError: the file is missing or not parquet.
    """
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError("cannot be read as parquet", where=path, got=error) from error
    return frame

"""Tables on disk: parquet with the same bytes for the same rows; CSV, TSV and parquet from users, ids as strings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from oceanpath.errors import ArtifactError, ExperimentError


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as parquet, without its index."""
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """The rows of a parquet file that OceanPath wrote.

    Raises: ArtifactError: the file is missing or is no parquet.
    """
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError("cannot be read as parquet", where=path, got=error) from error
    return frame


def read_user_table(path: Path) -> pd.DataFrame:
    """A user's table with every cell a string (leading zeros stay), empty cells missing. CSV, TSV or parquet.

    Raises: ExperimentError: missing, unreadable or empty.
    """
    if not path.is_file():
        raise ExperimentError("the table does not exist", where=path, do="Set data.labels to a csv, tsv or parquet.")
    try:
        frame = _parse(path)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise ExperimentError("the table cannot be read", where=path, got=error) from error
    if frame.empty:
        raise ExperimentError("the table has no rows", where=path)
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def _parse(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
        return frame.astype("string")
    separator = "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    frame = pd.read_csv(path, sep=separator, dtype="string", encoding="utf-8-sig", skip_blank_lines=True)
    stripped: pd.DataFrame = frame.apply(lambda column: column.str.strip())
    return stripped

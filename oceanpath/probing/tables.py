"""Files of slide embeddings."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.tables import write_table
from oceanpath.errors import ExperimentError, MissingExtraError

SUFFIXES = (".parquet", ".npy", ".h5ad")


def check_suffix(path: Path) -> None:
    """Raises: ExperimentError: unknown suffix. MissingExtraError: h5ad without anndata."""
    if path.suffix not in SUFFIXES:
        raise ExperimentError("unknown type of file", where="--out", expected=", ".join(SUFFIXES), got=path)
    if path.suffix == ".h5ad" and find_spec("anndata") is None:
        raise MissingExtraError("h5ad files need anndata", where=path, do="pip install 'oceanpath[h5ad]'")


def write_embeddings(path: Path, slide_ids: list[str], embeddings: NDArray[np.float32]) -> None:
    """Write one row per slide.

    parquet: the columns slide_id and embedding_0 …; npy: the array, and the ids in <name>.slides.csv; h5ad: X and obs.
    """
    if path.suffix == ".npy":
        np.save(path, embeddings)
        pd.DataFrame({"slide_id": slide_ids}).to_csv(path.with_suffix(".slides.csv"), index=False)
        return
    if path.suffix == ".h5ad":
        import anndata

        ids = pd.Index(slide_ids, name="slide_id", dtype=object)  # anndata refuses the strings of pandas 3
        anndata.AnnData(embeddings, obs=pd.DataFrame(index=ids)).write_h5ad(path)
        return
    columns = {f"embedding_{k}": embeddings[:, k] for k in range(embeddings.shape[1])}
    write_table(pd.DataFrame({"slide_id": slide_ids, **columns}), path)

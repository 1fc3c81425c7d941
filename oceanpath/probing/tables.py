"""Files of slide embeddings, and of the patches of a slide."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import Store
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
    columns = {f"embedding_{k}": embeddings[:, k] for k in range(embeddings.shape[1])}
    if path.suffix == ".h5ad":
        _anndata(embeddings, _frame(slide_ids).rename_axis("slide_id"), list(columns)).write_h5ad(path)
        return
    write_table(pd.DataFrame({"slide_id": slide_ids, **columns}), path)


def write_patches(path: Path, store: Store, number: int, scores: Mapping[str, NDArray[np.float32]]) -> None:
    """Write the patches of a slide as AnnData.

    X has their features, obs their scores, obsm["spatial"] x and y of their top-left corners in level-0 pixels if the
    store has coordinates, uns["slide_id"] the slide.
    """
    features = store.features(number).astype(np.float32)
    obs = _frame([str(k) for k in range(len(features))]).assign(**scores).rename_axis("patch")
    patches = _anndata(features, obs, [f"feature_{k}" for k in range(features.shape[1])])
    if (coords := store.coords(number)) is not None:
        patches.obsm["spatial"] = np.array(coords)
    patches.uns["slide_id"] = store.slide_ids[number]
    patches.write_h5ad(path)


def _anndata(values: NDArray[np.float32], obs: pd.DataFrame, columns: list[str]) -> Any:
    import anndata

    return anndata.AnnData(values, obs, _frame(columns))


def _frame(names: list[str]) -> pd.DataFrame:
    """No columns, one row per name: anndata does not write the strings of pandas 3."""
    return pd.DataFrame(index=pd.Index(names, dtype=object))

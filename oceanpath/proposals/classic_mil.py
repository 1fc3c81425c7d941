"""Classic multiple-instance data sets (musk, elephant, fox, tiger) as features, a label table and an experiment.

The file is an archive of numpy: X [n, D], bag_id [n] and bag_label_per_instance [n], 0 or 1.
"""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError, ExperimentError, nearest


class Size(NamedTuple):
    """The published size of a data set."""

    bags: int
    instances: int
    features: int


SIZES = {
    "elephant": Size(200, 1391, 230),
    "fox": Size(200, 1320, 230),
    "musk1": Size(92, 476, 166),
    "musk2": Size(102, 6598, 166),
    "tiger": Size(200, 1220, 230),
}
LABELS = ("negative", "positive")
ARRAYS = ("X", "bag_id", "bag_label_per_instance")
EXPERIMENT = """\
# {name}: {size.bags} bags, {size.instances} instances of {size.features} features.
# 5 repeats of 10 folds:
#   oceanpath eval -e {name}.toml
name = "{name}"
seed = 42

[data]
features = "features"
labels = "cohort.csv"
patient_id = "patient_id"
label = "label"
classes = ["negative", "positive"]

[mmap]
dtype = "float32"

[split]
scheme = "repeated_kfold"
folds = 10
repeats = 5
val_fraction = 0.12 # a ninth of the patients that are not tested selects the epoch

[model]
name = "abmil"
input_norm = "zscore"

[train]
lr = 5e-4
weight_decay = 5e-3
epochs = 40

[eval]
"""


def convert_classic_mil(name: str, source: Path, out: Path) -> Path:
    """Write features, cohort.csv and the experiment below `out`; returns the experiment file.

    Raises: ExperimentError: unknown data set. ArtifactError: the file cannot be read, or it is not this data set.
    """
    if name not in SIZES:
        close = nearest(name, SIZES)
        do = f"Did you mean {close[0]!r}?" if close else ""
        raise ExperimentError("unknown data set", where="--dataset", expected=", ".join(SIZES), got=name, do=do)
    rows, bags, labels = _read(source)
    numbers = np.unique(bags)
    _check(SIZES[name], Size(len(numbers), *rows.shape), source)
    table = []
    for number in numbers.tolist():
        of_bag = labels[bags == number]
        if of_bag.min() != of_bag.max():
            raise ArtifactError("the instances of a bag have several labels", where=source, got=f"bag {number}")
        table.append((f"bag_{number:03d}", LABELS[int(of_bag[0])]))
        _write_bag(out / "features" / f"bag_{number:03d}.h5", rows[bags == number])
    with (out / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("slide_id", "patient_id", "label"))
        writer.writerows((bag, bag, label) for bag, label in table)
    experiment = out / f"{name}.toml"
    experiment.write_text(EXPERIMENT.format(name=name, size=SIZES[name]), encoding="utf-8")
    return experiment


def _read(source: Path) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[Any]]:
    """Rows [n, D], bag [n] and label [n] of each instance."""
    try:
        with np.load(source, allow_pickle=False) as arrays:
            rows, bags, labels = (arrays[key] for key in ARRAYS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        expected = f"an .npz with {', '.join(ARRAYS)}"
        raise ArtifactError("cannot be read as a data set", where=source, expected=expected, got=error) from error
    if rows.ndim != 2 or not len(rows) == len(bags) == len(labels) or not set(labels.tolist()) <= {0, 1}:
        got = f"X {rows.shape}, bag_id {bags.shape}, labels {sorted(set(labels.ravel().tolist()))[:4]}"
        raise ArtifactError(
            "the arrays do not agree", where=source, expected="one bag and label 0 or 1 per row", got=got
        )
    return rows.astype(np.float32), bags, labels


def _check(known: Size, found: Size, source: Path) -> None:
    if found.features == known.features + 1:
        what = (
            "the file has one more feature than the data set: some circulating files contain the label of each instance"
        )
        raise ArtifactError(what, where=source, expected=known.features, got=found.features, do="Remove that column.")
    if found != known:
        expected, got = ("{} bags, {} instances, {} features".format(*size) for size in (known, found))
        raise ArtifactError("the file is not this data set", where=source, expected=expected, got=got)


def _write_bag(path: Path, rows: NDArray[np.float32]) -> None:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=rows, track_times=False)

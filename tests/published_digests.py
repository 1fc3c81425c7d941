"""Digests of every file that small classification experiments publish, to compare two states of the code.

usage: python tests/published_digests.py WORKSPACE OUT.json    run the experiments in WORKSPACE and write the digests
       python tests/published_digests.py A.json B.json         print the files that differ; exit status 1 if any does

Manifests are left out: they hold fingerprints and versions. With PYTHONPATH the first form runs another checkout.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import h5py
import numpy as np

from oceanpath.cli.app import run_app

HEAD = '[data]\nfeatures = "features"\nlabels = "cohort.csv"\n'
TAIL = """
[mmap]
[split]
folds = 3
[model]
name = "{model}"
{more}
[train]
epochs = 4
[eval]
resamples = 200
[analyze]
resamples = 200
attention_slides = 4
[export]
[[variant]]
name = "focal"
train.loss = "focal"
train.balance = "loss"
train.monitor = "val_auroc"
[[variant]]
name = "sampled"
train.balance = "sampling"
train.label_smoothing = 0.1
"""
CASES = {
    "two": (["neg", "pos"], "abmil", "hidden = 16"),
    "three": (["c10", "c9", "c1"], "clam_sb", "hidden = 16\ninstance_weight = 0.3"),
    "numbers": (["0", "1"], "static", ""),
}


def write_cohort(folder: Path, classes: list[str], patients: int = 36) -> None:
    """Feature files and a label table: up to two slides per patient, class c with a larger feature c."""
    random = np.random.default_rng(7)
    (folder / "features").mkdir(parents=True)
    rows = ["slide_id,patient_id,label"]
    for patient in range(patients):
        number = patient % len(classes)
        for slide in range(1 + patient % 2):
            name = f"s{patient:02d}_{slide}"
            features = random.standard_normal((int(random.integers(3, 40)), 12)).astype(np.float32)
            features[:, number] += 0.35
            with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
                file["features"] = features
                file["coords"] = 256 * np.arange(2 * len(features), dtype=np.int32).reshape(-1, 2)
            rows.append(f"{name},p{patient:02d},{classes[number]}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")


def published(workspace: Path) -> dict[str, str]:
    """Experiment, step and file → sha256."""
    found = {}
    for link in sorted(workspace.glob("experiments/*/*")):
        for path in sorted(link.resolve().rglob("*")):
            if path.is_file() and path.name != "manifest.json" and "local" not in path.parts:
                name = f"{link.relative_to(workspace / 'experiments')}/{path.relative_to(link.resolve())}"
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def run(workspace: Path) -> dict[str, str]:
    """Run every case below `workspace`."""
    for name, (classes, model, more) in CASES.items():
        folder = workspace / "data" / name
        write_cohort(folder, classes)
        head = HEAD + f"classes = {json.dumps(classes)}\n"
        (folder / f"{name}.toml").write_text(head + TAIL.format(model=model, more=more))
        if code := run_app(["run", str(folder / f"{name}.toml"), "--workspace", str(workspace)]):
            sys.exit(code)
    return published(workspace)


if __name__ == "__main__":
    first, second = map(Path, sys.argv[1:3])
    if first.suffix == ".json":
        old, new = json.loads(first.read_text()), json.loads(second.read_text())
        changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        print(*changed, f"{len(changed)} of {len(old)} files differ", sep="\n")
        sys.exit(bool(changed))
    second.write_text(json.dumps(run(first), indent=1, sort_keys=True) + "\n")

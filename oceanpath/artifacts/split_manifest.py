"""The slides of a pretraining: those that train, those that validate, and the patients of both.

    split_manifest.json   {"rows": "manifest" | "fold_train", "patient_rule", "seed", "train_ids": [slide ids],
                           "val_ids": [slide ids], "patients": {slide id: patient id}, "excluded": [slide ids of
                           patients whom other experiments test]}; ids sorted

No patient is in both lists.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError

NAME = "split_manifest.json"


@dataclass(frozen=True)
class SplitManifest:
    """The contents of split_manifest.json."""

    rows: str
    patient_rule: str
    seed: int
    train_ids: list[str]
    val_ids: list[str]
    patients: dict[str, str]
    excluded: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write split_manifest.json into `folder`."""
        write_json(folder / NAME, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> SplitManifest:
        """Read split_manifest.json. Raises: ArtifactError: missing, damaged, or a patient is in both lists."""
        try:
            manifest = cls(**json.loads((folder / NAME).read_text()))
            patients = [{manifest.patients[name] for name in ids} for ids in (manifest.train_ids, manifest.val_ids)]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArtifactError("the pretraining manifest cannot be read", where=folder / NAME, got=error) from error
        if shared := sorted(patients[0] & patients[1]):
            raise ArtifactError("a patient is in training and validation", where=folder / NAME, got=shared[0])
        return manifest

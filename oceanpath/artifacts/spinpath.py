"""Models of SpinPath (formerly WSInfer-MIL): a folder with two files.

config.json            spec_version "1.0", num_classes, class_names, feature_extractor, patch_size_um and, optional,
type (abmil, clam, porpoise)
torchscript_model.pt   TorchScript: features [N, D] float32 → logits [1, num_classes], attention of N patches
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from oceanpath.artifacts.bundle.facts import BundleFacts
from oceanpath.errors import ArtifactError

CONFIG, SCRIPT = "config.json", "torchscript_model.pt"
VERSION = "1.0"
ENCODERS = {
    "hoptimus0": "hoptimus0",
    "kaikol": "kaiko_vitl14",
    "phikon": "phikon",
    "phikonv2": "phikon_v2",
    "provgigapath": "gigapath",
    "uni": "uni_v1",
    "virchow": "virchow",
    "virchow2": "virchow2",
}
"""Feature extractor of SpinPath → encoder of OceanPath. Others have the same name or are unknown here."""
KINDS: dict[str, type | tuple[type, ...]] = {
    "spec_version": str,
    "num_classes": int,
    "class_names": list,
    "feature_extractor": str,
    "patch_size_um": (int, float),
}


class SpinPathConfig(NamedTuple):
    """The contents of config.json that every model has."""

    class_names: list[str]
    feature_extractor: str
    patch_size_um: float

    @classmethod
    def of_bundle(cls, facts: BundleFacts) -> Self:
        """The configuration of a bundle that states its patch size and resolution."""
        theirs, contract = {ours: name for name, ours in ENCODERS.items()}, facts.contract
        side = (contract.patch_px or 0) * (contract.target_mpp or 0)
        return cls(facts.classes, theirs.get(contract.encoder, contract.encoder), round(side, 3))

    @property
    def encoder(self) -> str:
        """The encoder under its name in OceanPath."""
        return ENCODERS.get(self.feature_extractor, self.feature_extractor)


def read_config(folder: Path) -> SpinPathConfig:
    """The contents of config.json. Raises: ArtifactError: it is missing, cannot be read or has wrong keys."""
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        do = f"Name the folder of a SpinPath model, with {CONFIG} and {SCRIPT}."
        raise ArtifactError("cannot be read as a SpinPath model", where=path, got=error, do=do) from error
    if wrong := _problems(values):
        raise ArtifactError("wrong keys of a SpinPath model", where=path, got="; ".join(wrong))
    return SpinPathConfig(values["class_names"], values["feature_extractor"], float(values["patch_size_um"]))


def _problems(values: Any) -> list[str]:
    """All that is wrong with the contents of config.json."""
    if not isinstance(values, Mapping):
        return ["not a table"]
    wrong = [f"{key} is missing" for key in KINDS if key not in values]
    wrong += [f"{key} = {values[key]!r}" for key, kind in KINDS.items() if key in values and not _is(values[key], kind)]
    if not wrong and len(set(values["class_names"])) != values["num_classes"]:
        wrong.append(f"num_classes = {values['num_classes']}, class_names = {values['class_names']}")
    return wrong


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    is_text = kind is not list or (isinstance(value, list) and all(isinstance(each, str) for each in value))
    return isinstance(value, kind) and not isinstance(value, bool) and is_text


def write_config(folder: Path, config: SpinPathConfig) -> None:
    """Write config.json."""
    values = {"spec_version": VERSION, "num_classes": len(config.class_names), **config._asdict()}
    (folder / CONFIG).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

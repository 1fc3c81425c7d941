"""Runs under TRIDENT's interpreter (Python 3.10 on) and imports nothing but the standard library and what lies there.

usage: python driver.py CHILD_PROCESS LIFELINE   CHILD_PROCESS: the path of oceanpath/child_process.py

Requests are JSON lines on stdin, replies JSON lines on what was stdout; TRIDENT's own prints go to stderr.

    (start)                    → {"event": "hello", "found": trident | astrophysics | missing, "versions"}
    {"op": "slide", "id", …}   → {"event": "step", "name"} before each step, then
                                 {"event": "slide", "id", "status": "ok", "coords", "features"}, paths of H5 files
                                 {"event": "slide", "id", "status": "blank"}
                                 {"event": "slide", "id", "status": "error", "step", "kind", "error"}
    (end of stdin)             → the process ends

A slide's request: path, reader (of TRIDENT, or null), mpp, work (a folder to write in), segmenter, confidence, mag,
patch_px, overlap, min_tissue, encoder, weights (a file, or null), device (auto, cpu, cuda…), batch, workers.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

FAULTS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError)
"""What a slide or a wrong name makes TRIDENT raise, with ValueError; anything else ends the driver with a traceback."""
PACKAGES = ("trident", "torch", "timm", "openslide-python")


def kind_of(package: str = "trident") -> str:
    """Which of the packages named trident is installed here, told by its files: trident, astrophysics or missing."""
    spec = importlib.util.find_spec(package)
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    if any((folder / "wsi_objects" / "WSIFactory.py").is_file() for folder in folders):
        return "trident"
    return "astrophysics" if any((folder / "ion_balance.py").is_file() for folder in folders) else "missing"


def versions() -> dict[str, str]:
    """Versions of what decides the result; TRIDENT's with its commit, since releases share version strings."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        origin = json.loads(package.read_text("direct_url.json") or "{}")
        commit = str(origin.get("vcs_info", {}).get("commit_id", ""))
        found[name] = package.version + (f"+{commit[:12]}" if commit else "")
    return found


def extract(request: dict[str, Any], step: Any) -> dict[str, Any]:
    """Features of one slide by TRIDENT; `step` is called with the name of each step before it begins."""
    step("open")
    trident = importlib.import_module("trident")
    device = _device(request["device"])
    options = {"reader_type": request["reader"], "mpp": request["mpp"], "max_workers": request["workers"]}
    slide = trident.load_wsi(request["path"], lazy_init=False, **options)
    try:
        step("segment")
        segmenter = _segmenter(request["segmenter"], request["confidence"])
        where = "cpu" if request["segmenter"] == "otsu" else device
        options = {"target_mag": segmenter.target_mag, "job_dir": request["work"], "batch_size": request["batch"]}
        slide.segment_tissue(segmentation_model=segmenter, device=where, **options)
        step("place")
        coords = slide.extract_tissue_coords(
            target_mag=request["mag"],
            patch_size=request["patch_px"],
            save_coords=request["work"],
            overlap=request["overlap"],
            min_tissue_proportion=request["min_tissue"],
        )
        if not _rows(coords):
            return {"status": "blank"}
        step("load the encoder")
        encoder = _encoder(request["encoder"], request["weights"])
        step("encode")
        features = slide.extract_patch_features(
            patch_encoder=encoder,
            coords_path=coords,
            save_features=request["work"],
            device=device,
            saveas="h5",
            batch_limit=request["batch"],
        )
    finally:
        slide.release()
    return {"status": "ok", "coords": str(coords), "features": str(features)}


def answer(request: dict[str, Any], reply: Any) -> None:
    """Do what a request asks for and reply."""
    now = ["open"]

    def step(name: str) -> None:
        now[0] = name
        reply({"event": "step", "name": name})

    try:
        said = extract(request, step)
    except (*FAULTS, ValueError) as error:
        said = {"status": "error", "step": now[0], "kind": type(error).__name__, "error": str(error)}
    reply({"event": "slide", "id": request["id"], **said})


def main(child_process: str, lifeline: int) -> None:
    """Serve requests until stdin ends; end with all it started when its parent ends."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != here]
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(said: dict[str, Any]) -> None:
        channel.write(json.dumps(said) + "\n")
        channel.flush()

    _load(child_process).end_with_parent(lifeline, group=True)
    reply({"event": "hello", "found": kind_of(), "versions": versions()})
    for line in iter(sys.stdin.readline, ""):
        answer(json.loads(line), reply)


def _load(path: str) -> Any:
    """A module by its file: the package it belongs to cannot be imported here."""
    spec: Any = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _segmenter(name: str, confidence: float) -> Any:
    factory = importlib.import_module("trident.segmentation_models").segmentation_model_factory
    return factory(name, confidence_thresh=confidence)


@lru_cache(maxsize=1)
def _encoder(name: str, weights: str | None) -> Any:
    factory = importlib.import_module("trident.patch_encoder_models").encoder_factory
    encoder = factory(name, weights_path=weights) if weights else factory(name)
    encoder.eval()
    # TRIDENT hands the output to numpy, which has no bfloat16
    encoder.register_forward_hook(lambda _module, _inputs, output: output.float())
    return encoder


def _device(asked: str) -> str:
    """TRIDENT takes devices as text alone."""
    if asked != "auto":
        return asked
    return "cuda:0" if importlib.import_module("torch").cuda.is_available() else "cpu"


def _rows(path: str) -> int:
    with importlib.import_module("h5py").File(path, "r") as file:
        return len(file["coords"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

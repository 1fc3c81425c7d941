"""Runs under TRIDENT's interpreter (Python 3.10 or later) and imports only the standard library and TRIDENT.

usage: python driver.py CHILD_PROCESS LIFELINE   CHILD_PROCESS: the path of oceanpath/child_process.py

Requests and replies are messages as `oceanpath.subprocess_worker` defines them; what TRIDENT prints goes to stderr,
and so does a line ``step: NAME`` before each step.

    {"op": "hello"}        → {"kind": trident | astrophysics | missing, "versions"}
    {"op": "slide", "id"…} → {"id", "status": "ok", "coords", "features"}, paths of HDF5 files
                             {"id", "status": "blank"}
                             {"id", "status": "error", "step", "kind", "error"}
    (end of stdin)         → the process ends

A request for a slide has: path, reader (of TRIDENT, or null), mpp, work (a folder to write in), segmenter, confidence,
mag, patch_px, overlap, min_tissue, encoder, weights (a file, or null), device (auto, cpu, cuda…), batch, workers.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import struct
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

SIZES = struct.Struct("<II")
"""Sizes of a message's header and payload, as in `oceanpath.subprocess_worker`."""
STEP = "step: "
FAULTS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError)
"""Exceptions of TRIDENT, besides ValueError, that concern one slide; any other ends the driver with a traceback."""
PACKAGES = ("trident", "torch", "timm", "openslide-python")


def installed_package(package: str = "trident") -> str:
    """Which package named trident is installed, according to its files: trident, astrophysics or missing."""
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    if any((folder / "wsi_objects" / "WSIFactory.py").is_file() for folder in folders):
        return "trident"
    return "astrophysics" if any((folder / "ion_balance.py").is_file() for folder in folders) else "missing"


def versions() -> dict[str, str]:
    """Versions of the packages that affect the result; TRIDENT's with its commit, as releases share version strings."""
    result = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        origin = json.loads(package.read_text("direct_url.json") or "{}")
        commit = str(origin.get("vcs_info", {}).get("commit_id", ""))
        result[name] = package.version + (f"+{commit[:12]}" if commit else "")
    return result


def extract(request: dict[str, Any], step: Any) -> dict[str, Any]:
    """Features of one slide by TRIDENT; `step` is called with the name of each step before it starts."""
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
        step("select patches")
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


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to a request."""
    if request["op"] == "hello":
        return {"kind": installed_package(), "versions": versions()}
    steps: list[str] = []

    def step(name: str) -> None:
        steps.append(name)
        sys.stderr.write(f"{STEP}{name}\n")

    try:
        reply = extract(request, step)
    except (*FAULTS, ValueError) as error:
        reply = {"status": "error", "step": steps[-1], "kind": type(error).__name__, "error": str(error)}
    return {"id": request["id"], **reply}


def main(child_process: str, lifeline: int) -> None:
    """Serve requests until stdin ends; end, with all child processes, when the parent ends."""
    own_folder = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != own_folder]
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _load(child_process).end_with_parent(lifeline, group=True)
    while len(sizes := requests.read(SIZES.size)) == SIZES.size:
        message = json.loads(requests.read(SIZES.unpack(sizes)[0]))
        header = json.dumps(answer(message["request"])).encode()
        replies.write(SIZES.pack(len(header), 0) + header)
        replies.flush()


def _load(path: str) -> Any:
    """A module from its file, because its package cannot be imported in this interpreter."""
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
    # TRIDENT converts the output to numpy, which has no bfloat16
    encoder.register_forward_hook(lambda _module, _inputs, output: output.float())
    return encoder


def _device(name: str) -> str:
    """The device name in the form that TRIDENT accepts."""
    if name != "auto":
        return name
    return "cuda:0" if importlib.import_module("torch").cuda.is_available() else "cpu"


def _rows(path: str) -> int:
    with importlib.import_module("h5py").File(path, "r") as file:
        return len(file["coords"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

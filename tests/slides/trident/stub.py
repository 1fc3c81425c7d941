"""A package with the names and call signatures of TRIDENT 0.3, written where a test wants it.

The name of the encoder is what happens: ``counting`` gives features, the others fail in their own way.
"""

from __future__ import annotations

import sys
from pathlib import Path

FILES = {
    "__init__.py": "from trident.wsi_objects.WSIFactory import load_wsi\n",
    "wsi_objects/__init__.py": "",
    "wsi_objects/WSIFactory.py": """
import os, subprocess, sys, time
import h5py
import numpy as np


class WSI:
    def __init__(self, slide_path, lazy_init=True, mpp=None, max_workers=None):
        assert os.path.isabs(slide_path)
        self.mpp, self.name = mpp, os.path.splitext(os.path.basename(slide_path))[0]
        self.mag = 40 if mpp < 0.3 else 20

    def segment_tissue(self, segmentation_model, target_mag=10, holes_are_tissue=True, job_dir=None, batch_size=16,
                       device="cuda:0"):
        assert isinstance(device, str) and os.path.isdir(job_dir)
        print("segmenting", self.name)
        self.blank = segmentation_model.confidence_thresh != 0.5
        return os.path.join(job_dir, "contours_geojson", self.name + ".geojson")

    def extract_tissue_coords(self, target_mag, patch_size, save_coords, overlap=0, min_tissue_proportion=0.0):
        side = patch_size * self.mag // target_mag
        coords = np.array([(x * side, side) for x in range(0 if min_tissue_proportion > 0.9 else 3)])
        os.makedirs(os.path.join(save_coords, "patches"), exist_ok=True)
        path = os.path.join(save_coords, "patches", self.name + "_patches.h5")
        with h5py.File(path, "w") as file:
            file["coords"] = coords
            told = dict(patch_size=patch_size, patch_size_level0=side, level0_magnification=self.mag,
                        target_magnification=target_mag, overlap=overlap, name=self.name, savetodir=save_coords)
            file["coords"].attrs.update(told)
        return path

    def extract_patch_features(self, patch_encoder, coords_path, save_features, device="cuda:0", saveas="h5",
                               batch_limit=512, verbose=False):
        assert isinstance(device, str)
        for done in range(3):
            sys.stderr.write(f"\\r{done}%|##| {done}/3 [00:00, 9.00it/s]")
        sys.stderr.write("\\n")
        with h5py.File(coords_path, "r") as file:
            coords, told = file["coords"][:], dict(file["coords"].attrs)
        rows = patch_encoder(coords)
        path = os.path.join(save_features, self.name + ".h5")
        with h5py.File(path, "w") as file:
            file.create_dataset("features", data=rows, chunks=(1, rows.shape[1]), maxshape=(None, rows.shape[1]))
            file.create_dataset("coords", data=coords, chunks=(1, 2), maxshape=(None, 2))
            file["coords"].attrs.update(told)
            file["features"].attrs["encoder"] = patch_encoder.enc_name
        return path

    def release(self):
        pass


def load_wsi(slide_path, reader_type=None, lazy_init=False, **kwargs):
    assert reader_type in ("openslide", None)
    if "bad" in os.path.basename(slide_path):
        raise ValueError("this slide cannot be loaded")
    return WSI(slide_path, lazy_init, **kwargs)
""",
    "segmentation_models/__init__.py": """
class Segmenter:
    def __init__(self, confidence_thresh):
        self.target_mag, self.confidence_thresh = 10, confidence_thresh


def segmentation_model_factory(model_name, confidence_thresh=0.5, freeze=True, **build_kwargs):
    if model_name == "hest":
        raise OSError("the weights cannot be downloaded")
    return Segmenter(confidence_thresh)
""",
    "patch_encoder_models/__init__.py": """
import os, subprocess, sys, time
import numpy as np


class Output:
    def __init__(self, values):
        self.values = values

    def float(self):
        return self.values.astype(np.float32)


class Encoder:
    def __init__(self, name):
        self.enc_name, self.hook = name, None

    def eval(self):
        return self

    def register_forward_hook(self, hook):
        self.hook = hook

    def __call__(self, coords):
        if self.enc_name == "dies":
            sys.stderr.write("out of memory, killed\\n")
            sys.stderr.flush()
            os._exit(9)
        if self.enc_name == "surprises":
            raise StopIteration("nobody expects this")
        if self.enc_name == "hangs":
            child = subprocess.Popen(["sleep", "600"])
            print("child", child.pid, flush=True)
            time.sleep(600)
        rows = np.arange(len(coords) * 4).reshape(-1, 4)
        return self.hook(self, None, Output(rows))


def encoder_factory(model_name, **kwargs):
    if model_name not in ("counting", "dies", "surprises", "hangs"):
        raise ValueError(f"Unknown encoder name {model_name}")
    return Encoder(model_name)
""",
}


def install(folder: Path, files: dict[str, str]) -> Path:
    """An interpreter that finds a package `trident` of these files first: a program as a virtual environment has."""
    for name, text in files.items():
        path = folder / "site" / "trident" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "site").mkdir(parents=True, exist_ok=True)
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/site" exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program

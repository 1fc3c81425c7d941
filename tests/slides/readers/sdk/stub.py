"""A package called kfbslide that does what the file it opens says, as `answers`, `raises read` or `dies open`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VERSION = "9.8.7"
NAME = f"kfbslide {VERSION}"
SIDE = 1024
PACKAGE = """
import os, re, signal, time
import numpy as np
from PIL import Image

class OpenSlideError(Exception):
    pass

class OpenSlide:
    level_dimensions, level_downsamples = ((1024, 1024), (256, 256)), (1.0, 4.0)
    properties = {"openslide.mpp-x": "0.5", "openslide.mpp-y": "0.5", "openslide.objective-power": "20"}

    def __init__(self, path):
        self.mood = open(path).read()
        self.act("open")
        self.pixels = np.load(os.path.join(os.path.dirname(__file__), "pixels.npy"))

    def act(self, step):
        print("a library prints where nobody asked it to")
        mood, _, when = self.mood.partition(" ")
        if when != step:
            return
        if mood == "raises":
            raise OpenSlideError("no tile index")
        if mood == "surprises":
            raise Exception("nobody expects this")
        if mood == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        if mood == "leaves":
            os._exit(7)
        if mood == "babbles":
            for channel in range(3, 9):
                try:
                    os.write(channel, bytes([2, 0, 0, 0, 0, 0, 0, 0]) + b"12" * 9)
                except OSError:
                    pass
            time.sleep(60)
        if mood == "forges":
            for channel in range(3, 9):
                try:
                    os.write(channel, bytes([2, 0, 0, 0, 1, 0, 0, 0]) + b"{}x")
                except OSError:
                    pass
        if mood == "hangs":
            time.sleep(60)
        if mood == "clings":
            re.match("(a+)+$", "a" * 60 + "b")  # never lets another thread run

    def read_region(self, location, level, size):
        self.act("read")
        downsample = self.level_downsamples[level]
        x, y = (int(value / downsample) for value in location)
        step = int(downsample)
        part = self.pixels[::step, ::step][y : y + size[1], x : x + size[0]]
        if self.mood == "short":
            part = part[1:]
        return Image.fromarray(part)
"""


def pixels() -> NDArray[np.uint8]:
    """RGBA of every slide of the stub: glass, a square of tissue, and a transparent stripe at the top."""
    drawn = np.full((SIDE, SIDE, 4), (243, 242, 244, 255), np.uint8)
    noise = np.random.default_rng(0).integers(-40, 40, (512, 512, 1))
    drawn[256:768, 256:768, :3] = np.clip(np.array((200, 90, 170)) + noise, 0, 255)
    drawn[:16] = 0
    return drawn


def seen() -> NDArray[np.uint8]:
    """The same as RGB on white."""
    drawn = pixels()
    drawn[:16] = 255
    return drawn[..., :3]


def install(folder: Path) -> Path:
    """Put the stub into a folder that belongs on the path."""
    package, told = folder / "kfbslide", folder / f"kfbslide-{VERSION}.dist-info"
    package.mkdir(parents=True)
    told.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    np.save(package / "pixels.npy", pixels())
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kfbslide\nVersion: {VERSION}\n")
    return folder

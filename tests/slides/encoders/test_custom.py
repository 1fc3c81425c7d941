"""Custom encoders: imported, checked, part of the fingerprint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from oceanpath import plugins
from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides import encoders
from oceanpath.slides.encoders import ENCODERS, Encoder, build_encoder, prepare_encoder
from oceanpath.slides.encoders.contract import check_contract, patches_per_second
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.stages.extract.settings import ExtractSettings

SOURCE = """
import numpy as np

class Colours:
    name, dim, input_px, batch_size, threads = "colours", 3, 0, 4, 1

    def __init__(self, spoil=""):
        self.spoil, self.calls = spoil, 0

    def encode(self, patches):
        self.calls += 1
        found = patches.mean(axis=(1, 2))
        found = found + (self.calls if self.spoil == "moody" else 0)
        found = found + (found.mean(axis=0) if self.spoil == "neighbours" else 0)
        found = found * (np.nan if self.spoil == "nan" else 1) + (1e9 if self.spoil == "constant" else 0)
        if self.spoil == "crash":
            raise ValueError("no such thing")
        if self.spoil == "shape":
            return found[:, :2].astype(np.float16)
        if self.spoil == "constant":
            return np.ones((len(patches), 3), np.float16)
        return found.astype(np.float32 if self.spoil == "float32" else np.float16)

def factory(device, options):
    return Colours()

def __getattr__(name):
    if name.startswith("spoilt_"):
        return lambda device, options: Colours(name.removeprefix("spoilt_"))
    raise AttributeError(name)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own_colours.py"
    path.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_colours", raising=False)
    return path


def test_a_module_of_the_current_folder_is_an_encoder(module: Path) -> None:
    encoder = build_encoder("own_colours:factory", "cpu")
    assert encoder.encode(np.full((2, 8, 8, 3), 7, np.uint8)).tolist() == [[7, 7, 7], [7, 7, 7]]
    assert (encoder.revision, encoder.weights_sha256) == ("", "")
    assert patches_per_second(encoder) > 0


@pytest.mark.parametrize(
    ("spoil", "failure"),
    [
        ("crash", "runs ValueError: no such thing"),
        ("shape", r"shape and type expected float16 \(4, 3\), got float16 \(4, 2\)"),
        ("float32", "shape and type"),
        ("nan", "finite"),
        ("moody", "reproducible"),
        ("neighbours", "any number of patches the largest difference"),
        ("constant", "different patches differ"),
    ],
)
def test_an_encoder_that_breaks_the_contract_is_refused(module: Path, spoil: str, failure: str) -> None:
    with pytest.raises(
        StageError, match=rf"encoder own_colours:spoilt_{spoil}: .*violates its contract; got .*{failure}"
    ):
        build_encoder(f"own_colours:spoilt_{spoil}", "cpu")


def test_missing_attributes_are_named() -> None:
    checks = check_contract(cast(Encoder, object()))
    assert [check.passed for check in checks] == [False] and "dim, input_px" in checks[0].detail


def test_changed_source_or_weights_are_another_identity(module: Path, tmp_path: Path) -> None:
    name, weights = "own_colours:factory", tmp_path / "w.bin"
    weights.write_bytes(b"1")
    before, settings = prepare_encoder(name, EncoderOptions()), ExtractSettings(encoder=name)
    with_weights = prepare_encoder(name, EncoderOptions(weights=weights))
    weights.write_bytes(b"22")
    assert len({before, with_weights, prepare_encoder(name, EncoderOptions(weights=weights))}) == 3
    identity = settings.identity()
    module.write_text(SOURCE + "\n# another\n")
    assert settings.identity() != identity and prepare_encoder(name, EncoderOptions()) != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_colours:absent", "cannot be imported; got own_colours:absent"),
        ("no_such_module:factory", "no such module; expected module:factory"),
        ("no.such.module:factory", r"no such module; .*\(No module named 'no'\)"),
        ("own_colours:", "not the name of a custom encoder"),
        ("a b:factory", "not the name of a custom encoder"),
    ],
)
def test_wrong_names(module: Path, name: str, message: str) -> None:
    with pytest.raises(ExperimentError, match=rf"extract\.encoder: .*{message}"):
        build_encoder(name, "cpu")


def test_an_installed_package_adds_encoders_by_an_entry_point(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    (module.parent / "light.py").write_text(
        "from oceanpath.slides.encoders import register_encoder\n"
        "from oceanpath.slides.encoders.spec import EncoderSpec\n"
        "register_encoder(EncoderSpec('of_a_plugin', 'heavy', 3, 0, 'ours', 'us', aliases=('plugged',)))\n"
    )
    (module.parent / "heavy.py").write_text(SOURCE + "\nbuild = lambda spec, device, options: Colours()\n")
    sys.path.append(str(module.parent))
    point = metadata.EntryPoint("light", "light", encoders.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == encoders.GROUP else [])
    monkeypatch.setattr(plugins, "_LOADED", set())
    for table in ("ENCODERS", "_NAMES"):
        monkeypatch.setattr(encoders, table, dict(getattr(encoders, table)))
    assert build_encoder("Plugged").dim == 3 and "of_a_plugin" not in ENCODERS
    broken = metadata.EntryPoint("gone", "gone_module", encoders.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken])
    with pytest.raises(ExperimentError, match=r"gone_module \(oceanpath.encoders\): a plug-in cannot be loaded"):
        plugins.load_plugins(encoders.GROUP)


def test_a_spec_states_its_access() -> None:
    assert EncoderSpec("x", "", 1, 1, "-", "-").access == "built in"
    assert {spec.access for spec in ENCODERS.values()} == {"built in", "open", "gated"}

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from oceanpath import plugins
from oceanpath.errors import ExperimentError
from oceanpath.models import registry
from oceanpath.models.abmil import ABMIL
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model, register_aggregator
from oceanpath.models.settings import ABMILSettings, ModelSettings, StaticSettings


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


def test_names_become_settings_and_modules() -> None:
    assert {"abmil", "static"} <= set(aggregator_names())
    settings = parse_model({"name": "abmil", "hidden": 32})
    assert settings == ABMILSettings(hidden=32)
    model = build_aggregator(settings, 7)
    assert isinstance(model, ABMIL)
    assert (model.in_dim, model.embed_dim) == (7, 32)


def test_without_a_name_it_is_abmil() -> None:
    assert parse_model({}) == ABMILSettings()


def test_dumped_settings_parse_to_themselves() -> None:
    for settings in (ABMILSettings(dropout=0.1), StaticSettings(pool="max")):
        assert parse_model(settings.model_dump(mode="json")) == settings


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ExperimentError, match=r"unknown aggregator.*abmil.*got abmill.*Did you mean 'abmil'"):
        parse_model({"name": "abmill"})


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ExperimentError, match=r"\[model\] hiden: unknown key.*Did you mean 'hidden'"):
        parse_model({"name": "abmil", "hiden": 3})


def test_a_key_of_another_architecture_is_unknown_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ExperimentError, match=r"zzz: unknown key.*Known keys: name, .*pool"):
        parse_model({"name": "static", "zzz": 3})


@pytest.mark.parametrize(
    ("key", "value"), [("hidden", 0), ("dropout", 1.0), ("dropout", "much"), ("input_norm", "batch")]
)
def test_a_value_out_of_range_is_an_experiment_error(key: str, value: object) -> None:
    with pytest.raises(ExperimentError, match=rf"\[model\] {key}: .*got {value}"):
        parse_model({"name": "abmil", key: value})


@pytest.mark.usefixtures("clean_registry")
def test_a_new_architecture_is_one_class_and_one_entry() -> None:
    @register_aggregator("twin", "oceanpath.models.abmil:ABMIL")
    class TwinSettings(ABMILSettings):
        name: Literal["twin"] = "twin"  # type: ignore[assignment]  # narrowed to this architecture

    assert "twin" in aggregator_names()
    assert isinstance(build_aggregator(parse_model({"name": "twin", "hidden": 8}), 4), ABMIL)
    with pytest.raises(ValueError, match="'twin' is already registered"):
        register_aggregator("twin", "elsewhere:Twin")(ModelSettings)


def test_choosing_a_model_loads_neither_numpy_nor_torch() -> None:
    code = (
        "import sys; from oceanpath.models.registry import parse_model; from oceanpath.stages.train.stage import STAGE;"
        "parse_model({'name': 'static'}); STAGE.settings_class();"
        "print([name for name in ('torch', 'numpy', 'lightning') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", aggregator_names())
def test_the_list_tells_the_true_number_of_parameters(name: str) -> None:
    settings = parse_model({"name": name})
    assert settings.parameters == sum(p.numel() for p in build_aggregator(settings, 1024).parameters())
    assert settings.cost


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_registry: None) -> Path:
    """A folder on the path with an installed package that names one entry point."""
    monkeypatch.setattr(plugins, "_LOADED", set())
    monkeypatch.delitem(sys.modules, "theirs_settings", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[oceanpath.aggregators]\ntheirs = theirs_settings\n")
    return tmp_path


def test_a_package_of_a_user_s_own_adds_an_architecture(plugin: Path) -> None:
    (plugin / "theirs_settings.py").write_text(
        "from typing import Literal\n"
        "from oceanpath.models.registry import register_aggregator\n"
        "from oceanpath.models.settings import ABMILSettings\n"
        "@register_aggregator('theirs', 'oceanpath.models.abmil:ABMIL')\n"
        "class TheirSettings(ABMILSettings):\n"
        "    name: Literal['theirs'] = 'theirs'\n"
    )
    assert isinstance(build_aggregator(parse_model({"name": "theirs", "hidden": 8}), 4), ABMIL)
    assert "theirs" in aggregator_names()


def test_a_plugin_that_cannot_be_loaded_is_named(plugin: Path) -> None:
    assert parse_model({"name": "abmil"}).name == "abmil"  # nobody looked for it
    with pytest.raises(ExperimentError, match=r"theirs_settings \(oceanpath.aggregators\): a plug-in cannot be loaded"):
        parse_model({"name": "theirs"})

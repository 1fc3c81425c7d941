"""The JSON Schema of experiment files: every key of every table, with type and description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from oceanpath.cli.schema import experiment_schema
from oceanpath.descriptions import describe, docstrings
from oceanpath.models.settings import ClamSBSettings
from oceanpath.stages.catalog import CATALOG

SCHEMA = experiment_schema()


def keys(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a schema with its own part of it."""
    for name, part in node.get("properties", {}).items():
        yield f"{path}{name}", part
        for one in part.get("anyOf", [part]):
            yield from keys(one, f"{path}{name}.")
    for name, part in node.get("$defs", {}).items():
        yield from keys(part, f"{name}.")


ALL = list(keys(SCHEMA))


def test_there_are_all_keys() -> None:
    assert len(ALL) > 150
    for stage in CATALOG.stages:
        assert set(SCHEMA["properties"][stage.name]["properties"]) == set(stage.settings_class.own_keys())


@pytest.mark.parametrize("key", [key for key, part in ALL if key not in ("model",)])
def test_every_key_is_described(key: str) -> None:
    text = dict(ALL)[key].get("description", "")
    assert 10 <= len(text) <= 600
    assert text.endswith(".") and text == text.strip()


def test_every_reference_leads_somewhere() -> None:
    used = {part["$ref"] for part in _parts(SCHEMA) if "$ref" in part}
    assert used == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}
    assert all("$defs" not in part for part in SCHEMA["properties"].values())


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _parts(child)


def test_a_field_without_text_has_that_of_its_base() -> None:
    assert docstrings(ClamSBSettings)["hidden"].startswith("Width of a patch")


def test_describing_changes_no_validation() -> None:
    before = ClamSBSettings(hidden=64).model_dump()
    describe(ClamSBSettings)
    assert ClamSBSettings(hidden=64).model_dump() == before
    with pytest.raises(ValueError, match="hidden"):
        ClamSBSettings(hidden=0)


def test_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    from oceanpath.cli.app import run_app

    assert run_app(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA

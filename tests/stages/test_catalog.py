"""The catalog of stages: what their settings declare fits together."""

from __future__ import annotations

from oceanpath.stages.catalog import CATALOG


def test_shared_keys_have_the_defaults_of_their_stage() -> None:
    """The settings of a stage that the file does not request are not imported for their defaults."""
    stages = {stage.name: stage for stage in CATALOG.stages}
    for stage in CATALOG.stages:
        for field, key in stage.settings_class.shared_keys().items():
            table, _, name = key.partition(".")
            if table in stages and name and not (own := stage.settings_class.model_fields[field]).is_required():
                source = stages[table].settings_class.model_fields[name]
                assert own.get_default() == source.get_default(), f"{stage.name}.{field}"

"""The catalog of stages: what their settings declare fits together."""

from __future__ import annotations

from pathlib import Path

from oceanpath.pipeline.experiment import load
from oceanpath.pipeline.plan import plan
from oceanpath.settings import Settings
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


def test_a_model_of_all_patients_is_trained_only_where_it_is_exported() -> None:
    """`Stage.when` with a value; the training of the folds is the same step."""
    file = Path(__file__).resolve().parents[2] / "experiments" / "quickstart.toml"
    refit, default = (load(file, CATALOG, sets) for sets in (("train.final=refit",), ("train.final=best_fold",)))
    planned = plan(refit)
    names = [step.name for step in planned.steps]
    assert names.index("train") < names.index("refit") < names.index("export")
    assert planned.step("export").parents["refit"] == "refit"
    assert planned.step("refit").settings.train == planned.step("train").settings  # type: ignore[attr-defined]  # RefitSettings
    assert "refit" not in [step.name for step in plan(default).steps]


def test_an_identity_of_its_own_states_whether_it_reads_files() -> None:
    """Otherwise a recorded plan could be used after such a file was changed."""
    own = [stage.settings_class for stage in CATALOG.stages if stage.settings_class.identity is not Settings.identity]
    assert own and all(settings.reads_files is not Settings.reads_files for settings in own)

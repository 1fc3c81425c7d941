"""The list of all stages, in pipeline order, and of the tables that several of them use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from oceanpath.pipeline.catalog import Catalog, Table
from oceanpath.pipeline.cohorts import ExternalCohorts
from oceanpath.pipeline.executors.registry import check_executor
from oceanpath.stages.analyze.stage import STAGE as ANALYZE
from oceanpath.stages.audit.stage import STAGE as AUDIT
from oceanpath.stages.curate.stage import STAGE as CURATE
from oceanpath.stages.demo.stage import STAGE as DEMO
from oceanpath.stages.eval.stage import STAGE as EVAL
from oceanpath.stages.export.stage import STAGE as EXPORT
from oceanpath.stages.external.stage import STAGE as EXTERNAL
from oceanpath.stages.extract.stage import STAGE as EXTRACT
from oceanpath.stages.mmap.stage import PRETRAIN_STAGE as PRETRAIN_MMAP
from oceanpath.stages.mmap.stage import STAGE as MMAP
from oceanpath.stages.pretrain.stage import STAGE as PRETRAIN
from oceanpath.stages.split.stage import STAGE as SPLIT
from oceanpath.stages.train.stage import REFIT_STAGE as REFIT
from oceanpath.stages.train.stage import STAGE as TRAIN

if TYPE_CHECKING:
    from oceanpath.stages.tables import RuntimeSettings

TABLES = "oceanpath.stages.tables"


def parse_runtime(values: Mapping[str, Any]) -> RuntimeSettings:
    """The settings of a `[runtime]` table. Raises: ExperimentError: there is no such executor."""
    from oceanpath.stages.tables import RuntimeSettings  # imports pydantic

    settings = RuntimeSettings.model_validate(values)
    check_executor(settings.executor)
    if settings.slurm:
        from oceanpath.pipeline.executors.slurm.options import parse_options  # not needed by most experiments

        parse_options(settings.slurm)
    return settings


def dropped_keys(own: Collection[str]) -> set[str]:
    """Keys of `[data]` that do not apply to an external cohort that sets the keys `own`."""
    from oceanpath.stages.tables import dropped_keys  # imports pydantic

    return dropped_keys(own)


CATALOG = Catalog(
    stages=(
        *(DEMO, EXTRACT, CURATE, MMAP, PRETRAIN_MMAP, SPLIT, PRETRAIN, AUDIT),
        *(TRAIN, EVAL, EXTERNAL, ANALYZE, REFIT, EXPORT),
    ),
    tables={
        "data": Table(f"{TABLES}:DataSettings"),
        "model": Table(parser="oceanpath.models.registry:parse_model"),
        "runtime": Table(f"{TABLES}:RuntimeSettings", parser=f"{__name__}:parse_runtime"),
    },
    scalars={"seed": 42},
    cohorts=ExternalCohorts("data", "external", dropped_keys),
)

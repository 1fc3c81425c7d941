"""The recorded runs of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oceanpath.api.html import html_table
from oceanpath.errors import ExperimentError
from oceanpath.pipeline import ledger_queries
from oceanpath.pipeline.ledger import READ_BY_RUNS, Row
from oceanpath.pipeline.ledger import Ledger as Database
from oceanpath.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

RUN_COLUMNS = ["run", "experiment", "state", "started", "seconds", "error"]
STEP_COLUMNS = ["run", "experiment", "step", "state", "started", "seconds", "fingerprint", "value", "error"]


class Ledger:
    """The recorded runs of a workspace, read only.

    >>> import oceanpath as op
    >>> results = op.run("mine.toml")
    >>> op.Ledger("outputs").runs()[["experiment", "state"]].iloc[0].tolist()
    ['mine', 'ok']
    """

    def __init__(self, workspace: str | PathLike[str] = "outputs") -> None:
        """Raises: ExperimentError: nothing was run in this workspace."""
        self.path = Workspace(Path(workspace).resolve()).ledger
        if not self.path.is_file():
            raise ExperimentError("nothing was run in this workspace", where=workspace)

    def runs(self) -> pd.DataFrame:
        """One row per run, newest first: run, experiment, state, started (UTC), seconds, error."""
        with Database(self.path, read_only=True, tables=READ_BY_RUNS) as ledger:
            return _frame(ledger_queries.list_runs(ledger), RUN_COLUMNS)

    def steps(self, stage: str = "", metric: str = "") -> pd.DataFrame:
        """One row per step of all runs.

        Args:
            stage: Only steps of this stage.
            metric: The metric in the column `value`; steps without it are left out, and the largest value is first.
        """
        with Database(self.path, read_only=True, tables=(*READ_BY_RUNS, "metric")) as ledger:
            return _frame(ledger_queries.list_steps(ledger, stage, metric=metric), STEP_COLUMNS)

    def __repr__(self) -> str:
        return f"Ledger({str(self.path.parent)!r})"

    def _repr_html_(self) -> str:
        return html_table(f"Runs of {self.path.parent}", RUN_COLUMNS, self.runs().itertuples(index=False))


def _frame(rows: list[Row], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    frame["started"] = pd.to_datetime(frame["started"], unit="s", utc=True)
    return frame

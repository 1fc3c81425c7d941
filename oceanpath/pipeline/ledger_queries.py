"""Queries of the run ledger, for commands that show recorded runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oceanpath.pipeline.ledger import RECOVERED, Ledger, Row

SHORTEST_PREFIX = 4
"""Characters of a fingerprint that identify a run."""

_RUN_BY_FINGERPRINT = """
SELECT run.* FROM run JOIN step ON step.run = run.id WHERE step.fingerprint LIKE ? || '%'
ORDER BY run.id DESC LIMIT 1
"""
_RUNS = """
SELECT id AS run, experiment, NULL AS step, state, started, ended - started AS seconds, NULL AS fingerprint,
    NULL AS value, error FROM run
WHERE (:state = '' OR state = :state) AND started >= :since ORDER BY id DESC
"""
_STEPS = """
SELECT run.id AS run, experiment, step.name AS step, step.state, step.started, seconds, step.fingerprint, value,
    step.error
FROM step JOIN run ON run.id = step.run
LEFT JOIN metric ON metric.fingerprint = step.fingerprint AND metric.name = :metric
WHERE (:stage = '' OR stage = :stage) AND (:state = '' OR step.state = :state) AND step.started >= :since
    AND (:metric = '' OR value IS NOT NULL)
ORDER BY value DESC, step.id DESC
"""
_STEPS_OF_RUN = """
SELECT id, name, stage, state, fingerprint, why, identity, started, seconds, peak_mb, error
FROM step WHERE run = ? ORDER BY position
"""
_FILES = "SELECT experiment.file FROM run JOIN experiment ON experiment.name = run.experiment ORDER BY run.id DESC"


def find_run(ledger: Ledger, which: str) -> Row | None:
    """The last run by number, experiment or prefix of a step's fingerprint; for an empty text, the last run."""
    queries = [
        ("SELECT * FROM run WHERE id = CAST(? AS INTEGER)", which.isdigit()),
        ("SELECT * FROM run WHERE experiment = ? ORDER BY id DESC LIMIT 1", bool(which)),
        (_RUN_BY_FINGERPRINT, len(which) >= SHORTEST_PREFIX),
        ("SELECT * FROM run WHERE ? = '' ORDER BY id DESC LIMIT 1", True),
    ]
    for sql, applies in queries:
        if applies and (rows := ledger.rows(sql, (which,))):
            return {**rows[0], "environment": json.loads(rows[0]["environment"])}
    return None


def run_of_result(ledger: Ledger, stage: str, fingerprint: str) -> Row | None:
    """The run that computed a result; if none is recorded, the first that used it. Recovered runs have no command."""
    sql = """SELECT run.* FROM run JOIN step ON step.run = run.id WHERE step.stage = ? AND step.fingerprint = ?
        AND step.state IN ('ok', 'fresh') AND run.command != ? ORDER BY step.state = 'fresh', run.id LIMIT 1"""
    rows = ledger.rows(sql, (stage, fingerprint, RECOVERED))
    return {**rows[0], "environment": json.loads(rows[0]["environment"])} if rows else None


def settings_of(ledger: Ledger, experiment: str, stage: str, state: str) -> list[dict[str, Any]]:
    """The settings of a stage in all runs of an experiment in which it ended in a state, oldest first."""
    sql = """SELECT step.identity FROM step JOIN run ON run.id = step.run
        WHERE run.experiment = ? AND step.stage = ? AND step.state = ? ORDER BY step.id"""
    found = (json.loads(row["identity"]) for row in ledger.rows(sql, (experiment, stage, state)))
    return [identity["settings"] for identity in found if identity]


def list_runs(ledger: Ledger, state: str = "", since: float = 0.0) -> list[Row]:
    """Runs in a state (or any) that started after a time [s], newest first, with the columns of `list_steps`."""
    return ledger.rows(_RUNS, {"state": state, "since": since})


def list_steps(ledger: Ledger, stage: str = "", state: str = "", since: float = 0.0, metric: str = "") -> list[Row]:
    """Steps of all runs with the value of a metric, the largest value first; steps without it are left out."""
    return ledger.rows(_STEPS, {"stage": stage, "state": state, "since": since, "metric": metric})


def steps_of_run(ledger: Ledger, run: int) -> list[Row]:
    """Steps of a run in plan order, each with its reasons, identity, metrics and parts."""
    steps = ledger.rows(_STEPS_OF_RUN, (run,))
    for step in steps:
        step["why"], step["identity"] = json.loads(step["why"]), json.loads(step["identity"])
        step["metrics"] = _metrics(ledger, step["fingerprint"])
        sql = "SELECT key, fingerprint, state, seconds, error FROM part WHERE step = ? ORDER BY key"
        step["parts"] = ledger.rows(sql, (step.pop("id"),))
    return steps


def progress_of_run(ledger: Ledger, run: int) -> list[Row]:
    """Name and state of each step of a run in plan order, and its number of parts by state."""
    steps = ledger.rows("SELECT id, name, state FROM step WHERE run = ? ORDER BY position", (run,))
    for step in steps:
        sql = "SELECT state, count(*) AS parts FROM part WHERE step = ? GROUP BY state ORDER BY state DESC"
        step["parts"] = {row["state"]: row["parts"] for row in ledger.rows(sql, (step.pop("id"),))}
    return steps


def running_processes(ledger: Ledger) -> set[str]:
    """Tags of the processes of all runs whose end is not recorded."""
    return {str(row["process"]) for row in ledger.rows("SELECT process FROM run WHERE state = 'running'")}


def _metrics(ledger: Ledger, fingerprint: str | None) -> dict[str, Any]:
    rows = ledger.rows("SELECT name, value, text FROM metric WHERE fingerprint = ? ORDER BY name", (fingerprint,))
    return {row["name"]: row["value"] if row["text"] is None else row["text"] for row in rows}


def digests_of_run(ledger: Ledger, run: int) -> dict[str, str]:
    """Step → digest of its output, for the steps of a run that have one."""
    sql = "SELECT name, digest FROM step JOIN artifact USING (fingerprint) WHERE run = ? ORDER BY position"
    return {row["name"]: row["digest"] for row in ledger.rows(sql, (run,))}


def whole_history(ledger: Ledger) -> list[Row]:
    """Every run with its environment and its steps, oldest first."""
    runs = ledger.rows("SELECT * FROM run ORDER BY id")
    for run in runs:
        run["environment"], run["steps"] = json.loads(run["environment"]), steps_of_run(ledger, run["id"])
    return runs


def experiment_files(ledger: Ledger) -> list[Path]:
    """The experiment file of every run, newest run first."""
    return [Path(row["file"]) for row in ledger.rows(_FILES)]

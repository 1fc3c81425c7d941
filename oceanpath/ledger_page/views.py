"""What the pages show, read from the ledger and from results that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from oceanpath.artifacts.metrics import FILE, read_metrics
from oceanpath.ledger_page.lineage import draw_lineage
from oceanpath.pipeline.explain import step_difference
from oceanpath.pipeline.ledger import READ_BY_RUNS, Ledger, Row
from oceanpath.pipeline.ledger_queries import digests_of_run, find_run, list_runs, progress_of_run, steps_of_run
from oceanpath.pipeline.workspace import Workspace
from oceanpath.reporting.fill import estimate, plain
from oceanpath.reporting.readings import Terms, split_appendix, title_of
from oceanpath.reporting.sections import decided_levels
from oceanpath.tasks.registry import CLASSIFICATION, read_entry, read_titles

EVALUATIONS = ("eval", "external")
REPORT = "report.html"


class LedgerViews:
    """The ledger of one workspace. Every view opens it for reading and closes it again."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = Workspace(workspace)

    def _open(self, *more: str) -> Ledger:
        """The ledger, after a check of the tables of runs and steps and of `more`: others can be large."""
        return Ledger(self.workspace.ledger, read_only=True, tables=(*READ_BY_RUNS, *more))

    def experiments(self) -> dict[str, Any]:
        """Every experiment with its last run, and all runs, newest first."""
        with self._open("metric") as ledger:
            runs = [_shown_run(row) for row in list_runs(ledger)]
            last = {run["experiment"]: run for run in reversed(runs)}
            rows = [
                {**run, "runs": _count(runs, name), "metrics": self._headlines(steps_of_run(ledger, run["id"]))}
                for name, run in last.items()
            ]
        return {"experiments": sorted(rows, key=lambda row: -row["id"]), "runs": runs, "reports": self.reports()}

    def run(self, number: int) -> dict[str, Any] | None:
        """One run: steps, lineage, metrics with intervals; None if the ledger has no such run."""
        with self._open("metric", "part") as ledger:
            row = _row_of(ledger, number)
            if row is None:
                return None
            steps, digests = steps_of_run(ledger, number), digests_of_run(ledger, number)
        metrics = {step["name"]: found for step in steps if (found := self._metrics(step))}
        shown = _shown_run({**row, "run": row["id"]})
        more = {"command": row["command"], "steps": [_shown_step(step) for step in steps], "metrics": metrics}
        return {"run": shown, "lineage": draw_lineage(steps, digests), **more, "reports": self.reports()}

    def progress(self, number: int) -> dict[str, Any] | None:
        """The state of a run and of its steps, for a page that is open; None if there is no such run."""
        with self._open() as ledger:
            row = _row_of(ledger, number)
            if row is None:
                return None
            steps = progress_of_run(ledger, number)
        shown = [{**step, "parts": _parts(step["parts"])} for step in steps]
        return {"state": row["state"], "steps": shown}

    def comparison(self, first: int, second: int) -> dict[str, Any] | None:
        """Two runs: what changed in every step, and their metrics; None if the ledger lacks one of them."""
        with self._open("metric") as ledger:
            rows = [_row_of(ledger, number) for number in (first, second)]
            if None in rows:
                return None
            left, right = ({step["name"]: step for step in steps_of_run(ledger, number)} for number in (first, second))
        differences = {name: step_difference(left.get(name), right.get(name)) for name in {**left, **right}}
        metrics = {
            name: _side_by_side(self._metrics(left.get(name)), self._metrics(right.get(name))) for name in differences
        }
        runs = [_shown_run({**row, "run": row["id"]}) for row in rows if row is not None]
        return {"runs": runs, "differences": differences, "metrics": {k: v for k, v in metrics.items() if v}}

    def reports(self) -> dict[str, Path]:
        """Experiment, with its variant → its report, for experiments of the ledger that have one."""
        with self._open() as ledger:
            known = {row["experiment"] for row in list_runs(ledger)}
        found = sorted((self.workspace.root / "reports").glob(f"*/{REPORT}"))
        return {path.parent.name: path for path in found if path.parent.name.partition("@")[0] in known}

    def _headlines(self, steps: Sequence[Row]) -> list[tuple[str, str]]:
        """The main metric of every evaluation of a run."""
        shown = [(step["name"], self._metrics(step)) for step in steps]
        return [(f"{name}: {rows[0][0]}", rows[0][1] or rows[0][2]) for name, rows in shown if rows]

    def _metrics(self, step: Row | None) -> list[tuple[str, str, str]]:
        """Title and estimates of the slides and of the patients, the main metric first; empty without an evaluation."""
        if step is None or step["stage"] not in EVALUATIONS or not step["fingerprint"]:
            return []
        folder = self.workspace.folder("stage", step["stage"], step["fingerprint"])
        if not (folder / FILE).is_file():  # a sealed test, or a result that was removed
            return []
        metrics = read_metrics(folder)
        return _metric_rows(metrics, read_entry(metrics, folder).main[0], read_titles(metrics, folder))


def _row_of(ledger: Ledger, number: int) -> Row | None:
    """The run with this number; a name or a fingerprint of the same digits is another run."""
    row = find_run(ledger, str(number))
    return row if row is not None and row["id"] == number else None


def _metric_rows(metrics: Mapping[str, Any], main: str, titles: Mapping[str, str]) -> list[tuple[str, str, str]]:
    terms = Terms.of(metrics, titles)
    levels = decided_levels(metrics)
    slide, patient = levels if len(levels) > 1 else ({}, *levels)
    names, _ = split_appendix(patient, metrics.get("task", CLASSIFICATION), terms.labels)
    ordered = [main, *(name for name in names if name != main)]

    def estimate_of(level: Mapping[str, Any], name: str) -> str:
        return estimate(level[name]) if name in level else ""

    return [(title_of(name, terms), estimate_of(slide, name), estimate_of(patient, name)) for name in ordered]


def _side_by_side(
    left: Sequence[tuple[str, str, str]], right: Sequence[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """Title → slide-level estimates of both runs; those of patients where there are no slides."""
    both = [{title: slide or patient for title, slide, patient in rows} for rows in (left, right)]
    return [(title, both[0].get(title, ""), both[1].get(title, "")) for title in {**both[0], **both[1]}]


def _count(runs: Sequence[Row], experiment: str) -> int:
    return sum(run["experiment"] == experiment for run in runs)


def _shown_run(row: Mapping[str, Any]) -> Row:
    started = datetime.fromtimestamp(row["started"]).astimezone()
    seconds = row["seconds"] if "seconds" in row else None if row["ended"] is None else row["ended"] - row["started"]
    return {
        "id": row["run"],
        "experiment": row["experiment"],
        "state": row["state"],
        "error": row["error"] or "",
        "started": started.strftime("%Y-%m-%d %H:%M"),
        "seconds": _time(seconds),
    }


def _shown_step(step: Row) -> Row:
    return {
        **{key: step[key] for key in ("name", "state", "fingerprint")},
        "error": step["error"] or "",
        "why": "; ".join(step["why"]),
        "seconds": _time(step["seconds"]),
        "parts": _parts(Counter(part["state"] for part in step["parts"])),
        "recorded": [(name, plain(value)) for name, value in step["metrics"].items()],
    }


def _parts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} parts {state}" for state, count in counts.items())


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    return f"{seconds:.1f} s" if minutes < 1 else f"{minutes:.0f} min {rest:.0f} s"

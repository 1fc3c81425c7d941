"""Pages of the ledger: what they show, that they open nothing else, and that a run under way is followed to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from oceanpath.ledger_page import views
from oceanpath.ledger_page.app import create_app, follow
from oceanpath.ledger_page.lineage import draw_lineage
from oceanpath.ledger_page.views import LedgerViews
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.workspace import Manifest

from ..reporting.examples import binary_metrics, record

LOCAL = "http://127.0.0.1:8001"
HOSTILE = "<b>&"
EVALUATED = "e" * 32
SUMMARY: dict[str, Any] = {"lines": [], "metrics": {"auroc": 0.8}}


def identity(lr: float = 0.1, **parents: str) -> dict[str, Any]:
    return {
        "version": 1,
        "settings": {"lr": lr},
        "outside": {},
        "parents": parents,
        "across": {},
        "libraries": {},
    }


def add_run(ledger: Ledger, experiment: str, lr: float) -> tuple[int, int]:
    """A run whose training is done and whose evaluation is under way: its number, and that of the evaluation."""
    run = ledger.start_run(experiment, "x.toml", "run x.toml")
    trained = Manifest("train", "stage", 1, f"{lr:.1f}" + "a" * 29, identity(lr), f"{lr:.1f}" + "d" * 29, {}, SUMMARY)
    ledger.add_artifact(trained)
    facts = {"position": 0, "stage": "train", "fingerprint": trained.fingerprint, "state": "ok", "why": ["first run"]}
    ledger.add_step(run, "train", identity(lr), **facts)
    more = {"position": 1, "stage": "eval", "fingerprint": EVALUATED}
    return run, ledger.add_step(run, "eval", identity(train=trained.digest), **more)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs; the second one, of an experiment with markup in its name, is under way."""
    report = binary_metrics()
    report["operating_point"]["slide"]["sensitivity"] = record(0.61)  # the report shows it too
    monkeypatch.setattr(views, "read_metrics", lambda folder: report)
    folder = tmp_path / "runs" / "eval" / EVALUATED
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        first, evaluation = add_run(ledger, "mine", 0.1)
        ledger.add_artifact(replace(Manifest("eval", "stage", 1, EVALUATED, identity(), "b" * 32, {}, SUMMARY)))
        ledger.end_step(evaluation, state="ok", seconds=75.0)
        ledger.end_run(first, "ok")
        add_run(ledger, HOSTILE, 0.2)
    for name in ("mine@transmil", "unknown"):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "report.html").write_text(f"<p>report of {name}</p>")
    return tmp_path


@pytest.fixture
def client(workspace: Path) -> Iterator[TestClient[Any]]:
    with TestClient(create_app(workspace, 8001), base_url=LOCAL) as client:
        yield client


def test_experiments_are_listed_with_their_last_result(client):
    text = client.get("/").text
    assert '<a href="/runs/1">mine</a>' in text and "eval: AUROC 0.800 (0.700 to 0.900)" in text
    assert "&lt;b&gt;&amp;" in text and HOSTILE not in text
    assert '<a href="/reports/mine%40transmil">mine@transmil</a>' in text and "unknown" not in text


def test_a_run_has_its_steps_lineage_and_intervals(client):
    text = client.get("/runs/1").text
    assert "Lineage: train; eval from train" in text and "first run" in text and "1 min 15 s" in text
    assert (
        '<th scope="row">Sensitivity</th><td class="number" data-label="Slides">0.610' in text and "live.js" not in text
    )
    assert "live.js" in client.get("/runs/2").text


def test_two_runs_are_compared(client):
    text = client.get("/comparison", params={"a": 1, "b": 2}).text
    assert "lr: 0.1 -&gt; 0.2" in text and "Run 1" in text and "Run 2" in text


@pytest.mark.parametrize(
    "path",
    [
        *("/runs/3", "/runs/0", "/runs/1/../../ledger.sqlite", "/comparison?a=1&b=9", "/runs/9/events"),
        *("/reports/unknown", "/reports/..%2fledger.sqlite", "/reports/mine", "/ledger.sqlite"),
    ],
)
def test_only_what_the_ledger_has_is_opened(client, path):
    assert client.get(path).status_code == 404


def test_a_report_of_an_experiment_is_opened(client):
    assert client.get("/reports/mine%40transmil").text == "<p>report of mine@transmil</p>"


def test_nothing_can_be_changed_and_other_hosts_are_refused(client):
    assert client.post("/runs/1").status_code == 405
    assert client.get("/", headers={"Host": "localhost:8001"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example:8001"}).status_code == 400
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]


def test_a_run_under_way_is_followed_to_its_end(workspace):
    async def watch() -> list[tuple[str | None, Any]]:
        found = []
        async for message in follow(LedgerViews(workspace), 2, seconds=0.001):
            found.append((message.event, json.loads(str(message.data))))
            if len(found) < 3:
                with Ledger(workspace / "ledger.sqlite") as ledger:
                    if len(found) == 1:
                        ledger.add_part(4, "0", "f" * 32, "ok", 1.0)
                    else:
                        ledger.end_run(2, "interrupted")
        return found

    events = asyncio.run(asyncio.wait_for(watch(), 20))
    assert [event for event, _ in events] == ["progress", "progress", "end"]
    assert [content["steps"][1]["parts"] for _, content in events] == ["", "1 parts ok", "1 parts ok"]
    assert events[-1][1]["steps"][1]["state"] == "interrupted"


def test_steps_are_drawn_after_all_of_their_parents():
    chain = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c", "lost", "a")}
    steps = [
        {
            "name": name,
            "state": "ok",
            "identity": identity() | {"parents": {parent: f"of {parent}" for parent in needs}},
        }
        for name, needs in chain.items()
    ]
    drawn = draw_lineage(steps, {name: f"of {name}" for name in "abcd"})
    places = {node.name: (node.x, node.y) for node in drawn.nodes}
    assert places["a"][0] < places["b"][0] == places["c"][0] < places["d"][0] and places["b"] != places["c"]
    assert [node.needs for node in drawn.nodes] == [(), ("a",), ("a",), ("b", "c", "a")]
    assert len(drawn.edges) == 4, "that d reads a follows from the others"

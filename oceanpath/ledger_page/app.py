"""The HTTP application: pages of experiments, runs, comparisons and reports. It changes nothing.

    GET /                     experiments, runs and reports
    GET /runs/NUMBER          steps, lineage, metrics with intervals
    GET /runs/NUMBER/events   the state of a run under way, as server-sent events
    GET /comparison?a=&b=     two runs compared
    GET /reports/NAME         report.html of an experiment that the ledger has

No path of a request is opened: names and numbers select from what the ledger has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar, MediaType, Response, get
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.datastructures import State
from litestar.exceptions.http_exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from oceanpath.ledger_page.views import LedgerViews
from oceanpath.reporting.page import TEMPLATES as REPORTING
from oceanpath.serving.page import page_response

TEMPLATES = Path(__file__).parent / "templates"
LOCAL_NAMES = ("127.0.0.1", "localhost")
"""Accepted names in the Host header, with the port. This prevents DNS rebinding."""
POLL_SECONDS = 1.0
"""Time between two looks at the ledger during a run."""


def create_app(workspace: Path, port: int) -> Litestar:
    """The application of one workspace, for requests to this port of this machine."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Litestar(
        route_handlers=[experiments, run, events, comparison, report, style, script],
        state=State({"views": LedgerViews(workspace), "templates": environment}),
        allowed_hosts=AllowedHostsConfig(allowed_hosts=[f"{name}:{port}" for name in LOCAL_NAMES]),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _page(state: State, template: str, context: Mapping[str, Any] | None) -> Response[str]:
    """A page. Raises: NotFoundException: there is no context."""
    if context is None:
        raise NotFoundException("The ledger has no such run.")
    return page_response(state["templates"].get_template(template).render(**context))


@get("/", sync_to_thread=False)
def experiments(state: State) -> Response[str]:
    """Experiments, runs and reports."""
    return _page(state, "experiments.html", state["views"].experiments())


@get("/runs/{number:int}", sync_to_thread=False)
def run(state: State, number: FromPath[int]) -> Response[str]:
    """One run."""
    return _page(state, "run.html", state["views"].run(number))


@get("/runs/{number:int}/events", sync_to_thread=False)
def events(state: State, number: FromPath[int]) -> ServerSentEvent:
    """Changes of a run until it ends."""
    if state["views"].progress(number) is None:
        raise NotFoundException("The ledger has no such run.")
    return ServerSentEvent(follow(state["views"], number))


async def follow(
    views: LedgerViews, number: int, seconds: float = POLL_SECONDS
) -> AsyncIterator[ServerSentEventMessage]:
    """One event per change of a run; the last one is named end."""
    last = ""
    while (found := views.progress(number)) is not None:
        text = json.dumps(found)
        is_running = found["state"] == "running"
        if text != last or not is_running:
            yield ServerSentEventMessage(data=text, event="progress" if is_running else "end")
        if not is_running:
            return
        last = text
        await asyncio.sleep(seconds)


@get("/comparison", sync_to_thread=False)
def comparison(state: State, a: FromQuery[int], b: FromQuery[int]) -> Response[str]:
    """Two runs."""
    return _page(state, "comparison.html", state["views"].comparison(a, b))


@get("/reports/{name:str}", sync_to_thread=False)
def report(state: State, name: FromPath[str]) -> Response[str]:
    """The report of an experiment; its own policy blocks everything from outside."""
    path = state["views"].reports().get(name)
    if path is None:
        raise NotFoundException("There is no report of this experiment.")
    return Response(path.read_text(encoding="utf-8"), media_type=MediaType.HTML)


@get("/style.css", media_type=MediaType.CSS, sync_to_thread=False)
def style() -> str:
    """The style of reports, and what only these pages need."""
    return "".join((folder / "style.css").read_text(encoding="utf-8") for folder in (REPORTING, TEMPLATES))


@get("/live.js", media_type="text/javascript", sync_to_thread=False)
def script() -> str:
    """The script of a run under way."""
    return (TEMPLATES / "live.js").read_text(encoding="utf-8")

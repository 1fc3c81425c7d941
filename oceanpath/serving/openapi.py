"""The OpenAPI description of the server: JSON at /schema, and as a page at /docs.

Litestar's own pages load scripts and styles from other servers; /docs is plain HTML.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from litestar.enums import MediaType
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from oceanpath import __version__
from oceanpath.artifacts.bundle.folder import NOTICE
from oceanpath.serving.errors import RequestError
from oceanpath.serving.responses import Problem

FILE = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
ROWS = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.NUMBER)))
TEXT = Schema(type=OpenAPIType.STRING)


def _file(description: str) -> OpenAPIMediaType:
    return OpenAPIMediaType(schema=Schema(type=FILE.type, format=FILE.format, description=description))


def _object(description: str, required: list[str], **properties: Schema) -> OpenAPIMediaType:
    fields: dict[str, Reference | Schema] = dict(properties)
    schema = Schema(type=OpenAPIType.OBJECT, description=description, required=required, properties=fields)
    return OpenAPIMediaType(schema=schema)


BODY = RequestBody(
    description="The patch features of one slide. The format is detected from the first bytes, not the media type.",
    required=True,
    content={
        "application/x-hdf5": _file("A feature file (.h5) with features [N, D] and, if known, coords [N, 2]."),
        "application/x-npy": _file("A NumPy array (.npy) [N, D] of float16, float32 or float64."),
        "application/json": _object(
            "Features as numbers, optionally with coords, slide_id and encoder; or only the slide_id of a slide in the "
            "configured folder, optionally with encoder.",
            [],
            features=ROWS,
            coords=ROWS,
            slide_id=TEXT,
            encoder=TEXT,
        ),
        "multipart/form-data": _object(
            "A form with one of these files and, for an .npy, its coordinates in a second .npy.",
            ["file"],
            file=FILE,
            coords=FILE,
        ),
    },
)
BATCH = RequestBody(
    description="Several slides.",
    required=True,
    content={
        "multipart/form-data": OpenAPIMediaType(
            schema=Schema(
                type=OpenAPIType.OBJECT,
                description="A form with one file per slide; a file without a slide id is named by its file name.",
                additional_properties=FILE,
            )
        ),
        "application/json": _object(
            "Ids of slides in the configured folder.",
            ["slide_ids"],
            slide_ids=Schema(type=OpenAPIType.ARRAY, items=TEXT, min_items=1),
        ),
    },
)


@dataclass
class PredictOperation(Operation):
    """POST /predict; Litestar cannot derive its body, which is read as a stream."""

    def __post_init__(self) -> None:
        self.request_body = BODY


@dataclass
class BatchOperation(Operation):
    """POST /predict/batch; likewise."""

    def __post_init__(self) -> None:
        self.request_body = BATCH


def problem_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """HTTP status → its errors in `oceanpath.serving.errors`; all of them, or those of some statuses."""
    lines: dict[int, list[str]] = defaultdict(list)
    waiting = RequestError.__subclasses__()
    while waiting:
        kind = waiting.pop(0)
        waiting.extend(kind.__subclasses__())
        lines[kind.status].append(f"{kind.code}: {(kind.__doc__ or '').splitlines()[0]}")
    return {
        status: ResponseSpec(Problem, description="\n".join(texts), generate_examples=False)
        for status, texts in sorted(lines.items())
        if not statuses or status in statuses
    }


def openapi_config() -> OpenAPIConfig:
    """The configuration for Litestar."""
    return OpenAPIConfig(
        title="OceanPath",
        version=__version__,
        description=NOTICE,
        path="/schema",
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"], media_type=MediaType.JSON)],
        use_handler_docstrings=True,
    )

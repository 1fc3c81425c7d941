"""Files of the served page, and the content security policy of pages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath

from litestar import MediaType, Response, get
from litestar.exceptions.http_exceptions import NotFoundException
from litestar.params import FromPath

from oceanpath.serving.access import OPEN

POLICY = "; ".join(
    [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data: blob:",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""Only scripts, styles and data of this server; inline ones are blocked."""


TYPES = {".js": "text/javascript", ".css": MediaType.CSS, ".txt": MediaType.TEXT}


def web_file(name: str) -> str:
    """The text of a file in `web`."""
    return (files("oceanpath.serving") / "web" / name).read_text(encoding="utf-8")


def page_response(html: str) -> Response[str]:
    """A page that loads nothing from other servers."""
    return Response(html, media_type=MediaType.HTML, headers={"content-security-policy": POLICY})


@get("/web/{name:str}", sync_to_thread=False, include_in_schema=False, opt=OPEN)
def web_asset(name: FromPath[str]) -> Response[str]:
    """A script, style or licence of the pages; only names of files in `web` are accepted."""
    known = {file.name for file in (files("oceanpath.serving") / "web").iterdir()}
    kind = TYPES.get(PurePosixPath(name).suffix)
    if name not in known or kind is None:
        raise NotFoundException
    return Response(web_file(name), media_type=kind)

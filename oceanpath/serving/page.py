"""Files of the served page, and the content security policy of pages."""

from __future__ import annotations

from importlib.resources import files

from litestar import MediaType, Response

POLICY = "; ".join(
    [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""Only scripts, styles and data of this server; inline ones are blocked."""


def web_file(name: str) -> str:
    """The text of a file in `web`: index.html, app.js or style.css."""
    return (files("oceanpath.serving") / "web" / name).read_text(encoding="utf-8")


def page_response(html: str) -> Response[str]:
    """A page that loads nothing from other servers."""
    return Response(html, media_type=MediaType.HTML, headers={"content-security-policy": POLICY})

"""Pages, and what they may load: themselves."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from litestar import MediaType, Response

PAGE = (files("oceanpath.serving") / "page.html").read_text(encoding="utf-8")


def page_response(html: str) -> Response[str]:
    """A page that may run its own blocks, ask its own server, and load nothing else."""
    return Response(html, media_type=MediaType.HTML, headers={"content-security-policy": content_policy(html)})


def content_policy(html: str) -> str:
    """The policy that lets no other script or style than those of `html` ever run in it."""
    return "; ".join(
        [
            "default-src 'none'",
            "connect-src 'self'",
            "img-src data:",
            f"script-src {_hashes('script', html)}",
            f"style-src {_hashes('style', html)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _hashes(tag: str, html: str) -> str:
    blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"

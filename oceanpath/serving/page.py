"""The page and what it may load: itself."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

PAGE = (files("oceanpath.serving") / "page.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """The content hashes of the page's own blocks, so that no other script or style can ever run in it."""
    blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        f"script-src {_hashes('script')}",
        f"style-src {_hashes('style')}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

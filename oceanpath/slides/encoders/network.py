"""Whether anybody answers at an address, found out in bounded time: clients of the hub try for a minute and more."""

from __future__ import annotations

import ssl
import threading
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, getproxies, urlopen

PATIENCE_S = 8.0


def why_unreachable(url: str, patience_s: float = PATIENCE_S) -> str:
    """Why nobody answers at `url`; "" where somebody does, whatever the answer, or where it cannot be asked from here.

    It is asked through the proxies of the environment; through SOCKS only the hub's client may know a way. Looking up a
    name takes no limit in time, so it is done in a thread that is left behind.
    """
    if not url.startswith(("http://", "https://")) or any(way.startswith("socks") for way in getproxies().values()):
        return ""
    said = [f"no answer from {url} within {patience_s:g} s"]

    def ask() -> None:
        said[:] = [_asked(url, patience_s)]

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience_s)
    return said[0]


def _asked(url: str, patience_s: float) -> str:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=patience_s):
            return ""
    except HTTPError:
        return ""
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        return "" if isinstance(reason, ssl.SSLError) else f"{url}: {reason}"  # the client may trust other certificates

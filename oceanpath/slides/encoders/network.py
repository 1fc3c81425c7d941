"""Whether an address can be reached, within a time limit: clients of the hub retry for a minute or more."""

from __future__ import annotations

import ssl
import threading
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, getproxies, urlopen

LIMIT_S = 8.0


def why_unreachable(url: str, limit_s: float = LIMIT_S) -> str:
    """Why `url` cannot be reached; "" if it responds or cannot be tested by this function.

    Proxies of the environment are used, except SOCKS proxies, which only the hub's client supports. Name resolution
    has no time limit, so it runs in a thread that may outlive this call.
    """
    if not url.startswith(("http://", "https://")) or any(proxy.startswith("socks") for proxy in getproxies().values()):
        return ""
    reason = [f"no answer from {url} within {limit_s:g} s"]

    def request() -> None:
        reason[:] = [_failure(url, limit_s)]

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(limit_s)
    return reason[0]


def _failure(url: str, limit_s: float) -> str:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=limit_s):
            return ""
    except HTTPError:
        return ""
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        return "" if isinstance(reason, ssl.SSLError) else f"{url}: {reason}"  # the client may trust other certificates

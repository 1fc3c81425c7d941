"""A server of objects on the loopback interface with the part of the S3 protocol that readers use.

It answers listings and (ranged) GETs after a fixed delay and at a fixed rate for all requests together, counts requests
and injects faults. Usage: python -m tests.cloud.object_server FOLDER DELAY_MS MB_PER_S, which prints the port.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

PIECE = 1 << 18
ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'


class ObjectServer(ThreadingHTTPServer):
    """Serves ``FOLDER/BUCKET/KEY``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, delay: float = 0.0, rate: float = 0.0) -> None:
        """Delay in seconds before each answer; `rate` in bytes per second, 0 for no limit."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.delay, self.rate = folder, delay, rate
        self.fault = ""
        """``denied``, ``short`` (fewer bytes than requested) or ``ends`` (the connection ends early)."""
        self.ranges: list[str] = []
        """The key and range of each ranged GET."""
        self.most_at_once = 0
        self._at_once, self._free, self._lock = 0, 0.0, threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which clients use this server, without signatures."""
        endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_SKIP_SIGNATURE": "true"}

    def __enter__(self) -> ObjectServer:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def pay(self, count: int) -> None:
        """Wait until `count` more bytes may be sent over the shared link."""
        if self.rate:
            with self._lock:
                self._free = max(self._free, time.monotonic()) + count / self.rate
                free = self._free
            time.sleep(max(0.0, free - time.monotonic()))

    def enter(self, change: int) -> None:
        """Count requests that are being answered."""
        with self._lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectServer

    def do_GET(self) -> None:
        self.server.enter(1)
        try:
            time.sleep(self.server.delay)
            self._answer()
        finally:
            self.server.enter(-1)

    def _answer(self) -> None:
        address = urlsplit(self.path)
        query, path = parse_qs(address.query), self.server.folder / address.path.lstrip("/")
        bucket = address.path.lstrip("/").partition("/")[0]
        if self.server.fault == "denied":
            self._error(403, "AccessDenied")
        elif not (self.server.folder / bucket).is_dir():
            self._error(404, "NoSuchBucket")
        elif "list-type" in query:
            self._list(self.server.folder / bucket, query.get("prefix", [""])[0])
        elif not path.is_file():
            self._error(404, "NoSuchKey")
        elif (match := self.headers.get("If-Match")) and match != _etag(path):
            self._error(412, "PreconditionFailed")
        else:
            self._send_file(path)

    def _send_file(self, path: Path) -> None:
        size, wanted = path.stat().st_size, self.headers.get("Range")
        start, end = 0, size
        if wanted and (match := re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)):
            self.server.ranges.append(f"{path.name} {wanted}")
            start, end = int(match[1]), min(int(match[2]) + 1, size)
            if start >= size:
                self._error(416, "InvalidRange")
                return
        if self.server.fault == "short":
            end -= 1
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", _etag(path))
        self.send_header("Last-Modified", "Sat, 01 Aug 2026 00:00:00 GMT")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            file.seek(start)
            if self.server.fault == "ends":
                self.wfile.write(file.read((end - start) // 2))
                self.close_connection = True
                return
            for first in range(start, end, PIECE):
                count = min(PIECE, end - first)
                self.server.pay(count)
                self.wfile.write(file.read(count))

    def _list(self, bucket: Path, prefix: str) -> None:
        row = "<Contents><Key>{}</Key><LastModified>2026-08-01T00:00:00.000Z</LastModified><ETag>{}</ETag>"
        row += "<Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        folder = bucket / prefix
        files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        texts = (row.format(escape(f"{prefix}{p.name}"), escape(_etag(p)), p.stat().st_size) for p in files)
        head = f"<Name>{bucket.name}</Name><Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>"
        self._send(200, f'<?xml version="1.0"?><ListBucketResult>{head}{"".join(texts)}</ListBucketResult>')

    def _error(self, status: int, code: str) -> None:
        self._send(status, ERROR.format(code=code))

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _etag(path: Path) -> str:
    state = path.stat()
    return f'"{hashlib.md5(f"{state.st_size} {state.st_mtime_ns}".encode()).hexdigest()}"'


if __name__ == "__main__":
    server = ObjectServer(Path(sys.argv[1]), float(sys.argv[2]) / 1e3, float(sys.argv[3]) * 1e6)
    print(server.server_address[1], flush=True)
    server.serve_forever()

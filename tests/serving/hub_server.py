"""A server on loopback with the part of the hub's interface that uploads and downloads use."""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c" * 40
TOKEN = "hf_right"


class HubServer(ThreadingHTTPServer):
    """Repositories in memory; uploads need `TOKEN`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubRequest)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}


class HubRequest(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    server: HubServer

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._send(401, b"{}")
            return
        parts = self.path.split("/")
        if self.path == "/api/repos/create":
            values = json.loads(body)
            name = f"{values['organization']}/{values['name']}"
            self.server.repos.setdefault(name, {})
            self.server.private[name] = values["visibility"] == "private"
            self._json({"url": f"http://{self.headers['Host']}/{name}"})
        elif "preupload" in parts:
            names = [file["path"] for file in json.loads(body)["files"]]
            self._json({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})
        elif "commit" in parts:
            files = self.server.repos["/".join(parts[3:5])]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"http://{self.headers['Host']}/{'/'.join(parts[3:5])}/commit/{COMMIT}"
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self._json({"errors": [], "warnings": []})  # the check of a model card

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        files = self.server.repos.get(name)
        if files is None:
            self._send(404, b"{}", **{"X-Error-Code": "RepoNotFound"})
        elif parts[0] == "api":
            self._json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]})
        else:
            content = files[parts[-1]]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self._send(200, content, **{"X-Repo-Commit": COMMIT, "ETag": etag})

    def _json(self, values: dict[str, Any]) -> None:
        self._send(200, json.dumps(values).encode(), **{"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

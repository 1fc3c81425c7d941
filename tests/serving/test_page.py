"""The OpenAPI description is complete, pages load only files of the server, and colours match the legend."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import urllib.request
from email.message import Message
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from oceanpath.serving import errors
from oceanpath.serving.errors import RequestError
from oceanpath.serving.page import web_file

from ..narrowing import required
from .conftest import DIM, Server


def body() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, DIM), np.float32))
    return buffer.getvalue()


def test_the_schema_describes_every_request_and_answer(server: Server) -> None:
    status, schema = server.ask("/schema")
    assert status == 200 and schema["openapi"].startswith("3.")
    of_models = ["/model-card", "/predict", "/predict/batch"]
    every = [
        prefix + path for path in of_models for prefix in ("", "/models/{name}", "/models/{name}/versions/{version}")
    ]
    every += ["/model", "/models/{name}", "/models/{name}/versions/{version}"]
    every += ["/health", "/ready", "/metrics", "/models", "/slides"]
    of_slides = ["image", "image.dzi", "image_files/{level}/{tile}", "patch"]
    every += [f"/slides/{{slide_id}}/{leaf}" for leaf in of_slides]
    assert {path for path in schema["paths"] if not path.startswith("/v2")} == set(every)
    assert {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{name}/infer"} <= set(schema["paths"])
    predict = schema["paths"]["/predict"]["post"]
    assert {"application/x-hdf5", "application/x-npy", "application/json", "multipart/form-data"} == set(
        predict["requestBody"]["content"]
    )
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RequestError)]
    for kind in kinds:
        assert kind is RequestError or kind.code in predict["responses"][str(kind.status)]["description"]
    assert server.ask("/schema/openapi.json")[1] == schema


@pytest.mark.parametrize(("path", "name"), [("/health", "Health"), ("/predict?attention=1", "Answer")])
def test_an_answer_has_the_fields_of_the_schema(server: Server, path: str, name: str) -> None:
    found = server.ask(path, body() if "predict" in path else None)[1]
    fields = server.ask("/schema")[1]["components"]["schemas"][name]
    assert set(fields["required"]) <= set(found) <= set(fields["properties"])


def test_an_error_has_the_fields_of_the_schema(server: Server) -> None:
    found = server.ask("/predict", b"II*\0")[1]
    fields = server.ask("/schema")[1]["components"]["schemas"]["Fault"]
    assert set(fields["required"]) == {"status", "code", "message"}
    assert set(fields["required"]) <= set(found["error"]) <= set(fields["properties"])


LOADED = {
    "/": ["web/style.css", "web/app.js", "#content", "docs", "schema"],
    "/docs": ["web/style.css", "./", "schema"],
}
LIBRARY, LICENCE = "openseadragon.min.js", "openseadragon.LICENSE.txt"
WEB = {file.name for file in (files("oceanpath.serving") / "web").iterdir()} - {"index.html", LIBRARY, LICENCE}


def text_of(url: str) -> tuple[str, Message]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode(), reply.headers


@pytest.mark.parametrize("path", LOADED)
def test_a_page_loads_only_files_of_the_server(server: Server, path: str) -> None:
    page, headers = text_of(server.url + path)
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert not re.search(r"https?://", page.replace(server.url, ""))
    assert re.findall(r'(?:src|href)="([^"]*)"', page.replace('href="data:,"', "")) == LOADED[path]
    assert not re.search(r"<style|<script>|\bstyle=|\bon\w+=", page), "inline styles and scripts are blocked"


@pytest.mark.parametrize("name", sorted(WEB))
def test_scripts_and_styles_refer_to_no_other_server(server: Server, name: str) -> None:
    text, headers = text_of(f"{server.url}/web/{name}")
    assert text == web_file(name)
    assert headers["Content-Type"].startswith("text/css" if name.endswith(".css") else "text/javascript")
    assert not re.search(r"https?:|@import|url\(|\beval\b|innerHTML|[\"'`]//", text.replace(SVG_NAMES, ""))
    assert set(re.findall(r'from "\./(.*?)"', text)) <= WEB


def test_openseadragon_is_the_published_file_with_its_licence(server: Server) -> None:
    """The digest is that of build/openseadragon/openseadragon.min.js in openseadragon 6.1.1 on npm."""
    text, headers = text_of(f"{server.url}/web/{LIBRARY}")
    assert headers["Content-Type"].startswith("text/javascript")
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "14d587cd3ee7c4861f1a41077ce642029364a21029956ba635bd8fb1202cf9ad"
    )
    assert "Redistributions in binary form must reproduce" in text_of(f"{server.url}/web/{LICENCE}")[0]


@pytest.mark.parametrize("name", ["missing.js", "index.html", "..%2fpage.py", "%2e%2e%2fapp.py"])
def test_only_scripts_and_styles_of_the_page_are_files_of_the_server(server: Server, name: str) -> None:
    assert server.ask(f"/web/{name}")[0] == 404


def test_the_api_reference_has_every_request_and_field(server: Server) -> None:
    page, _ = text_of(server.url + "/docs")
    for word in ("POST /predict", "GET /health", "GET /model", "unknown_format", "probabilities", "application/x-npy"):
        assert word in page
    assert f"curl --data-binary @slide.h5 {server.url}/predict" in page


SVG_NAMES = "http://www.w3.org/2000/svg"
"""Identifies the elements of SVG; browsers do not request it."""
COLOURS = """
<pre id="out"></pre><script>
%s
const attention = %s;
const out = {};
for (const logarithmic of [false, true]) {
  const scale = scaleOf(attention, logarithmic);
  out[logarithmic] = {...scale, colours: attention.map((a) => colour(scale.position(a)))};
}
document.getElementById("out").textContent = JSON.stringify(out);
</script>
"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium")
def test_colours_show_the_attention_and_not_its_rank(tmp_path: Path) -> None:
    assert CHROMIUM
    script = re.sub(r"^import .*?;$|^export ", "", web_file("dom.js") + web_file("scale.js"), flags=re.MULTILINE)
    page = tmp_path / "colours.html"
    page.write_text(COLOURS % (script, [0.621, 0.019, 0.3105, 0.0]))
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/user",
        "--dump-dom",
        str(page),
    ]
    html = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    scales = json.loads(required(re.search(r"<pre.*?>(.*?)</pre>", html, re.DOTALL))[1].replace("&nbsp;", " "))
    linear, logarithmic = scales["false"], scales["true"]
    most, little, half, none = linear["colours"]
    assert (most, half, none) == ([253, 231, 37], [38, 144, 137], [68, 1, 84])
    assert linear["ticks"] == ["0.0 %", "31.1 %", "62.1 %"]
    assert np.abs(np.subtract(most, little)).max() > 150
    assert logarithmic["colours"][0] == most and logarithmic["colours"][1] == none and logarithmic["colours"][3] == none
    assert logarithmic["ticks"][0] == "1.9 %" and "Lower attention has the colour of 1.9" in logarithmic["clipped"]

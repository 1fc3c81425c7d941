"""The interface describes itself, its pages load nothing from elsewhere, and colours mean what the legend says."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from oceanpath.serving import errors as problems
from oceanpath.serving.errors import RequestError
from oceanpath.serving.page import PAGE

from .conftest import DIM, Server


def body() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, DIM), np.float32))
    return buffer.getvalue()


def test_the_schema_describes_every_request_and_answer(server: Server) -> None:
    status, schema = server.ask("/schema")
    assert status == 200 and schema["openapi"].startswith("3.")
    assert set(schema["paths"]) == {"/health", "/model", "/predict"}
    predict = schema["paths"]["/predict"]["post"]
    assert {"application/x-hdf5", "application/x-npy", "application/json", "multipart/form-data"} == set(
        predict["requestBody"]["content"]
    )
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, RequestError)]
    for kind in kinds:
        assert kind is RequestError or kind.code in predict["responses"][str(kind.status)]["description"]
    assert server.ask("/schema/openapi.json")[1] == schema


@pytest.mark.parametrize(("path", "name"), [("/health", "Health"), ("/predict?attention=1", "Answer")])
def test_an_answer_has_the_fields_that_the_schema_says(server: Server, path: str, name: str) -> None:
    found = server.ask(path, body() if "predict" in path else None)[1]
    fields = server.ask("/schema")[1]["components"]["schemas"][name]
    assert set(fields["required"]) <= set(found) <= set(fields["properties"])


def test_a_problem_has_the_fields_that_the_schema_says(server: Server) -> None:
    found = server.ask("/predict", b"II*\0")[1]
    fields = server.ask("/schema")[1]["components"]["schemas"]["Fault"]
    assert set(fields["required"]) == {"status", "code", "message"}
    assert set(fields["required"]) <= set(found["error"]) <= set(fields["properties"])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(server: Server, path: str) -> None:
    with urllib.request.urlopen(server.url + path, timeout=10) as reply:
        page, policy = reply.read().decode(), reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "style-src 'sha256-" in policy
    assert not re.search(r"https?://|@import|url\(", page.replace(server.url, ""))
    assert re.findall(r'(?:src|href)="([^"]*)"', page.replace('href="data:,"', "")) in (
        ["docs", "schema"],
        ["/", "/schema"],
    )


def test_the_page_of_the_interface_names_every_request_and_field(server: Server) -> None:
    with urllib.request.urlopen(server.url + "/docs", timeout=10) as reply:
        page = reply.read().decode()
    for word in ("POST /predict", "GET /health", "GET /model", "unknown_format", "probabilities", "application/x-npy"):
        assert word in page
    assert f"curl --data-binary @slide.h5 {server.url}/predict" in page


COLOURS = """
<pre id="out"></pre><script>
%s
const attention = %s;
const out = {};
for (const logarithmic of [false, true]) {
  const scale = scaleOf(attention, logarithmic);
  out[logarithmic] = {...scale, colours: attention.map((a) => colour(scale.place(a)))};
}
document.getElementById("out").textContent = JSON.stringify(out);
</script>
"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium")
def test_colours_follow_the_attention_and_not_its_rank(tmp_path: Path) -> None:
    script = re.search(r"<script>(.*?)</script>", PAGE, flags=re.DOTALL)
    assert script and CHROMIUM
    parts = re.findall(
        r"(?:const percent = .*?;\n|const (?:STOPS|TICKS).*?;\n|function (?:colour|scaleOf).*?\n}\n)",
        script[1],
        re.DOTALL,
    )
    page = tmp_path / "colours.html"
    page.write_text(COLOURS % ("".join(parts), [0.621, 0.019, 0.3105, 0.0]))
    ask = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/user",
        "--dump-dom",
        str(page),
    ]
    said = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=True).stdout
    found = json.loads(re.search(r"<pre.*?>(.*?)</pre>", said, re.DOTALL)[1].replace("&nbsp;", " "))
    linear, logarithmic = found["false"], found["true"]
    most, little, half, none = linear["colours"]
    assert (most, half, none) == ("rgb(253,231,37)", "rgb(38,144,137)", "rgb(68,1,84)")
    assert linear["ticks"] == ["0.0 %", "31.1 %", "62.1 %"]
    assert np.abs(np.subtract(*([int(n) for n in re.findall(r"\d+", c)] for c in (most, little)))).max() > 150
    assert logarithmic["colours"][0] == most and logarithmic["colours"][1] == none and logarithmic["colours"][3] == none
    assert logarithmic["ticks"][0] == "1.9 %" and "Smaller shares" in logarithmic["clipped"]

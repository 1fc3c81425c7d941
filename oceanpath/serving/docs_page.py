"""The OpenAPI description as one HTML page in the look of the page at /, with no program in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from oceanpath.serving.page import PAGE

STYLE = re.search(r"<style>.*?</style>", PAGE, flags=re.DOTALL)
Json = Mapping[str, Any]


def render_docs(schema: Json, address: str) -> str:
    """The page of an OpenAPI document as Litestar makes it; the examples use the `address` of the server."""
    parts = [
        f'<section class="card"><h2><code>{method.upper()} {escape(path)}</code></h2>'
        f"<p><code>{_example(method, address + path)}</code></p>{_operation(schema, operation)}</section>"
        for path, methods in sorted(schema["paths"].items())
        for method, operation in methods.items()
    ]
    info = schema["info"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])} {escape(info["version"])}: the interface</title>
<link rel="icon" href="data:,">
{STYLE[0] if STYLE else ""}
</head>
<body>
<header>
  <p class="brand"><a href="/">{escape(info["title"])} {escape(info["version"])}</a></p>
  <h1>The interface</h1>
  <p class="soft">{escape(info["description"])} The same for programs, as OpenAPI: <a href="/schema">/schema</a></p>
</header>
<main>{"".join(parts)}</main>
</body>
</html>
"""


def _example(method: str, url: str) -> str:
    return escape(f"curl {url}" if method == "get" else f"curl --data-binary @slide.h5 {url}")


def _operation(schema: Json, operation: Json) -> str:
    """What one request takes and gives."""
    asked = [(p["name"], _type(p["schema"]), p.get("description", "")) for p in operation.get("parameters", ())]
    body = operation.get("requestBody", {})
    forms = [
        (name, _type(one["schema"]), one["schema"].get("description", ""))
        for name, one in body.get("content", {}).items()
    ]
    good = _target(schema, operation["responses"]["200"]["content"]["application/json"]["schema"])
    fields = [(name, _type(one), one.get("description", "")) for name, one in good.get("properties", {}).items()]
    problems = [
        (status, "", answer["description"]) for status, answer in operation["responses"].items() if status != "200"
    ]
    return "".join(
        [
            f"<p>{escape(operation.get('description') or '')}</p>",
            _table("In the query", asked),
            _table(f"Body: {body.get('description', '')}", forms),
            _table("The answer (200)", fields),
            _table("Errors", problems),
        ]
    )


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = [
        f"<dt><code>{escape(name)}</code></dt><dd>{'<br>'.join(map(escape, text.splitlines()))}"
        f' <span class="soft">{escape(kind)}</span></dd>'
        for name, kind, text in rows
    ]
    return f"<h3>{escape(title)}</h3><dl>{''.join(lines)}</dl>" if lines else ""


def _target(schema: Json, one: Json) -> Json:
    """What a reference points to, or the schema itself."""
    found: Json = schema["components"]["schemas"][one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one
    return found


def _type(one: Json) -> str:
    """The type in a word or two."""
    if "$ref" in one:
        return str(one["$ref"]).rsplit("/", 1)[-1]
    if "allOf" in one:
        return _type(one["allOf"][0])
    if "oneOf" in one:
        return " or ".join(_type(choice) for choice in one["oneOf"])
    if one.get("type") == "array":
        return f"list of {_type(one.get('items', {}))}"
    if isinstance(one.get("additionalProperties"), Mapping) and one["additionalProperties"]:
        return f"object of {_type(one['additionalProperties'])}"
    default = f", default {json.dumps(one['default'])}" if one.get("default") not in (None, "") else ""
    return f"{one.get('format') or one.get('type', '')}{default}"

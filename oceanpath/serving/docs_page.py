"""The OpenAPI description as an HTML page without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]


def render_docs(schema: Json, address: str) -> str:
    """The page of an OpenAPI document of Litestar; the examples use the `address` of the server."""
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
<title>{escape(info["title"])} {escape(info["version"])}: API reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="web/style.css">
</head>
<body>
<header>
  <p class="brand"><a href="./">{escape(info["title"])} {escape(info["version"])}</a></p>
  <h1>API reference</h1>
  <p class="soft">{escape(info["description"])} Machine-readable: <a href="schema">OpenAPI description</a></p>
</header>
<main>{"".join(parts)}</main>
</body>
</html>
"""


def _example(method: str, url: str) -> str:
    return escape(f"curl {url}" if method == "get" else f"curl --data-binary @slide.h5 {url}")


def _operation(schema: Json, operation: Json) -> str:
    """Parameters, body, response and errors of one operation."""
    query = [(p["name"], _type(p["schema"]), p.get("description", "")) for p in operation.get("parameters", ())]
    body = operation.get("requestBody", {})
    forms = [
        (name, _type(form["schema"]), form["schema"].get("description", ""))
        for name, form in body.get("content", {}).items()
    ]
    errors = [
        (status, "", answer["description"]) for status, answer in operation["responses"].items() if status != "200"
    ]
    return "".join(
        [
            f"<p>{escape(operation.get('description') or '')}</p>",
            _table("Query parameters", query),
            _table(f"Body: {body.get('description', '')}", forms),
            *(_table(title, fields) for title, fields in _responses(schema, operation)),
            _table("Errors", errors),
        ]
    )


def _responses(schema: Json, operation: Json) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The kinds of responses of an operation: title and fields."""
    for media_type, content in operation["responses"]["200"]["content"].items():
        for choice in content["schema"].get("oneOf", [content["schema"]]):
            response = _resolve(schema, choice.get("items", choice))
            fields = [
                (name, _type(part), part.get("description", ""))
                for name, part in response.get("properties", {}).items()
            ]
            yield f"Response (200): {_type(choice)}, {media_type}", fields or [("body", media_type, "")]


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = [
        f"<dt><code>{escape(name)}</code></dt><dd>{'<br>'.join(map(escape, text.splitlines()))}"
        f' <span class="soft">{escape(kind)}</span></dd>'
        for name, kind, text in rows
    ]
    return f"<h3>{escape(title)}</h3><dl>{''.join(lines)}</dl>" if lines else ""


def _resolve(schema: Json, part: Json) -> Json:
    """The target of a reference, or the part itself."""
    target: Json = schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part
    return target


def _type(part: Json) -> str:
    """The type in one or two words."""
    if "$ref" in part:
        return str(part["$ref"]).rsplit("/", 1)[-1]
    if "allOf" in part:
        return _type(part["allOf"][0])
    if "oneOf" in part:
        return " or ".join(_type(choice) for choice in part["oneOf"])
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}))}"
    if isinstance(part.get("additionalProperties"), Mapping) and part["additionalProperties"]:
        return f"object of {_type(part['additionalProperties'])}"
    default = f", default {json.dumps(part['default'])}" if part.get("default") not in (None, "") else ""
    return f"{part.get('format') or part.get('type', '')}{default}"

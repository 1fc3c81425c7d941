"""Descriptions of settings, read from the docstrings below their fields.

Pydantic can read them when a class is created, which would add a third to the start of every command. Here they are
read when a schema is requested.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator

from oceanpath.settings import Settings


def describe(settings: type[Settings]) -> None:
    """Give every field of a settings class its docstring as description."""
    texts = docstrings(settings)
    for name, field in settings.model_fields.items():
        field.description = texts.get(name)
    settings.model_rebuild(force=True)


def docstrings(settings: type[Settings]) -> dict[str, str]:
    """Field → its docstring, or that of the same field of a base class."""
    texts: dict[str, str] = {}
    for part in reversed(settings.__mro__):
        if issubclass(part, Settings) and part is not Settings:
            texts |= dict(_documented(part))
    return texts


def _documented(settings: type[Settings]) -> Iterator[tuple[str, str]]:
    body = ast.parse(textwrap.dedent(inspect.getsource(settings))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            yield field.target.id, inspect.cleandoc(text.value.value)

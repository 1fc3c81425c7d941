"""The contents of an experiment file as flat layers: dotted key → value and its source."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.positions import position, positions

VARIANT = "variant"
TABLE = object()
"""The value of a key that is a table."""


@dataclass(frozen=True)
class Value:
    """One value of one key."""

    value: Any
    origin: str
    """File name with line and column, or the option that set it."""
    base: Path
    """Folder to which a relative path in this value refers."""


Layer = Mapping[str, Value]


@dataclass(frozen=True)
class Text:
    """The contents of a file: its own layer over those of the files it extends, and its variants in order."""

    path: Path
    layer: Layer = field(default_factory=dict)
    variants: tuple[tuple[str, Layer], ...] = ()


def read(path: Path, seen: tuple[Path, ...] = ()) -> Text:
    """Read a TOML file and everything it extends.

    Raises: ExperimentError: missing file, invalid TOML, files that extend each other, a variant without a name.
    """
    path = path.resolve()
    if path in seen:
        raise ExperimentError("files extend each other in a cycle", where=path, got=" -> ".join(p.name for p in seen))
    text = _text(path)
    document, places = _parse(path, text), positions(text, VARIANT)
    base = Text(path)
    if "extends" in document:
        base = read(path.parent / str(document.pop("extends")), (*seen, path))
    variants = document.pop(VARIANT, [])
    layer = {**base.layer, **_located(flatten(document, path.name, path.parent), path.name, places)}
    own = tuple(_variant(entry, path, places, f"{VARIANT}.{number}.") for number, entry in enumerate(variants))
    names = [name for name, _ in (*base.variants, *own)]
    if wrong := sorted({name for name in names if names.count(name) > 1 or name == "base"}):
        raise ExperimentError("variant names must differ, and none may be 'base'", where=path.name, got=wrong)
    return Text(path, layer, (*base.variants, *own))


def overrides(pairs: Iterable[str]) -> Layer:
    """The layer of ``--set table.key=value`` options; paths in it are relative to the current folder."""
    layer: dict[str, Value] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ExperimentError("an override must have the form table.key=value", where="--set", got=pair)
        layer |= flatten(_nested(key.strip(), _literal(text.strip())), f"--set {key.strip()}", Path.cwd())
    return layer


def flatten(tree: Mapping[str, Any], origin: str, base: Path, prefix: str = "") -> dict[str, Value]:
    """Dotted keys of a nested mapping; a top-level table also has its own name as a key, since it may be empty."""
    flat: dict[str, Value] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            if not prefix:
                flat[key] = Value(TABLE, origin, base)
            flat |= flatten(value, origin, base, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = Value(value, origin, base)
    return flat


def table(layer: Layer, name: str) -> dict[str, Value]:
    """Keys of one table, without the table's name."""
    return {key[len(name) + 1 :]: value for key, value in layer.items() if key.startswith(f"{name}.")}


def unflatten(layer: Layer) -> dict[str, Any]:
    """The nested mapping behind a flat layer, values only."""
    tree: dict[str, Any] = {}
    for key, value in layer.items():
        node = tree
        *folders, leaf = key.split(".")
        for folder in folders:
            if not isinstance(node.get(folder), dict):  # a value that a later table replaces
                node[folder] = {}
            node = node[folder]
        node[leaf] = value.value
    return tree


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ExperimentError("this is not valid TOML", where=path, got=error) from error


def _text(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises: ExperimentError: it is missing, or not in UTF-8."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ExperimentError("the experiment file does not exist", where=path) from error
    except OSError as error:
        raise ExperimentError("the experiment file cannot be read", where=path, got=error) from error
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]
    try:
        if not wide:
            return raw.decode("utf-8-sig")
        got: object = "UTF-16"
    except UnicodeDecodeError as error:
        got = error
    raise ExperimentError("the experiment file is not in UTF-8", where=path, got=got, do="Save it as UTF-8.")


def _located(layer: Layer, name: str, places: Mapping[str, str], prefix: str = "") -> dict[str, Value]:
    """The layer with the line and column of each key after the name of its file."""
    found = {key: position(places, prefix + key) for key in layer}
    return {
        key: replace(value, origin=value.origin.replace(name, f"{name}:{found[key]}", 1)) if found[key] else value
        for key, value in layer.items()
    }


def _variant(entry: Any, path: Path, places: Mapping[str, str], prefix: str) -> tuple[str, Layer]:
    if not isinstance(entry, dict) or not str(entry.get("name", "")).strip():
        raise ExperimentError("every [[variant]] needs a name", where=path.name, got=entry)
    body = {key: value for key, value in entry.items() if key != "name"}
    flat = flatten(body, f"{path.name} variant {entry['name']}", path.parent)
    return str(entry["name"]), _located(flat, path.name, places, prefix)


def _literal(text: str) -> Any:
    """The TOML value of a text, otherwise the text itself: ``--set model.name=static`` needs no quotes."""
    try:
        return tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text


def _nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    nested: dict[str, Any] = value
    return nested

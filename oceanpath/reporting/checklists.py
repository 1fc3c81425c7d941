"""TRIPOD+AI and CLAIM: which items the published files answer, and which a person must write.

A checklist is a TOML file with one ``[[item]]`` per item: ``number``, ``topic``, ``asks``, ``section`` (the part of the
page), ``texts`` (sentences of `fill`; the first whose values all exist is used), ``person`` (what a person must add)
and ``otherwise`` (why the item does not apply if no sentence can be filled).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oceanpath.reporting.documents import Documents
from oceanpath.reporting.fill import Filled, fill

FILLED, NEEDS_YOU, NOT_APPLICABLE = "filled", "needs you", "not applicable"
CHECKLISTS = {"TRIPOD+AI": "tripod_ai.toml", "CLAIM": "claim.toml"}
"""Title → file in this folder."""


@dataclass(frozen=True)
class Item:
    """One item of a checklist."""

    number: str
    topic: str
    asks: str
    section: str
    status: str
    text: str
    """What the published files state; a draft if the item also needs a person."""
    person: str
    citations: tuple[str, ...]


def read_checklist(title: str) -> list[dict[str, Any]]:
    """The items of a checklist as they are declared."""
    path = Path(__file__).parent / CHECKLISTS[title]
    items: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["item"]
    return items


def fill_checklist(title: str, documents: Documents, words: Mapping[str, str]) -> list[Item]:
    """Every item with its status; ``$main`` in a sentence is replaced by ``words["main"]``, and so on."""
    return [_item(entry, documents, words) for entry in read_checklist(title)]


def _item(entry: Mapping[str, Any], documents: Documents, words: Mapping[str, str]) -> Item:
    texts = [_with_words(text, words) for text in entry.get("texts", ())]
    filled = next((one for text in texts if (one := fill(text, documents)) is not None), None)
    person, otherwise = entry.get("person", ""), entry.get("otherwise", "")
    if filled is None and otherwise:
        return _made(entry, NOT_APPLICABLE, Filled(otherwise, ()), "")
    status = FILLED if filled is not None and not person else NEEDS_YOU
    return _made(entry, status, filled or Filled("", ()), person or ("" if filled else entry["asks"]))


def _made(entry: Mapping[str, Any], status: str, filled: Filled, person: str) -> Item:
    about = {key: entry[key] for key in ("number", "topic", "asks", "section")}
    return Item(**about, status=status, text=filled.text, person=person, citations=filled.citations)


def _with_words(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"${name}", word)
    return text

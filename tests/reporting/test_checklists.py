"""Checklists: every filled item cites the keys of its values, and changes with each of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from oceanpath.reporting.checklists import (
    CHECKLISTS,
    FILLED,
    NEEDS_YOU,
    NOT_APPLICABLE,
    Item,
    fill_checklist,
    read_checklist,
)
from oceanpath.reporting.documents import Documents
from oceanpath.reporting.fill import fill
from oceanpath.reporting.page import experiment_page
from oceanpath.reporting.readings import declared
from oceanpath.tasks.ordinal import Ordinal
from oceanpath.tasks.regression import Regression
from oceanpath.tasks.survival_evaluation import SurvivalEvaluation

from .examples import documents, metrics, record, survival_documents

WORDS = {"main": "auroc", "title": "AUROC"}


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, list):
        return [*value, "added"]
    return {**value, "value": value["value"] + 0.05} if "value" in value else {**value, "added": 1}


def with_change(source: Documents, citation: str) -> Documents:
    """The documents with another value of one key."""
    label, _, keys = citation.partition("#")
    files = copy.deepcopy(dict(source.files))
    holder, parts = files[label], keys.split(".")
    for key in parts[:-1]:
        holder = holder[int(key)] if isinstance(holder, list) else holder[key]
    last: Any = int(parts[-1]) if isinstance(holder, list) else parts[-1]
    old = holder[last]
    is_counts = isinstance(old, dict) and all(isinstance(own, dict) and "patients" in own for own in old.values())
    holder[last] = {**old, "added": {"patients": 1}} if is_counts else changed(old)
    return Documents(source.name, files, source.folders)


def items(title: str, source: Documents) -> list[Item]:
    return fill_checklist(title, source, WORDS)


def cases() -> list[Any]:
    own = documents()
    external = {"external.b/metrics.json": metrics("auroc", ("auroc",), external="b")}
    more = Documents(own.name, {**own.files, **external}, own.folders)
    return [
        pytest.param(source, title, number, citation, id=f"{title} {item.number} {citation}")
        for source in (own, more)
        for title in CHECKLISTS
        for number, item in enumerate(items(title, source))
        for citation in item.citations
        if source is own or "external" in citation
    ]


@pytest.mark.parametrize(("source", "title", "number", "citation"), cases())
def test_the_text_of_an_item_changes_with_every_value_that_it_cites(
    source: Documents, title: str, number: int, citation: str
) -> None:
    before, after = items(title, source)[number], items(title, with_change(source, citation))[number]
    assert after.text != before.text


def test_twenty_items_or_more_are_filled_or_drafted() -> None:
    for source, words in ((documents(), WORDS), (survival_documents(), {"main": "c_index", "title": "C-index"})):
        for title in CHECKLISTS:
            found = fill_checklist(title, source, words)
            assert sum(bool(item.text) and item.status != NOT_APPLICABLE for item in found) >= 20


def test_filled_items_cite_keys_and_open_ones_state_what_a_person_must_write() -> None:
    for title in CHECKLISTS:
        for item in items(title, documents()):
            assert item.status in (FILLED, NEEDS_YOU, NOT_APPLICABLE)
            assert bool(item.citations) == (bool(item.text) and item.status != NOT_APPLICABLE)
            assert bool(item.person) == (item.status == NEEDS_YOU)


def test_numbers_of_a_checklist_are_unique_and_sections_exist() -> None:
    page = experiment_page(documents())
    for title in CHECKLISTS:
        entries = read_checklist(title)
        assert len({entry["number"] for entry in entries}) == len(entries)
        assert all(f'<section id="{entry["section"]}">' in page for entry in entries)


def test_no_text_claims_conformity() -> None:
    page = experiment_page(documents()).lower()
    assert "this is no statement of conformity" in page
    for claim in ("complies", "compliant", "conforms", "in accordance with"):
        assert claim not in page


def test_a_sentence_without_one_of_its_values_is_not_used() -> None:
    assert fill("{eval/metrics.json#repeats} and {eval/metrics.json#nothing}", documents()) is None
    assert fill("{eval/metrics.json#ensemble}", documents()) is None
    filled = fill("{eval/metrics.json#level.slide.auroc|estimate}", documents())
    assert filled is not None and filled.text == "0.800 (0.700 to 0.900)"


def test_every_metric_of_every_task_has_a_reading() -> None:
    for name in {
        *Ordinal.metrics,
        *Regression.metrics,
        *SurvivalEvaluation.metrics,
        "sensitivity",
        "ppv",
        "log_rank_p",
    }:
        assert {"title", "other"} <= declared()[name].keys()


def test_a_record_without_an_interval_is_printed_as_its_value() -> None:
    own = documents()
    own.files["eval/metrics.json"]["level"]["slide"]["auroc"] = record(0.5, low=None)
    filled = fill("{eval/metrics.json#level.slide.auroc|estimate}", own)
    assert filled is not None and filled.text == "0.500"

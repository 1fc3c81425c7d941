"""Matching of table rows and slides: by the whole id, or by a part of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from oceanpath.errors import ExperimentError

RULES = (
    r"^TCGA-\w\w-\w{4}-\w{3}-\w\w-\w{3}",
    r"^TCGA-\w\w-\w{4}-\w{3}",
    r"^TCGA-\w\w-\w{4}",
    r"^(.+?)[-_. ]*(?:features?|feats?|patches|embeddings?)$",
    r"^[^.]+",
    r"^(.+)_[^_]*$",
    r"^[^_]+",
    r"^[^ ]+",
    r"[^_]+$",
    r"0*(\d+)$",
)
"""Parts of ids that are tried if no id matches: TCGA barcodes, names without the additions of tools, without zeros.

A part that is not the beginning of an id may also occur in another cohort, so it must be the whole id on one side.
"""
MAX_SHOWN = 3


def id_key(pattern: str) -> Callable[[str], str]:
    """A function that returns the part of an id to compare.

    This is the first group of `pattern`, or its whole match, or the id if it does not match or the pattern is empty.
    """
    compiled = re.compile(pattern)

    def key(name: str) -> str:
        matched = compiled.search(name) if pattern else None
        if matched is None:
            return name
        return matched[1] if compiled.groups and matched[1] is not None else matched[0]

    return key


def match(ids: Iterable[str], known: Iterable[str], pattern: str = "") -> dict[str, str]:
    """Id of a table → id of a slide, for those that match by `pattern`.

    Raises: ExperimentError: several ids of the table, or of the slides, have the same part.
    """
    rows, slides = _by_key(ids, pattern), _by_key(known, pattern)
    shared = rows.keys() & slides.keys()
    if ambiguous := [names for key in shared for names in (rows[key], slides[key]) if len(names) > 1]:
        got = "; ".join(", ".join(sorted(names)[:MAX_SHOWN]) for names in sorted(ambiguous)[:MAX_SHOWN])
        do = "Use an expression that distinguishes these ids."
        raise ExperimentError("several ids match each other", where="data.match_ids", got=got, do=do)
    return {rows[key][0]: slides[key][0] for key in shared}


def likely_pattern(ids: Collection[str], known: Collection[str]) -> tuple[str, int]:
    """The expression of `RULES` by which most ids match exactly one other id, and their number."""
    return max(((rule, _matches(ids, known, rule)) for rule in RULES), key=lambda item: item[1])


def other_cohort(ids: Collection[str], known: Collection[str], where: object) -> ExperimentError:
    """The error for a table without any known id, with an expression that would match, if there is one."""
    examples = f"the table has {_examples(ids)}, the slides or features have {_examples(known)}"
    do = "Is this the table of another cohort?"
    rule, count = likely_pattern(ids, known)
    begun = sum(any(name.startswith(key) for name in known) for key in list(ids)[:100]) if not count else 0
    if 2 * count >= min(len(ids), len(known)):
        do = f"{count} would match with data.match_ids = '{rule}'."
    elif _folded(ids) & _folded(known):
        do = "They would match if case were ignored: use the same spelling in both."
    elif 2 * begun >= min(len(ids), 100):
        do = "Ids of the table are the beginning of several names: the table needs one row per slide."
    return ExperimentError(f"0 of {len(ids)} ids match: {examples}", where=where, do=do)


def _matches(ids: Iterable[str], known: Iterable[str], pattern: str) -> int:
    """Number of ids that would match exactly one other id."""
    rows, slides = _by_key(ids, pattern), _by_key(known, pattern)
    same = [key for key in rows.keys() & slides.keys() if len(rows[key]) == len(slides[key]) == 1]
    whole = any(all(side[key] == [key] for key in same) for side in (rows, slides))
    return len(same) if pattern.startswith("^") or whole else 0


def _by_key(ids: Iterable[str], pattern: str) -> dict[str, list[str]]:
    key, groups = id_key(pattern), defaultdict[str, list[str]](list)
    for name in ids:
        groups[key(name)].append(name)
    return groups


def _folded(ids: Iterable[str]) -> set[str]:
    return {name.casefold() for name in ids}


def _examples(ids: Collection[str]) -> str:
    return ", ".join(repr(name) for name in sorted(ids)[:MAX_SHOWN]) + (", …" if len(ids) > MAX_SHOWN else "")

"""Which slide of a folder a row of a table means: the one with the same id, or with the same part of it."""

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
"""Parts of ids that are tried where nothing matches: barcodes of TCGA, what tools append, what files and tables pad.

What is not the beginning of an id may be the same in another cohort, so it must be all of the ids of one side.
"""
SHOWN = 3


def id_key(pattern: str) -> Callable[[str], str]:
    """What is compared of an id: the first group of `pattern`, or all that it matches; the id itself where it does not.

    An empty pattern compares whole ids.
    """
    compiled = re.compile(pattern)

    def key(name: str) -> str:
        found = compiled.search(name) if pattern else None
        if found is None:
            return name
        return found[1] if compiled.groups and found[1] is not None else found[0]

    return key


def match(ids: Iterable[str], known: Iterable[str], pattern: str = "") -> dict[str, str]:
    """Id of a table → id of a slide, for those that match by `pattern`.

    Raises: ExperimentError: several ids of one side have the same part.
    """
    here, there = _by_key(ids, pattern), _by_key(known, pattern)
    several = [names for key in here.keys() & there.keys() for names in (here[key], there[key]) if len(names) > 1]
    if several:
        got = "; ".join(", ".join(sorted(names)[:SHOWN]) for names in sorted(several)[:SHOWN])
        do = "Use an expression that keeps apart what is different."
        raise ExperimentError("several ids match each other", where="data.match_ids", got=got, do=do)
    return {here[key][0]: there[key][0] for key in here.keys() & there.keys()}


def other_cohort(ids: Collection[str], known: Collection[str], where: object) -> ExperimentError:
    """The error for a table of which no id is known, with the part of the ids that would match, if there is one."""
    seen = f"the table has {_examples(ids)}, the slides or features have {_examples(known)}"
    do = "Is this the table of another cohort?"
    rule, count = max(((rule, _matches(ids, known, rule)) for rule in RULES), key=lambda found: found[1])
    begun = sum(any(name.startswith(key) for name in known) for key in list(ids)[:100]) if not count else 0
    if 2 * count >= min(len(ids), len(known)):
        do = f"{count} would match with data.match_ids = '{rule}'."
    elif _folded(ids) & _folded(known):
        do = "They would match without regard to case: write them in one way."
    elif 2 * begun >= min(len(ids), 100):
        do = "Ids of the table begin several names: one row per slide is needed."
    return ExperimentError(f"0 of {len(ids)} ids match: {seen}", where=where, do=do)


def _matches(ids: Iterable[str], known: Iterable[str], pattern: str) -> int:
    """How many ids would match, each with one alone."""
    here, there = _by_key(ids, pattern), _by_key(known, pattern)
    same = [key for key in here.keys() & there.keys() if len(here[key]) == len(there[key]) == 1]
    whole = any(all(side[key] == [key] for key in same) for side in (here, there))
    return len(same) if pattern.startswith("^") or whole else 0


def _by_key(ids: Iterable[str], pattern: str) -> dict[str, list[str]]:
    key, found = id_key(pattern), defaultdict[str, list[str]](list)
    for name in ids:
        found[key(name)].append(name)
    return found


def _folded(ids: Iterable[str]) -> set[str]:
    return {name.casefold() for name in ids}


def _examples(ids: Collection[str]) -> str:
    return ", ".join(repr(name) for name in sorted(ids)[:SHOWN]) + (", …" if len(ids) > SHOWN else "")

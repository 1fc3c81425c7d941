"""The published JSON files of one experiment, addressed as ``eval/metrics.json#level.slide.auroc.value``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

LEDGER = "ledger"
"""Label of the recorded run that computed the evaluation."""
METRICS, SPLITS, TRAINING = "eval/metrics.json", "split/splits.json", "train/cv_results.json"
AUDIT, ANALYSIS, BUNDLE = "audit/audit.json", "analyze/analysis.json", "export/bundle.json"


@dataclass(frozen=True)
class Documents:
    """What the report of an experiment is written from."""

    name: str
    """The experiment, with its variant."""
    files: Mapping[str, Any]
    """``<step>/<file>`` → content; `LEDGER` → the recorded run."""
    folders: Mapping[str, Path]
    """Step → published folder, for figures."""

    def look(self, citation: str) -> Any:
        """The value of ``<file>#<key>.<key>``; a ``*`` in the file matches the first such file.

        Raises: LookupError: there is no such file or key, or its value is null.
        """
        label, _, keys = citation.partition("#")
        value: Any = self.files[self.find(label)]
        for key in filter(None, keys.split(".")):
            value = value[int(key)] if isinstance(value, list) else value[key]
        if value is None:
            raise LookupError(citation)
        return value

    def find(self, pattern: str) -> str:
        """The first file with this label. Raises: LookupError: there is none."""
        for label in sorted(self.files):
            if label == pattern or fnmatchcase(label, pattern):
                return label
        raise LookupError(pattern)

    def get(self, citation: str, default: Any = None) -> Any:
        """The value, or `default` if there is none."""
        try:
            return self.look(citation)
        except (LookupError, TypeError, ValueError):
            return default

"""The slides or features of a folder, and the label table in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oceanpath.artifacts.features.folder import describe_unused, find_features
from oceanpath.artifacts.features.layouts import PATCH, SLIDE
from oceanpath.artifacts.features.summary import FeatureSummary, summarise_features
from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.folders import FOLDER_FILES
from oceanpath.pipeline.stage import Inputs
from oceanpath.proposals.questions import Questions
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import slides_of, suffixes

FEATURES, SLIDES = "features", "slides"
TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
MAX_FILES = 3000
"""Number of feature files whose layout is read; of larger folders, every n-th is."""


@dataclass(frozen=True)
class Source:
    """The slides of a cohort, as images or as features."""

    key: str
    """The key of `[data]`: features or slides."""
    folder: Path
    """The smallest folder that contains all of them."""
    ids: frozenset[str]
    """Slide ids."""
    lines: Sequence[str]
    """Description."""
    summary: FeatureSummary | None = None
    """Of features."""
    level: str = PATCH
    """Level of the features."""


def look_at(folder: Path, questions: Questions, use: str = "", features_key: str = "") -> Source:
    """The features or slides of a folder.

    Args:
        folder: The folder; subfolders are searched.
        questions: Decides if there are both.
        use: `features` or `slides`, if the folder contains both.
        features_key: Name of the array of features, if files contain several.

    Raises: ExperimentError: it contains neither, or files that are ambiguous.
    """
    results, problems = dict[str, Source](), list[OceanPathError]()
    for key, find in ((FEATURES, _features), (SLIDES, _slides)):
        if use in ("", key):
            try:
                results[key] = find(folder, features_key)
            except ExperimentError as error:
                problems.append(error)
    if not results:
        raise _neither(folder, problems)
    if len(results) == 1:
        return next(iter(results.values()))
    options = {key: f"{len(source.ids)} files" for key, source in results.items()}
    return results[questions.choose("the folder contains slides and features", options, "", "--use")]


def find_table(folder: Path) -> Path:
    """The only table directly in a folder. Raises: ExperimentError: there is none, or there are several."""
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLES and path.is_file())
    if len(tables) == 1:
        return tables[0]
    what = "several tables are in this folder" if tables else "no label table is named, and none is in this folder"
    got, do = ", ".join(path.name for path in tables), "Name the table: `oceanpath init FOLDER TABLE`."
    raise ExperimentError(what, where=folder, got=got, expected="" if tables else " ".join(TABLES), do=do)


def _features(folder: Path, features_key: str) -> Source:
    files = find_features(folder)
    own = folder if folder.suffix.lower() in FOLDER_FILES else _common(files)
    step = -(-len(files) // MAX_FILES)
    read = dict(list(files.items())[::step])
    summary, level = _summary(read, features_key)
    lines = [f"{own}: {len(files)} feature files", *summary.lines()]
    lines += [f"the layouts of {len(read)} of {len(files)} files were read"] if step > 1 else []
    if others := describe_unused(own, files.values()):
        lines.append(f"other files, not used: {others}")
    return Source(FEATURES, own, frozenset(files), lines, summary, level)


def _summary(files: Mapping[str, Path], features_key: str) -> tuple[FeatureSummary, str]:
    """The layouts of feature files and their level: slide embeddings if no file has features of patches."""
    patches = summarise_features(files, features_key)
    embeddings = patches if patches.layouts else summarise_features(files, features_key, SLIDE)
    return (patches, PATCH) if patches.layouts or not embeddings.layouts else (embeddings, SLIDE)


def _slides(folder: Path, _: str) -> Source:
    slides = slides_of(ExtractSettings(slides=folder), Inputs())
    own = _common(slides.selected)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes(slides.selected).most_common())
    lines = [f"{own}: {len(slides.selected)} slides ({kinds})"]
    lines += [f"links without a target: {', '.join(slides.broken[:5])}"] if slides.broken else []
    return Source(SLIDES, own, frozenset(slides.selected), lines)


def _common(files: Mapping[str, Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in files.values()]))


def _neither(folder: Path, problems: Sequence[OceanPathError]) -> ExperimentError:
    """The most specific error: that of a folder with files which cannot be used, otherwise that it has none."""
    empty = ("the folder has no features", "the folder contains no slides")
    for error in problems:
        if error.what not in empty and isinstance(error, ExperimentError):
            return error
    do = "Name the folder of whole-slide images, or of patch features of OceanPath, TRIDENT, CLAM, STAMP or AtlasPatch."
    return ExperimentError("the folder contains neither slides nor features", where=folder, do=do)

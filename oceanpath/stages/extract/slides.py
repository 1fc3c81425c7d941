"""The slides of a folder, and those to extract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.artifacts.cohort.id_match import match, other_cohort
from oceanpath.artifacts.cohort.ids import SLIDE_SUFFIXES, describe_missing
from oceanpath.errors import ExperimentError
from oceanpath.folders import Listing, list_folder
from oceanpath.pipeline.stage import Inputs
from oceanpath.slides.folder import MIRAX, group_by_id, one_file_each, slide_files
from oceanpath.stages.extract.settings import ExtractSettings


@dataclass(frozen=True)
class Slides:
    """The slides of a folder."""

    root: Path
    all_slides: dict[str, Path]
    """Slide id → file of all slides, sorted by id."""
    selected: dict[str, Path]
    """The slides to extract."""
    without_slide: list[str] = field(default_factory=list)
    """Ids of the label table without a slide, sorted."""
    other_files: str = ""
    """Summary of the other files in the folder."""
    broken: list[str] = field(default_factory=list)
    """Selected slides that are links without a target."""

    def lines(self, excluded: Iterable[str]) -> list[str]:
        """Lines about slides and files that are not extracted."""
        names = sorted(set(excluded) & self.all_slides.keys())
        others = len(self.all_slides) - len(self.selected) - len(names)
        lines = [f"left out on request: {', '.join(names)}"] if names else []
        lines += [f"{others} slides of the folder are not in the table and were not extracted"] if others else []
        return lines + ([f"ignored in {self.root.name}: {self.other_files}"] if self.other_files else [])


def slides_of(settings: ExtractSettings, inputs: Inputs) -> Slides:
    """The slides of an experiment: all of its folder, or those of its label table, without the excluded ones.

    Raises: ExperimentError: there are none, two selected slides have the same id, or an excluded one does not exist.
    """
    root = slide_folder(settings, inputs)
    listing = _listed(root)
    paths = slide_files(root, listing)
    grouped = group_by_id(paths)
    names, missing = _of_table(settings, grouped)
    selected = one_file_each({name: grouped[name] for name in names if name not in settings.exclude}, root, root)
    if unknown := set(settings.exclude) - grouped.keys():
        got = describe_missing(unknown, grouped)
        do = "Correct or remove these ids."
        raise ExperimentError("excluded slides do not exist", where="extract.exclude", got=got, do=do)
    other_files = listing.describe_unused(_used(root, listing, paths))
    if not selected:
        raise ExperimentError(
            "the folder contains no slides", where=root, expected=" ".join(SLIDE_SUFFIXES), got=other_files
        )
    broken = [name for name, file in selected.items() if file.relative_to(root).as_posix() in listing.broken]
    first = {name: files[0] for name, files in grouped.items()}
    return Slides(root, first, selected, missing, other_files, broken)


def slide_folder(settings: ExtractSettings, inputs: Inputs) -> Path:
    """The folder of slides: that of `demo`, or `data.slides`.

    Raises: ExperimentError: the experiment has neither, or the folder does not exist.
    """
    demo = inputs.get("demo")
    root = demo / "slides" if demo else settings.slides
    if root is None:
        raise ExperimentError(
            "there are no slides to extract", where="data.slides", do="Set data.slides to a folder of slides."
        )
    if not root.is_dir():
        raise ExperimentError(
            "the folder of slides does not exist", where=root, do="Set data.slides to a folder of slides."
        )
    return root


def shard_of(slides: Mapping[str, Path], shard: str) -> dict[str, Path]:
    """The slides of shard ``i/n``: every n-th from the i-th; all slides for an empty `shard`.

    Raises: ExperimentError: there are fewer than i slides.
    """
    number, _, count = shard.partition("/")
    names = list(slides)[int(number) - 1 :: int(count)] if shard else list(slides)
    if not names:
        do = f"Use at most {len(slides)} shards."
        raise ExperimentError("the shard contains no slides", where="extract.shard", got=shard, do=do)
    return {name: slides[name] for name in names}


def _listed(root: Path) -> Listing:
    try:
        return list_folder(root)
    except OSError as error:
        raise ExperimentError("the folder cannot be listed", where=root, got=error) from error


def _used(root: Path, listing: Listing, paths: list[Path]) -> set[str]:
    """Names of the files of slides: a MIRAX slide has a folder of the same name."""
    names = {path.relative_to(root).as_posix() for path in paths}
    folders = tuple(f"{name[: -len(MIRAX)]}/" for name in names if name.lower().endswith(MIRAX))
    return names | {name for name in listing.files if name.startswith(folders)} if folders else names


def _of_table(settings: ExtractSettings, grouped: Mapping[str, list[Path]]) -> tuple[list[str], list[str]]:
    """The slides to extract, and the ids of the table without a slide.

    Raises: ExperimentError: no slide is in the table.
    """
    ids = settings.selected_ids()
    if ids is None or not grouped:
        return list(grouped), []
    same = match(ids, grouped, settings.match_ids)
    if not same:
        raise other_cohort(ids, list(grouped), settings.labels)
    return sorted(same.values()), sorted(set(ids) - same.keys())


def suffixes(slides: Mapping[str, Path]) -> Counter[str]:
    """Number of slides per suffix."""
    return Counter(path.suffix.lower() for path in slides.values())

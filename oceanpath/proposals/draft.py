"""The proposed experiment: columns, target, join, encoder and folds, with the facts on which each is based."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oceanpath.artifacts.cohort.ids import describe_missing, slide_id
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.artifacts.features.layouts import SLIDE
from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.proposals import columns as table_columns
from oceanpath.proposals.questions import Questions
from oceanpath.proposals.source import SLIDES, Source
from oceanpath.slides.encoders import ENCODERS
from oceanpath.slides.encoders.hub import cached
from oceanpath.tasks.proposals import UNLIKELY, TargetProposal, propose_targets
from oceanpath.tasks.registry import CLASSIFICATION, task_entry

PREFERRED = ("uni_v2", "virchow2", "hoptimus1", "uni_v1", "gigapath", "virchow", "midnight12k", "phikon_v2", "phikon")
"""Pathology encoders that are proposed if their weights are on this machine, the first one first."""
BUILT_IN = "efficientnet_lite0"
SHOWN = 3
MAX_FOLDS = 5


@dataclass(frozen=True)
class Choices:
    """What the user has decided; empty values are proposed."""

    slide_id: str = ""
    patient_id: str = ""
    one_slide_per_patient: bool = False
    label: str = ""
    task: str = ""
    site: str = ""
    encoder: str = ""
    match_ids: str = ""
    features_key: str = ""
    encoding: str = ""
    sheet: str = ""
    allow_missing: bool = False
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Table → keys of the experiment that replace proposed ones."""


@dataclass
class Draft:
    """An experiment, and the report on what it is based on."""

    data: dict[str, Any] = field(default_factory=dict)
    """Keys of `[data]`."""
    comments: dict[str, str] = field(default_factory=dict)
    """Key → comment."""
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further tables, in order."""
    facts: dict[str, list[str]] = field(default_factory=dict)
    """Subject → lines of the report."""
    missing: list[str] = field(default_factory=list)
    """What is needed before the experiment can run."""


def draft_experiment(source: Source | None, table: UserTable, choices: Choices, questions: Questions) -> Draft:
    """The experiment for a table, and for slides or features if there are some.

    Raises: ExperimentError: a column is missing, or a question without a default has no answer.
    """
    draft = Draft()
    slides = _slides(draft, source, table, choices)
    patients = _patients(draft, table, choices, slides)
    _sites(draft, table, choices, patients)
    target = _target(draft, table, choices, questions)
    same = _join(draft, source, slides, choices)
    _left_out(draft, [source, target, choices, questions], slides, same)
    smallest = _cohort(draft, target, patients)
    draft.tables = _tables(source, choices, target, smallest)
    for table_name, keys in choices.keys.items():
        owner = draft.data if table_name == "data" else draft.tables.setdefault(table_name, {})
        owner |= keys
        draft.comments = {key: text for key, text in draft.comments.items() if key not in keys}
    explained = {key: text for key, text in draft.comments.items() if key in target.keys}
    draft.facts["target"] += [f"{key} = {json.dumps(draft.data[key])}: {text}" for key, text in explained.items()]
    return draft


def _slides(draft: Draft, source: Source | None, table: UserTable, choices: Choices) -> list[str]:
    """Slide ids of the rows."""
    if source is not None:
        draft.data[source.key] = source.folder
        if source.level == SLIDE:
            draft.data["level"] = SLIDE
        draft.facts[source.key] = list(source.lines)
    else:
        draft.missing.append("a folder of slides or features: set data.slides or data.features")
    draft.data["labels"] = table.path
    for key in ("features_key", "encoding", "sheet"):
        if value := getattr(choices, key):
            draft.data[key] = value
    if choices.slide_id:
        name = table_columns.named_column(table, choices.slide_id, "--slide-id")
    else:
        name = table_columns.column_of_slides(table, source.ids if source else ())
    draft.data["slide_id"] = name
    slides = [slide_id(cell) for cell in table_columns.cells(table, name)]
    names = ", ".join(each for each in table.names() if each)
    draft.facts["table"] = [f"{table.path}: {len(table.rows)} rows, columns {names}"]
    draft.facts["slide ids"] = [f"column {name}: {len({each for each in slides if each})} different"]
    return slides


def _patients(draft: Draft, table: UserTable, choices: Choices, slides: Sequence[str]) -> list[str]:
    """Patient ids of the rows."""
    name = choices.patient_id and table_columns.named_column(table, choices.patient_id, "--patient-id")
    name = name or table_columns.find_column(table, "patient_id")
    if choices.one_slide_per_patient:
        draft.data["one_slide_per_patient"] = True
        draft.facts["patients"] = ["every slide is from another patient, as stated"]
        return list(slides)
    if not name:
        do = "Name the column with --patient-id, or state --one-slide-per-patient if no patient has several slides."
        got = ", ".join(each for each in table.names() if each)
        raise ExperimentError("no column names the patients", where=table.path, got=got, do=do)
    draft.data["patient_id"] = name
    draft.comments["patient_id"] = "all slides of a patient are in the same fold"
    patients = table_columns.cells(table, name)
    counts = Counter(each for each in patients if each)
    most = max(counts.values(), default=0)
    slides = "one slide each" if most == 1 else f"each with at most {most} slides"
    draft.facts["patients"] = [f"column {name}: {len(counts)} patients, {slides}"]
    return patients


def _sites(draft: Draft, table: UserTable, choices: Choices, patients: Sequence[str]) -> None:
    name = choices.site and table_columns.named_column(table, choices.site, "--site")
    name = name or table_columns.find_column(table, "site")
    if name:
        draft.data["site"] = name
        counts = Counter(each for each in table_columns.cells(table, name) if each)
        common = ", ".join(f"{site} {count}" for site, count in counts.most_common(SHOWN))
        draft.facts["sites"] = [f"column {name}: {len(counts)} sites, the largest: {common}"]
        return
    others, known = table_columns.without_barcode(patients), {each for each in patients if each}
    if not others and known:
        draft.data["site_rule"] = "tcga_barcode"
        sites = {each.split("-")[1] for each in known}
        draft.facts["sites"] = [f"the tissue source site of each TCGA barcode: {len(sites)} sites"]
    elif 2 * len(others) < len(known):
        draft.facts["sites"] = [
            f"unknown: {len(others)} patient ids are no TCGA barcodes: {shorten_list(others, SHOWN)}"
        ]


def _target(draft: Draft, table: UserTable, choices: Choices, questions: Questions) -> TargetProposal:
    """The target to predict, with its keys in the draft."""
    if choices.label:
        table_columns.named_column(table, choices.label, "--label")
    taken = ("slide_id", "patient_id") if choices.label else ("slide_id", "patient_id", "site")
    others = table_columns.other_columns(table, {str(draft.data[key]) for key in taken if key in draft.data})
    proposals = propose_targets(others, choices.task, choices.label)
    if not proposals:
        what = f"column '{choices.label}' contains no target" if choices.label else "no column contains a target"
        do = "Name the column with --label; it needs at least two different values."
        raise ExperimentError(what, where=table.path, got=", ".join(others), do=do)
    target = _chosen(proposals, choices, questions)
    answer = _answer(target, choices, questions)
    keys = {**target.keys, **answer}
    draft.data |= keys if target.task == CLASSIFICATION else {"task": target.task, **keys}
    draft.comments |= {key: text for key, text in target.comments.items() if keys[key] == target.keys[key]}
    draft.facts["target"] = [f"{' and '.join(target.columns)}: {target.summary}"]
    return target


def _chosen(proposals: Sequence[TargetProposal], choices: Choices, questions: Questions) -> TargetProposal:
    """The only proposal of the best rank, or the one that the user chooses."""
    best = [each for each in proposals if each.rank == proposals[0].rank]
    default = best[0].columns[0] if choices.label or (len(best) == 1 and best[0].rank < UNLIKELY) else ""
    by_name = {each.columns[0]: each for each in reversed(proposals)}
    options = {name: by_name[name].summary for name in dict.fromkeys(each.columns[0] for each in proposals)}
    return by_name[questions.choose("several columns could be predicted", options, default, "--label")]


def _answer(target: TargetProposal, choices: Choices, questions: Questions) -> Mapping[str, Any]:
    """The keys of the answer to the question of a target, unless the user has set them."""
    asked = {key for keys in target.answers.values() for key in keys}
    if not target.question or asked & choices.keys.get("data", {}).keys():
        return {}
    options, flag = dict.fromkeys(target.answers, ""), f"--set data.{min(asked)}=[...]"
    return target.answers[questions.choose(target.question, options, next(iter(options)), flag)]


def _join(draft: Draft, source: Source | None, slides: Sequence[str], choices: Choices) -> Mapping[str, str] | None:
    """Id of the table → slide; None without slides or features."""
    if source is None:
        return None
    same, pattern = table_columns.joined(slides, source.ids, choices.match_ids)
    if pattern:
        draft.data["match_ids"] = pattern
        draft.comments["match_ids"] = "this part of ids is compared, because whole ids do not match"
    draft.facts["join"] = [f"{len(same)} of {len(set(slides))} slides of the table have {source.key}"]
    draft.facts["join"] += [f"compared by the part {pattern}"] if pattern else []
    rows, files = set(filter(None, slides)) - same.keys(), set(source.ids) - set(same.values())
    for what, names, pool in (
        (f"rows without {source.key}", rows, files),
        (f"{source.key} without a row in the table", files, rows),
    ):
        if names:
            draft.facts["join"].append(f"{len(names)} {what}: {describe_missing(names, pool, SHOWN)}")
    return same


def _left_out(draft: Draft, parts: Any, slides: Sequence[str], same: Mapping[str, str] | None) -> None:
    """Ask whether slides without a label, a row or a file are left out, if there are some."""
    source, target, choices, questions = parts
    counts = {"rows without a usable label": target.unusable}
    if same is not None:
        counts[f"rows without {source.key}"] = len(set(filter(None, slides)) - same.keys())
        if source.key != SLIDES:  # slides without a row are not extracted
            counts[f"{source.key} without a row"] = len(source.ids) - len(same)
    listed = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    if not listed:
        return
    if choices.allow_missing or questions.confirm(f"leave out {listed}?", "--allow-missing"):
        draft.data["allow_missing"] = True
        draft.comments["allow_missing"] = f"leaves out {listed}; the results list them"


def _cohort(draft: Draft, target: TargetProposal, patients: Sequence[str]) -> int:
    """Report slides and patients per group; returns the smallest number of patients in one."""
    members: dict[str, set[str]] = defaultdict(set)
    for group, patient in zip(target.groups, patients, strict=True):
        if group and patient:
            members[group].add(patient)
    largest = sorted(members, key=lambda group: -len(members[group]))
    listed = shorten_list([f"{group} {len(members[group])}" for group in largest], 2 * MAX_FOLDS)
    draft.facts["target"].append(f"patients: {listed}")
    return min(map(len, members.values()), default=0)


def _tables(
    source: Source | None, choices: Choices, target: TargetProposal, smallest: int
) -> dict[str, dict[str, Any]]:
    """The tables of the stages to run."""
    extract = {"extract": {"encoder": choices.encoder or proposed_encoder()}} if source and source.key == SLIDES else {}
    tables: dict[str, dict[str, Any]] = {**extract, "mmap": {}, "split": {"folds": max(2, min(MAX_FOLDS, smallest))}}
    if source is not None and source.level == SLIDE:  # one row per slide has neither attention nor contributions
        tables |= {"model": {"name": "linear"}, "train": {}, "eval": {}}
    else:
        tables |= {"model": {"name": "abmil"}, "train": {}, "eval": {}, "analyze": {}}
    return {**tables, "export": {}} if task_entry(target.task).is_exportable else tables


def proposed_encoder() -> str:
    """A pathology encoder whose weights are on this machine, otherwise the one that ships with the installation."""
    for name in PREFERRED:
        hub = ENCODERS[name].hub
        if hub is not None and cached(hub, hub.revision) is not None:
            return name
    return BUILT_IN

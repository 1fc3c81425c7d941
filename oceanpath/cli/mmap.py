"""`oceanpath mmap`: build the store, or with ``--verify`` compare every bag that an experiment uses with its digest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from oceanpath.cli.options import Common, flag
from oceanpath.cli.run import run_experiment
from oceanpath.errors import ArtifactError, ExitCode, ExperimentError, shorten_lines
from oceanpath.pipeline.plan import plan

FLAGS = (flag("verify", bool, False, "Compare every bag of the existing store with its digest; build nothing."),)
EVERY = 100
"""Slides between two lines of progress."""
SHOWN = 20


def call(common: Common) -> int:
    """Build the store, or verify it."""
    return verify_store(common) if common.more["verify"] else run_experiment(common, ("mmap",))


def verify_store(common: Common) -> int:
    """Read the stores of an experiment to their last byte.

    Raises: ExperimentError: there is none yet. ArtifactError: bags differ; they are named.
    """
    made = plan(common.load(), ("mmap",))
    links = common.place().root / "experiments" / made.experiment.name
    stores = {step.name: links / step.name for step in made.steps if step.stage.name == "mmap"}
    if missing := [name for name, folder in stores.items() if not folder.exists()]:
        raise ExperimentError("there is no store to verify", where=links, expected=missing[0], do="Run oceanpath mmap.")
    wrong: list[str] = []
    for name, folder in sorted(stores.items()):
        slides, found = _verify(folder, quiet=common.quiet or common.as_json)
        wrong += found
        if common.as_json:
            print(json.dumps({"step": name, "slides": slides, "wrong": found}))
        elif not found:
            print(f"{name}: {slides} slides, every bag is what was stored")
    if wrong:
        listed = "".join(f"\n  {line}" for line in shorten_lines(wrong, SHOWN))
        do = f"Put the files back, or build again with --force mmap.{listed}"
        raise ArtifactError(f"{len(wrong)} bags are not what was stored", where=links, do=do)
    return int(ExitCode.OK)


def _verify(folder: Path, *, quiet: bool) -> tuple[int, list[str]]:
    """The number of slides of a store, and what is wrong with each that is damaged.

    Raises: ArtifactError: another file of the store is damaged, and so nothing is known of its bags.
    """
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.pipeline.integrity import changed, refuse

    refuse(changed(folder.resolve(), lambda name: not name.endswith(".bin")))
    store, wrong = Store(folder), []
    for i in range(len(store)):
        try:
            store.verify(i)
        except ArtifactError as error:
            wrong.append(error.render())
        if not quiet and (i + 1) % EVERY == 0:
            print(f"mmap: {i + 1} of {len(store)} slides read", file=sys.stderr, flush=True)
    return len(store), wrong

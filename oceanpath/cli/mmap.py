"""`oceanpath mmap`: build the store of an experiment, or with ``--verify`` compare its bags with their digests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from oceanpath.cli.options import Common, flag
from oceanpath.cli.run import run_experiment
from oceanpath.errors import ArtifactError, ExitCode, ExperimentError, shorten_lines
from oceanpath.pipeline.plan import plan

FLAGS = (flag("verify", bool, False, "Compare every bag of the existing store with its digest, without building it."),)
PROGRESS_SLIDES = 100
"""Number of slides between two lines of progress."""
MAX_SHOWN = 20


def call(common: Common) -> int:
    """Build the store, or verify it."""
    return verify_store(common) if common.more["verify"] else run_experiment(common, ("mmap",))


def verify_store(common: Common) -> int:
    """Read the stores of an experiment completely.

    Raises: ExperimentError: there is none yet. ArtifactError: bags differ from their digests; the error lists them.
    """
    planned = plan(common.load(), ("mmap",))
    links = common.as_workspace().root / "experiments" / planned.experiment.name
    stores = {step.name: links / step.name for step in planned.steps if step.stage.name == "mmap"}
    if missing := [name for name, folder in stores.items() if not folder.exists()]:
        raise ExperimentError(
            "there is no store to verify", where=links, expected=missing[0], do="Run `oceanpath mmap`."
        )
    wrong: list[str] = []
    for name, folder in sorted(stores.items()):
        slides, damaged = _verify(folder, quiet=common.quiet or common.as_json)
        wrong += damaged
        if common.as_json:
            print(json.dumps({"step": name, "slides": slides, "wrong": damaged}))
        elif not damaged:
            print(f"{name}: {slides} slides, all bags match their digests")
    if wrong:
        listed = "".join(f"\n  {line}" for line in shorten_lines(wrong, MAX_SHOWN))
        do = f"Restore the files, or build the store again with --force mmap.{listed}"
        raise ArtifactError(f"{len(wrong)} bags differ from their digests", where=links, do=do)
    return int(ExitCode.OK)


def _verify(folder: Path, *, quiet: bool) -> tuple[int, list[str]]:
    """The number of slides of a store, and an error text for each damaged bag.

    Raises: ArtifactError: another file of the store is damaged, so its bags cannot be verified.
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
        if not quiet and (i + 1) % PROGRESS_SLIDES == 0:
            print(f"mmap: {i + 1} of {len(store)} slides verified", file=sys.stderr, flush=True)
    return len(store), wrong

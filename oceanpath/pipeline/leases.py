"""Use of a workspace: by any number of runs at the same time, or by one command that removes results.

    locks/run-<token>   held by a run for its whole duration
    locks/removal       held by a command that removes or moves results

Each first takes its own lock and then checks for the other kind, so that of two that start at the same time at least
one sees the other: the removal is rejected, the run waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oceanpath.errors import StageError
from oceanpath.pipeline.locks import POLL_SECONDS, held, holder, wait_lock
from oceanpath.pipeline.processes import describe, token
from oceanpath.pipeline.workspace import Workspace

RUN, REMOVAL = "run-", "removal"


@contextmanager
def in_use(workspace: Workspace) -> Iterator[int]:
    """Inside, nothing is removed from the workspace; yields the start time [ns], by the clock of the file system.

    Raises: StageError: the lock cannot be written.
    """
    file = _take(workspace, f"{RUN}{token()}")
    since = file.stat().st_mtime_ns
    with held(file):
        while holder(workspace.locks, REMOVAL):
            time.sleep(POLL_SECONDS)
        yield since


@contextmanager
def removal(workspace: Workspace) -> Iterator[None]:
    """Inside, no run uses the workspace. Raises: StageError: a run uses it, or the lock cannot be written."""
    with held(_take(workspace, REMOVAL)):
        if users := runs(workspace):
            got = ", ".join(map(describe, users))
            do = "Wait until it has ended, or stop it; then run the same command again."
            raise StageError("a run is using the workspace", where=workspace.root, got=got, do=do)
        yield


def _take(workspace: Workspace, name: str) -> Path:
    try:
        return wait_lock(workspace.locks, name)
    except OSError as error:
        raise StageError("a lock of the workspace cannot be written", where=workspace.locks, got=error) from error


def runs(workspace: Workspace) -> list[str]:
    """Tags of the processes that run experiments in the workspace now."""
    names = sorted(path.name for path in workspace.locks.glob(f"{RUN}*"))
    return [tag for name in names if (tag := holder(workspace.locks, name))]

"""The further processes of a training on several devices, which end with it."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.placement import place
from oceanpath.child_process import end_with_parent
from oceanpath.errors import AccidentError, OceanPathError
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.ssl.distributed import Share, joined
from oceanpath.stages.pretrain.cohort import PretrainCohort
from oceanpath.stages.pretrain.devices import device_of
from oceanpath.stages.pretrain.preflight import store_name
from oceanpath.stages.pretrain.prepare import prepare_training
from oceanpath.stages.pretrain.settings import PretrainSettings

CONTEXT = multiprocessing.get_context("spawn")
GRACE_SECONDS = 5.0
"""Maximum time to wait for a process whose connection was lost to end."""


@contextmanager
def other_processes(
    settings: PretrainSettings, inputs: Inputs, cohort: PretrainCohort, out: Path, tables: Path
) -> Iterator[None]:
    """All processes of the training but this one, while it runs. This process must have prepared the training before.

    Raises: AccidentError: one of them ended before the training did.
    """
    if settings.devices == 1:
        yield
        return
    with TemporaryDirectory() as folder:
        shares = [Share(rank, settings.devices) for rank in range(settings.devices)]
        values = Path(folder), settings, inputs, cohort, out, tables
        others = [CONTEXT.Process(target=_train, args=(share, *values)) for share in shares[1:]]
        try:
            for process in others:
                process.start()
            with joined(shares[0], Path(folder)):
                yield
        except RuntimeError as error:  # of gloo, where a connection was closed
            if ended := _ended(others):
                do = "If memory was exhausted, use fewer pretrain.devices or smaller batches."
                raise AccidentError("a process of the training ended", got=f"exit code {ended}", do=do) from error
            raise
        finally:
            for process in filter(SpawnProcess.is_alive, others):
                process.kill()
                process.join()


def _ended(processes: list[SpawnProcess]) -> int:
    """The exit code of a process that failed; 0 if none did."""
    for process in processes:
        process.join(GRACE_SECONDS / len(processes))
    return next((process.exitcode for process in processes if process.exitcode), 0)


def _train(
    share: Share,
    folder: Path,
    settings: PretrainSettings,
    inputs: Inputs,
    cohort: PretrainCohort,
    out: Path,
    tables: Path,
) -> None:
    """The main function of a further process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        with joined(share, folder), torch_threads(settings.threads):
            store = Store(inputs[store_name(settings)], check=False)  # the first process has compared it
            store = place(store, settings.placement, device_of(settings, share.rank))
            prepare_training(settings, store, cohort, tables, share=share).run(out, Quiet())
    except OceanPathError as error:
        sys.exit(f"process {share.rank} of {share.processes}: {error.render()}")

"""Scheduling of the steps of a plan: each starts as soon as the steps that it needs have ended."""

from __future__ import annotations

from collections.abc import Callable
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from oceanpath.pipeline.plan import Plan, Step

if TYPE_CHECKING:
    from concurrent.futures import Future


def run_steps(plan: Plan, jobs: int, run_step: Callable[[Step], None], stop: Callable[[], None]) -> None:
    """Call `run_step` for every step of a plan, up to `jobs` in parallel.

    If one of several is interrupted, `stop` is called so that the others end too, without waiting for them.
    """
    if jobs == 1:
        for step in plan.steps:
            run_step(step)
        return
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait  # not needed for one job

    order = TopologicalSorter({step.name: step.upstream() for step in plan.steps})
    order.prepare()
    running: dict[Future[None], str] = {}
    pool = ThreadPoolExecutor(jobs)
    try:
        while order.is_active():
            running |= {pool.submit(run_step, plan.step(name)): name for name in order.get_ready()}
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                order.done(running.pop(future))
                future.result()
    except BaseException:
        stop()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

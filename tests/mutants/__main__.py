"""Do the tests notice when the code is wrong? ``python -m tests.mutants`` changes it in many small ways and counts.

A seeded sample of changes over the packages that decide results. Each is tried with the tests of its own module, then
with those of its folder, without the tests that need data from outside the project. Libraries for this exist, but they
write the changed code to disk, and start afresh for each change, where importing torch takes longer than the tests.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: its threads do not survive a fork

from tests.mutants.fork import NOTHING, PASSED, Outcome, WorkItem, run_all, warm
from tests.mutants.operators import Mutant
from tests.mutants.sample import PACKAGES, ROOT, accepted, draw, files_of, population, reason_of

TARGET = 0.85
PATIENCE = 4.0
"""A mutant may take this many times as long as the code as it is, and `GRACE` seconds more."""
GRACE = 10.0


def main(arguments: Sequence[str]) -> int:
    """Try the mutants and print what came of them; 1 where a package is below the target."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no fork is left
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as bytecode:
        warm(ROOT, bytecode)
        outcomes = _try(options)
    print(f"\n{sum(map(len, outcomes.values()))} mutants in {(time.monotonic() - started) / 60:.0f} minutes")
    return _report(outcomes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("packages", nargs="*", default=PACKAGES, help="packages or modules below oceanpath/")
    parser.add_argument("--count", type=int, default=84, help="mutants of each package")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    return parser


def _try(options: argparse.Namespace) -> dict[str, list[Outcome]]:
    """Outcomes by package."""
    chosen = {package: draw(package, options.count, options.seed) for package in options.packages}
    tests = {test for mutants in chosen.values() for m in mutants for test in files_of(m)}
    limits = _limits(sorted(tests), options.jobs)
    outcomes: dict[str, list[Outcome]] = {}
    for package, mutants in chosen.items():
        tasks = [_work(mutant, limits) for mutant in mutants]
        outcomes[package] = []
        for outcome in run_all(tasks, options.jobs, ROOT):
            outcomes[package].append(outcome)
            _say(outcome, f"{package} {len(outcomes[package])}/{len(tasks)}")
    return outcomes


def _work(mutant: Mutant, limits: Mapping[str, float]) -> WorkItem:
    """A mutant with its tests, of which those without a limit have nothing to run."""
    tests = tuple(test for test in files_of(mutant) if test in limits)
    return WorkItem(tests, mutant, max(limits[test] for test in tests))


def _limits(tests: Sequence[str], jobs: int) -> dict[str, float]:
    """Seconds that each file or folder may take, from its time on the code as it is; none where no test is selected."""
    limits = {}
    for outcome in run_all([WorkItem((test,)) for test in tests], jobs, ROOT):
        (test,) = outcome.task.tests
        if outcome.code in NOTHING:
            continue
        if outcome.code != PASSED:
            raise SystemExit(f"{test} does not pass on the code as it is (exit {outcome.code})")
        limits[test] = GRACE + PATIENCE * outcome.seconds
    return limits


def _say(outcome: Outcome, position: str) -> None:
    mutant = outcome.task.mutant
    assert mutant is not None
    if outcome.code in NOTHING:
        raise SystemExit(f"{mutant.path}: pytest had nothing to run")
    word = "killed" if outcome.killed else "SURVIVED"
    print(f"{position} {outcome.seconds:5.1f} s {word:8} {mutant.path}:{mutant.line}  {mutant.change}", flush=True)


def _report(outcomes: dict[str, list[Outcome]]) -> int:
    entries = accepted()
    print("\nSurvivors")
    for found in outcomes.values():
        for outcome in found:
            if not outcome.killed and (mutant := outcome.task.mutant) is not None:
                reason = reason_of(mutant, entries) or "NO REASON YET"
                print(f"  {mutant.path}:{mutant.line}\n    {mutant.text}\n    {mutant.change}\n    {reason}")
    print(f"\n{'package':<24}{'possible':>9}{'tried':>7}{'killed':>8}{'rate':>8}   95 % interval")
    worst = 1.0
    for package, found in outcomes.items():
        killed = sum(outcome.killed for outcome in found)
        low, high = wilson(killed, len(found))
        worst = min(worst, killed / len(found))
        numbers = f"{len(population(package)):>9}{len(found):>7}{killed:>8}{killed / len(found):>8.1%}"
        print(f"{package:<24}{numbers}   {low:.1%} to {high:.1%}")
    return int(worst < TARGET)


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Interval of a share (Wilson 1927)."""
    share = hits / n
    centre, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

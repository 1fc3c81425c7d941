"""What can be run on the project: ``nox -l`` lists it, ``nox -s tests`` checks it.

Sessions use the environment they are called from and install what they need into it: one copy of torch is enough.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""Two files at a time, in the order that tests/conftest.py gives them: the long ones first."""


def _install(session: nox.Session) -> None:
    session.run("python", "-m", "pip", "install", "--quiet", "-e", ".[dev]")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types, strict."""
    _install(session)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests; those that need something absent are skipped and say why."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    command, one_thread = ("python", "-m", "pytest", "-rs", *session.posargs), {"OMP_NUM_THREADS": "1"}
    fine = [0, 5] if session.posargs else [0]  # 5: nothing of what was asked for belongs into this half
    session.run(*command, *SIDE_BY_SIDE, "-m", "not alone", env=one_thread, success_codes=fine)
    session.run(*command, "-m", "alone", env=one_thread, success_codes=fine)


@nox.session
def words(session: nox.Session) -> None:
    """Every text that a person reads, in one file: words.txt, or the file that is named."""
    session.run("python", "tests/test_words.py", "--print", *(session.posargs or ["words.txt"]))


@nox.session
def kills(session: nox.Session) -> None:
    """Runs killed, stopped, forced and pruned beside each other, on full disks: no process and no result is lost."""
    _install(session)
    tests = ("tests/test_kill.py", "tests/test_kill_extract.py", "tests/test_child_process.py")
    tests += ("tests/pipeline/test_together.py", "tests/pipeline/test_full_disk.py", "tests/pipeline/test_locks.py")
    often = {"OCEANPATH_KILLS": "20", "OCEANPATH_ROUNDS": "20", "OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-rs", "-s", "--timeout=3600", *tests, env=often)


@nox.session
def crash(session: nox.Session) -> None:
    """A run killed, or refused by the disk, at every system call: the old state or the new one."""
    _install(session)
    tests = ("tests/pipeline/test_crash.py", "tests/stages/mmap/test_build.py")
    options = ("-rs", "-s", "--timeout=9000", *tests)
    session.run("python", "-m", "pytest", *options, env={"OCEANPATH_CRASH": "all"})


@nox.session
def damage(session: nox.Session) -> None:
    """Every kind of file flipped, cut and zeroed 200 times each, and read by its command: a table of the outcomes."""
    _install(session)
    table = Path(session.create_tmp()) / "damage.jsonl"
    table.unlink(missing_ok=True)
    found = {"OCEANPATH_DAMAGE": "200", "OCEANPATH_DAMAGE_TABLE": str(table), "OMP_NUM_THREADS": "1"}
    tests = ("-n", "2", "tests/damage/test_damage.py")
    session.run("python", "-m", "pytest", "-rs", "--timeout=7200", *tests, env=found, success_codes=[0, 1])
    session.run("python", "tests/damage/table.py", str(table))


@nox.session
def mutants(session: nox.Session) -> None:
    """How many small changes of the code that decides results the tests notice, by package, and which they do not."""
    _install(session)
    session.run("python", "-m", "tests.mutants", *session.posargs)

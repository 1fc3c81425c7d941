"""Sessions of the project: ``nox -l`` lists them, ``nox -s tests`` runs all tests.

Sessions install into the current environment, so that torch is installed once.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

PARALLEL = ("-n", "3", "--dist", "loadgroup", "--no-loadscope-reorder")
"""Three groups of tests in parallel, as tests/conftest.py groups and orders them: long ones first.

One more than the two cores that the tests are made for: a test that starts processes waits for much of its time.
"""


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
    """Static types of the package, the tests and the scripts."""
    _install(session)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests; skipped ones print the reason."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    command, one_thread = ("python", "-m", "pytest", "-rs", *session.posargs), {"OMP_NUM_THREADS": "1"}
    success = [0, 5] if session.posargs else [0]  # 5: no test of this half is selected
    session.run(*command, *PARALLEL, "-m", "not alone", env=one_thread, success_codes=success)
    files = [str(path) for path in Path("tests").rglob("test_*.py") if "mark.alone" in path.read_text()]
    command = ("python", "-m", "pytest", "-rs", *(session.posargs or files))
    session.run(*command, "-m", "alone", env=one_thread, success_codes=success)


@nox.session
def words(session: nox.Session) -> None:
    """Write every text that a person reads to one file: words.txt, or the named file."""
    session.run("python", "tests/test_words.py", "--print", *(session.posargs or ["words.txt"]))


@nox.session(venv_backend="venv")
def docs(session: nox.Session) -> None:
    """Build the documentation as a site in dist/site; a warning is an error."""
    session.install("mkdocs-material>=9.6,<10")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it in an empty folder, and use it there without the source tree."""
    scratch = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(scratch), ".")
    (built,) = scratch.glob("oceanpath-*.whl")
    installed = scratch / "installed"
    options = ("--quiet", "--no-deps", "--upgrade", "--target", str(installed))
    session.run("python", "-m", "pip", "install", *options, str(built))
    built.unlink()
    folder = scratch / "user"
    folder.mkdir(exist_ok=True)
    session.chdir(folder)
    use = "import oceanpath as op; assert op.__file__.startswith({!r}); op.Experiment({!r}).settings('train')"
    quickstart = str(installed / "oceanpath" / "quickstart.toml")
    variables = {"PYTHONPATH": str(installed)}
    session.run("python", "-c", use.format(str(installed), quickstart), env=variables)
    oceanpath = ("python", "-c", "from oceanpath.cli import main; main()")
    session.run(*oceanpath, "--version", env=variables)
    session.run(*oceanpath, "run", "--quickstart", "--dry-run", env=variables)
    session.run(*oceanpath, "doctor", env=variables)


@nox.session
def newcomer(session: nox.Session) -> None:
    """Repeat docs/first-report.md in a new environment on real features, within ten minutes; `init` on other tables."""
    session.run("python", "-m", "tests.newcomer", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def pythons(session: nox.Session) -> None:
    """Install the wheel with each of Python 3.11 to 3.13 that is on this machine, and use it; `-- --all` with torch."""
    session.run("python", "-m", "tests.newcomer.pythons", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def constraints(session: nox.Session) -> None:
    """Write constraints.txt: the installed version of every package that OceanPath needs, directly or not."""
    session.run("python", "-m", "tests.constraints", "constraints.txt")


@nox.session
def kills(session: nox.Session) -> None:
    """Kill, stop, force and prune simultaneous runs, also on full disks: no process remains and no result is lost."""
    _install(session)
    tests = [
        "tests/test_kill.py",
        "tests/test_kill_extract.py",
        "tests/test_child_process.py",
        "tests/cli/test_signals.py",
        "tests/stages/train/test_patient_bags.py",
    ]
    tests += ("tests/pipeline/test_together.py", "tests/pipeline/test_full_disk.py", "tests/pipeline/test_locks.py")
    variables = {"OCEANPATH_KILLS": "20", "OCEANPATH_ROUNDS": "20", "OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-rs", "-s", "--timeout=3600", *tests, env=variables)


@nox.session
def crash(session: nox.Session) -> None:
    """Kill a run, or let the disk fail, at every system call: the old state or the new one."""
    _install(session)
    tests = ("tests/pipeline/test_crash.py", "tests/stages/mmap/test_build.py")
    options = ("-rs", "-s", "--timeout=9000", *tests)
    session.run("python", "-m", "pytest", *options, env={"OCEANPATH_CRASH": "all"})


@nox.session
def damage(session: nox.Session) -> None:
    """Flip, truncate and zero every kind of file 200 times, read it with its command, and print the outcomes."""
    _install(session)
    table = Path(session.create_tmp()) / "damage.jsonl"
    table.unlink(missing_ok=True)
    variables = {"OCEANPATH_DAMAGE": "200", "OCEANPATH_DAMAGE_TABLE": str(table), "OMP_NUM_THREADS": "1"}
    tests = ("-n", "2", "tests/damage/test_damage.py")
    session.run("python", "-m", "pytest", "-rs", "--timeout=7200", *tests, env=variables, success_codes=[0, 1])
    session.run("python", "tests/damage/table.py", str(table))


@nox.session
def bundles(session: nox.Session) -> None:
    """Change 2,000 bytes of a bundle, each of which must be refused, and export every aggregator."""
    _install(session)
    variables = {"OCEANPATH_BYTES": "2000", "OCEANPATH_AGGREGATORS": "all", "OMP_NUM_THREADS": "1"}
    tests = ["tests/serving/test_changed_bytes.py", "tests/stages/export/test_checkpoint.py"]
    tests += ["tests/stages/export/test_replay.py", "tests/serving/test_served_equals_evaluated.py"]
    tests.append("tests/models/verify/test_contract.py")
    session.run("python", "-m", "pytest", "-rs", *tests, env=variables)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Send 100,000 mutated bodies, and requests generated from the OpenAPI description, to the application."""
    _install(session)
    folder = session.create_tmp()
    session.run("python", "-m", "pip", "install", "--quiet", "--upgrade", "--target", folder, "schemathesis>=4,<5")
    variables = {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "tests.serving.fuzz", *session.posargs, env=variables)


@nox.session
def slurm(session: nox.Session) -> None:
    """Run on a Slurm cluster of three nodes on loopback, also with kills; needs root, slurm-wlm and munge."""
    _install(session)
    variables = {"OCEANPATH_SLURM": "1", "OCEANPATH_KILLS": "100", "OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-rs", "-s", "--timeout=3600", "tests/slurm", env=variables)


@nox.session
def parts(session: nox.Session) -> None:
    """Measure a run with nothing to do whose step has 100,000 published parts; about ten minutes."""
    _install(session)
    variables = {"OCEANPATH_PARTS": "100000", "OMP_NUM_THREADS": "1"}
    tests = ("-rs", "-s", "--timeout=7200", "tests/pipeline/test_many_parts.py")
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=variables)


@nox.session
def cloud(session: nox.Session) -> None:
    """Read stores in object storage, on loopback: the S3 protocol against moto, and the rate on a link with a delay."""
    _install(session)
    folder = session.create_tmp()
    session.run("python", "-m", "pip", "install", "--quiet", "--upgrade", "--target", folder, "moto[s3,server]>=5")
    variables = {"OCEANPATH_CLOUD": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": folder}
    session.run("python", "-m", "pytest", "-rs", "-s", "--timeout=600", "tests/cloud", env=variables)


@nox.session
def browser(session: nox.Session) -> None:
    """Open the served page, reports and the ledger page in Chromium; --screenshots writes docs/images."""
    _install(session)
    folder = session.create_tmp()
    tools = ("playwright>=1.50", "axe-playwright-python>=0.1.4")
    session.run("python", "-m", "pip", "install", "--quiet", "--upgrade", "--target", folder, *tools)
    variables = {"OCEANPATH_BROWSER": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": folder}
    posargs = [option for option in session.posargs if option != "--screenshots"]
    if posargs != session.posargs:
        variables["OCEANPATH_SCREENSHOTS"] = "docs/images"
    session.run("python", "-m", "pytest", "-rs", "-s", "--timeout=1800", *posargs, "tests/browser", env=variables)


@nox.session
def collapse(session: nox.Session) -> None:
    """Pretrain every method with three seeds, and with planted collapse: only the planted ones are stopped."""
    _install(session)
    variables = {"OCEANPATH_SEEDS": "3", "OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-rs", "tests/stages/pretrain/test_collapse.py", env=variables)


@nox.session
def evidence(session: nox.Session) -> None:
    """Pretrain on real cohorts and probe with few labels: the tables of docs/evidence.md; hours."""
    session.run("python", "-m", "tests.evidence", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def spatial(session: nox.Session) -> None:
    """Pretrain on bags whose label is the order of tissue in space: the spatial table of docs/evidence.md; hours."""
    session.run("python", "-m", "tests.evidence.spatial_study", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def lightly(session: nox.Session) -> None:
    """Compute the losses of lightly again, with which those of OceanPath are compared."""
    _install(session)
    folder = session.create_tmp()
    session.run("python", "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "lightly==1.5.22")
    variables = {"OCEANPATH_LIGHTLY": folder}
    session.run("python", "-m", "pytest", "-rs", "tests/ssl/losses/test_lightly.py", env=variables)


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutation testing of the code that determines results: detected mutants per package, and survivors."""
    _install(session)
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Simulate how often confidence intervals contain the truth: the tables of docs/statistics.md."""
    _install(session)
    session.run("oceanpath", "bench", "coverage", "--methods", "logit_delong,wilson", *session.posargs)

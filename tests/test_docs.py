"""The documentation runs: every command of the README and of the tutorial is executed."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/tutorial.md")


def commands(page: str) -> list[str]:
    """Lines of a page's plain fences, without their comments."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line for kind, fence in fences if not kind for line in fence.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


ALL = [(page, line) for page in PAGES for line in commands(page)]
BY_CI = [line for _, line in ALL if line.startswith("python -m pip")]
HERE = sorted({line for _, line in ALL if line.startswith("oceanpath")})


def test_no_command_of_the_pages_is_left_out() -> None:
    assert len(HERE) >= 8
    assert {line for _, line in ALL} == {*HERE, *BY_CI}


def test_what_installs_is_run_by_the_ci_script() -> None:
    script = (ROOT / ".ci" / "run").read_text().replace(" --quiet", "")
    for line in BY_CI:
        for part in line.split(" && "):
            assert part in script, part


@pytest.fixture
def step_lock(quickstart: Path, tmp_path: Path) -> Path:
    """A folder with the experiments and its own outputs of the quickstart, since commands change them."""
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    shutil.copytree(quickstart, tmp_path / "outputs", symlinks=True, copy_function=link)
    return tmp_path


def link(source: str, target: str) -> None:
    """Published files never change, so links do not harm; databases change, and other disks take no links."""
    if source.endswith(".sqlite") or Path(source).stat().st_dev != Path(target).parent.stat().st_dev:
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def words(line: str) -> list[str]:
    return [sys.executable, "-c", "from oceanpath.cli import main; main()", *shlex.split(line)[1:]]


@pytest.mark.parametrize("line", [line for line in HERE if line != "oceanpath serve"])
def test_the_command_runs(line: str, step_lock: Path) -> None:
    said = subprocess.run(words(line), cwd=step_lock, capture_output=True, text=True, timeout=280)
    assert said.returncode == 0, said.stderr
    assert said.stdout or (step_lock / "predictions.csv").is_file()


def seconds(command: list[str], step_lock: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=step_lock, env=environment)
    return time.perf_counter() - started


@pytest.mark.alone
def test_a_run_with_nothing_to_do_comes_within_twenty_times_bare_python(step_lock: Path) -> None:
    """In turn, the fastest of several: other work on the machine can only make either slower."""
    command, bare = words("oceanpath run experiments/quickstart.toml"), [sys.executable, "-c", "pass"]
    seconds(command, step_lock)  # brings all up to date, and caches bytecode as an installation has it
    times: list[tuple[float, float]] = []
    for _ in range(150):  # a busy machine leaves a moment sooner or later
        times.append((seconds(command, step_lock), seconds(bare, step_lock)))
        ratio = min(run for run, _ in times) / min(python for _, python in times)
        if len(times) >= 5 and ratio <= 20:
            break
    print(f"a run with nothing to do: {ratio:.1f} times bare Python")
    assert ratio <= 20


def test_serve_answers_as_predict_does(step_lock: Path) -> None:
    """`oceanpath serve` gives the quickstart's bundle, and the same probabilities as offline."""
    predicted = step_lock / "offline.csv"
    features = sorted((step_lock / "outputs" / "experiments" / "quickstart" / "extract").glob("*.h5"))[0]
    subprocess.run(
        words(f"oceanpath predict {features} --out {predicted}"), cwd=step_lock, check=True, capture_output=True
    )
    with predicted.open(newline="") as file:
        (offline,) = csv.DictReader(file)
    port = 20000 + os.getpid() % 20000
    server = subprocess.Popen(words(f"oceanpath serve --port {port}"), cwd=step_lock, stderr=subprocess.PIPE, text=True)
    try:
        health = wait(f"http://127.0.0.1:{port}/health")
        assert health["ready"] is True
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", data=features.read_bytes(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.loads(reply.read())
    finally:
        server.terminate()
        _, error = server.communicate(timeout=60)
    assert server.returncode == 0, error
    for name, value in answer["probabilities"].items():
        assert abs(value - float(offline[f"prob_{name}"])) < 1e-6


def wait(url: str) -> dict[str, object]:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                found: dict[str, object] = json.loads(reply.read())
                return found
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def test_pages_made_from_the_code_are_fresh() -> None:
    said = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"

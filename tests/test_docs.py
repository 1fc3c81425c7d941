"""Every command of the README and of the tutorial is executed, and generated pages and links are correct."""

from __future__ import annotations

import ast
import csv
import importlib
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
    """Lines of the code blocks of a page that have no language, without comments."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line for kind, fence in fences if not kind for line in fence.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


ALL = [(page, line) for page in PAGES for line in commands(page)]
BY_CI = [line for _, line in ALL if line.startswith("python -m pip")]
TESTED = sorted({line for _, line in ALL if line.startswith("oceanpath")})


def test_every_command_of_the_pages_is_tested() -> None:
    assert len(TESTED) >= 8
    assert {line for _, line in ALL} == {*TESTED, *BY_CI}


def test_installation_commands_are_run_by_the_ci_script() -> None:
    script = (ROOT / ".ci" / "run").read_text().replace(" --quiet", "")
    for line in BY_CI:
        for part in line.split(" && "):
            assert part in script, part


@pytest.fixture
def project(quickstart: Path, tmp_path: Path) -> Path:
    """A folder with the experiments and a copy of the quickstart's outputs, since commands change them."""
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    shutil.copytree(quickstart, tmp_path / "outputs", symlinks=True, copy_function=link)
    return tmp_path


def link(source: str, target: str) -> None:
    """Link published files, which never change; copy databases, and files on other disks."""
    if source.endswith(".sqlite") or Path(source).stat().st_dev != Path(target).parent.stat().st_dev:
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def words(line: str) -> list[str]:
    return [sys.executable, "-c", "from oceanpath.cli import main; main()", *shlex.split(line)[1:]]


@pytest.mark.parametrize("line", [line for line in TESTED if line != "oceanpath serve"])
def test_the_command_runs(line: str, project: Path) -> None:
    process = subprocess.run(words(line), cwd=project, capture_output=True, text=True, timeout=280)
    assert process.returncode == 0, process.stderr
    assert process.stdout or (project / "predictions.csv").is_file()


def seconds(command: list[str], project: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=project, env=environment)
    return time.perf_counter() - started


@pytest.mark.alone
def test_a_run_with_nothing_to_do_takes_at_most_twelve_times_bare_python(project: Path) -> None:
    """The fastest of several alternating runs: other work on the machine only makes them slower."""
    command, bare = words("oceanpath run experiments/quickstart.toml"), [sys.executable, "-c", "pass"]
    seconds(command, project)  # updates all results, and caches bytecode as in an installation
    times: list[tuple[float, float]] = []
    for _ in range(150):  # until the machine is idle for a moment
        times.append((seconds(command, project), seconds(bare, project)))
        ratio = min(run for run, _ in times) / min(python for _, python in times)
        if len(times) >= 5 and ratio <= 12:
            break
    print(f"a run with nothing to do: {ratio:.1f} times bare Python")
    assert ratio <= 12


def test_serve_and_predict_give_the_same_probabilities(project: Path) -> None:
    """`oceanpath serve` serves the quickstart's bundle."""
    predicted = project / "offline.csv"
    features = sorted((project / "outputs" / "experiments" / "quickstart" / "extract").glob("*.h5"))[0]
    subprocess.run(
        words(f"oceanpath predict {features} --out {predicted}"), cwd=project, check=True, capture_output=True
    )
    with predicted.open(newline="") as file:
        (offline,) = csv.DictReader(file)
    port = 20000 + os.getpid() % 20000
    server = subprocess.Popen(words(f"oceanpath serve --port {port}"), cwd=project, stderr=subprocess.PIPE, text=True)
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
                health: dict[str, object] = json.loads(reply.read())
                return health
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r": (\S+\.md)$", navigation, flags=re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert listed == {name for name in pages if not re.match(r"decisions/\d", name)}


def test_links_between_pages_are_valid() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_python_examples_import_existing_names() -> None:
    for page in ROOT.glob("docs/**/*.md"):
        for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE):
            imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
            for node in imports:
                module = importlib.import_module(node.module or "")
                assert not [name.name for name in node.names if not hasattr(module, name.name)], (
                    f"{page.name}: {node.module}"
                )

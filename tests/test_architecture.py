"""The plan of the house, held: who imports whom, what stays light, how large things get."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from oceanpath import errors
from oceanpath.errors import ExitCode, OceanPathError

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "oceanpath"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "lightning",
    "h5py",
    "pyarrow",
    "matplotlib",
    "onnx",
    "litestar",
}
MAX_LINES, MAX_FUNCTION = 350, 60


def layers() -> dict[str, set[str]]:
    """Layer → layers it may import, from the page that people read."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.split("<!-- layers -->")[1].split("<!-- /layers -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return {name: {word.strip() for word in allowed.split(",") if word.strip()} for name, allowed in rows}


def imports(path: Path) -> set[str]:
    """Modules of our own that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
            assert node.level == 0, f"{path}: relative import"
    return {name for name in found if name.split(".")[0] == "oceanpath" and name != "oceanpath"}


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    own, allowed = layer_of(path), layers()
    if own == "__init__":
        assert {name.split(".")[1] for name in imports(path)} <= {"telemetry"}
        return
    used = {name.split(".")[1] for name in imports(path)} - {own, "__version__"}
    assert used <= allowed[own], f"{own} may not import {sorted(used - allowed[own])}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "stages").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_room_imports_no_other_room_and_only_the_door_of_the_pipeline(path: Path) -> None:
    room = path.relative_to(PACKAGE / "stages").parts[0]
    if room == "catalog.py":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[1] == "stages" and len(parts) > 2:
            assert parts[2] in (room.removesuffix(".py"), "tables"), f"{path} imports the room {parts[2]}"
        if parts[1] == "pipeline":
            assert parts[:3] == ["oceanpath", "pipeline", "stage"], f"{path} imports {name}"


@pytest.mark.parametrize(
    "room", sorted(p.parent for p in (PACKAGE / "stages").glob("*/stage.py")), ids=lambda p: p.name
)
def test_every_room_has_the_same_door(room: Path) -> None:
    for name in ("__init__.py", "settings.py", "stage.py", "work.py"):
        assert (room / name).is_file()
    doc = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    for word in ("Reads", "Writes", "Fails"):
        assert word in doc, f"the door of {room.name} does not say what it {word.lower()}"


def loaded(code: str) -> set[str]:
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(said.stdout.split())


def test_the_command_line_and_every_door_are_light() -> None:
    doors = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in PACKAGE.rglob("settings.py")]
    doors += [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in PACKAGE.glob("stages/*/stage.py")]
    code = "\n".join(f"import {name}" for name in ["oceanpath.cli.app", "oceanpath.stages.catalog", *doors])
    assert not loaded(code) & HEAVY


def test_statistics_and_artifacts_know_no_torch() -> None:
    names = [*PACKAGE.glob("artifacts/*.py"), *PACKAGE.glob("stats/*.py"), *PACKAGE.glob("figures/*.py")]
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in names]
    assert "torch" not in loaded("\n".join(f"import {name}" for name in modules))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            assert (node.end_lineno or 0) - node.lineno - doc <= MAX_FUNCTION, f"{path}:{node.lineno} {node.name}"


LATE_IMPORTS = {
    ("oceanpath.artifacts.cohort.user_tables", "oceanpath.artifacts.cohort.delimited"),
    ("oceanpath.artifacts.cohort.user_tables", "oceanpath.artifacts.cohort.workbooks"),
    ("oceanpath.cli.screen", "oceanpath.cli.live"),
    ("oceanpath.slides.encoders", "oceanpath.slides.encoders.custom"),
}
"""Imports inside functions that still close a circle; none is added."""


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions count; imports for type checkers do not."""
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES}
    graph = {
        name: [target for target in runtime_imports(path, modules.keys()) if (name, target) not in LATE_IMPORTS]
        for name, path in modules.items()
    }
    TopologicalSorter(graph).prepare()  # a CycleError names the modules of the circle


def runtime_imports(path: Path, modules: Collection[str]) -> set[str]:
    """The modules of ours that a file imports when it runs, anywhere in it; the package itself is left out."""
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in names}
        nodes += ast.iter_child_nodes(node)
    return {name for name in found if name in modules and name != "oceanpath"}


SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|ALTER|DROP)\s+\w")
WITH_SQL = {"digests.py", "ledger.py", "ledger_queries.py", "migrations.py"}


def test_sql_is_in_the_pipeline_s_database_modules_only() -> None:
    for path in FILES:
        if path.parent.name == "pipeline" and path.name in WITH_SQL:
            continue
        texts = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        assert not [text for text in texts if isinstance(text, str) and SQL.match(text)], path


def test_every_silenced_check_says_why() -> None:
    for path in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").glob("*.py"), ROOT / "noxfile.py"]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            silenced = re.search(r"# (?:noqa|type: ignore|pragma: no cover)\b(.*)", line)
            if silenced and path != Path(__file__).resolve():
                assert re.fullmatch(r"(?:: [A-Z0-9, ]+|\[[a-z-, ]+\])?  # \S.+", silenced[1]), (
                    f"{path}:{number}: {line}"
                )


def test_every_error_has_its_exit_code_and_stands_in_the_drawing() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OceanPathError)]
    drawn = dict(re.findall(r"(\w+Error)\s+(\d)", errors.__doc__ or ""))
    assert {kind.__name__: str(int(kind.exit_code)) for kind in kinds} == drawn
    assert len({int(code) for code in ExitCode}) == len(ExitCode)


def test_a_broad_except_always_raises() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            broad = isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            )
            if broad:
                assert isinstance(node.body[-1], ast.Raise), f"{path}:{node.lineno} swallows what it does not know"


def test_no_path_of_a_machine_stands_in_a_tracked_file() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    words = re.compile("/(?:" + "|".join(["ro" + "ot", "ho" + "me", "wo" + "rk"]) + r")/\w")
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt"} and path.is_file():
            assert not words.search(path.read_text()), name

"""The architecture: imports between layers, light imports, the package tree of the documentation, sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
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
    "h5py",
    "pyarrow",
    "matplotlib",
    "onnx",
    "litestar",
}
MAX_LINES, MAX_FUNCTION = 350, 60


PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """The part of the architecture page between two markers."""
    return PAGE.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0].strip()


def layers() -> dict[str, set[str]]:
    """Layer → layers that it may import, from the architecture page."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section("layers").splitlines()[2:]]
    return {name: {word.strip() for word in allowed.split(",") if word.strip()} for name, allowed in rows}


def imports(path: Path) -> set[str]:
    """Modules of OceanPath that a file imports, anywhere in it."""
    return imported(list(ast.walk(ast.parse(path.read_text()))), path)


def imported(nodes: list[ast.AST], path: Path) -> set[str]:
    """Names in OceanPath that these statements import."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
            assert node.level == 0, f"{path}: relative import"
    return {name for name in names if name.split(".")[0] == "oceanpath" and name != "oceanpath"}


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    own, allowed = layer_of(path), layers()
    if own == "__init__":
        assert {name.split(".")[1] for name in runtime_imports(path, modules_of(FILES))} == {"telemetry"}
        return
    used = {name.split(".")[1] for name in imports(path)} - {own, "__version__"}
    assert used <= allowed[own], f"{own} may not import {sorted(used - allowed[own])}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "stages").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_stage_imports_no_other_stage_and_only_pipeline_stage(path: Path) -> None:
    stage = path.relative_to(PACKAGE / "stages").parts[0]
    if stage == "catalog.py":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[1] == "stages" and len(parts) > 2:
            assert parts[2] in (stage.removesuffix(".py"), "tables"), f"{path} imports the stage {parts[2]}"
        if parts[1] == "pipeline":
            assert parts[:3] == ["oceanpath", "pipeline", "stage"], f"{path} imports {name}"


@pytest.mark.parametrize(
    "folder", sorted(p.parent for p in (PACKAGE / "stages").glob("*/stage.py")), ids=lambda p: p.name
)
def test_every_stage_has_the_same_interface(folder: Path) -> None:
    for name in ("__init__.py", "settings.py", "stage.py", "work.py"):
        assert (folder / name).is_file()
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    for word in ("Reads", "Writes", "Fails"):
        assert word in doc, f"the docstring of {folder.name} does not state what it {word.lower()}"


def listed() -> list[str]:
    """Paths in the package list of the architecture page, relative to the package; folders end in a slash."""
    parents: list[str] = []
    paths = []
    for line in section("tree").strip("`\n").splitlines()[1:]:
        name, depth = line.split()[0], (len(line) - len(line.lstrip())) // 2 - 1
        parents[depth:] = [name]
        paths.append("".join(parents))
    return paths


def test_the_package_list_of_the_page_is_that_of_the_files() -> None:
    packages = {
        f"{path.parent.relative_to(PACKAGE)}/" for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE
    }
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert sorted(listed()) == sorted(packages | modules)


def modules_of(paths: Collection[Path]) -> set[str]:
    return {module_of(path) for path in paths}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count; imports for type checking do not."""
    modules = {module_of(path): path for path in FILES}
    graph = {name: runtime_imports(path, modules.keys()) for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("modules import each other: " + " → ".join(reversed(error.args[1])))


def runtime_imports(path: Path, modules: Collection[str]) -> set[str]:
    """The modules of OceanPath that a file imports when it runs, anywhere in it; the package itself is left out."""
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


def loaded(code: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(process.stdout.split())


def test_the_command_line_and_the_interfaces_of_stages_are_light() -> None:
    interfaces = [module_of(path) for path in [*PACKAGE.rglob("settings.py"), *PACKAGE.glob("stages/*/stage.py")]]
    code = "\n".join(f"import {name}" for name in ["oceanpath.cli.app", "oceanpath.stages.catalog", *interfaces])
    assert not loaded(code) & HEAVY


def test_importing_the_package_loads_nothing_of_the_python_interface() -> None:
    modules = loaded("import oceanpath as op; op.__version__; dir(op)")
    assert not modules & (HEAVY | {"pydantic", "typer", "rich", "typing", "re"})


def test_statistics_and_artifacts_do_not_import_torch() -> None:
    paths = [path for name in ("artifacts", "stats", "figures") for path in (PACKAGE / name).rglob("*.py")]
    assert "torch" not in loaded("\n".join(f"import {module_of(path)}" for path in paths))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            assert (node.end_lineno or 0) - node.lineno - doc <= MAX_FUNCTION, f"{path}:{node.lineno} {node.name}"


SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|ALTER|DROP)\s+\w")
WITH_SQL = {"digests.py", "ledger.py", "ledger_queries.py", "migrations.py"}


def test_sql_is_in_the_pipeline_s_database_modules_only() -> None:
    for path in FILES:
        if path.parent.name == "pipeline" and path.name in WITH_SQL:
            continue
        texts = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        assert not [text for text in texts if isinstance(text, str) and SQL.match(text)], path


def test_every_silenced_check_has_its_reason() -> None:
    for path in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").glob("*.py"), ROOT / "noxfile.py"]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            silenced = re.search(r"# (?:noqa|type: ignore|pragma: no cover)\b(.*)", line)
            if silenced and path != Path(__file__).resolve():
                assert re.fullmatch(r"(?:: [A-Z0-9, ]+|\[[a-z-, ]+\])?  # \S.+", silenced[1]), (
                    f"{path}:{number}: {line}"
                )


def test_every_error_and_its_exit_code_are_in_the_docstring() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OceanPathError)]
    drawn = dict(re.findall(r"(\w+Error)\s+(\d)", errors.__doc__ or ""))
    assert {kind.__name__: str(int(kind.exit_code)) for kind in kinds} == drawn
    assert len({int(code) for code in ExitCode}) == len(ExitCode)


def test_a_broad_except_always_raises() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            ):
                assert isinstance(node.body[-1], ast.Raise), f"{path}:{node.lineno} hides unexpected exceptions"


def test_no_tracked_file_has_a_path_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    words = re.compile("/(?:" + "|".join(["ro" + "ot", "ho" + "me", "wo" + "rk"]) + r")/\w")
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt"} and path.is_file():
            assert not words.search(path.read_text()), name

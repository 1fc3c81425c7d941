"""Small changes of a module that a test should notice: the mutants of mutation testing (DeMillo et al. 1978).

A module is parsed, one node of its syntax tree is changed, and the tree is compiled: no file is written. Left alone are
annotations, decorators, assertions, what an error says, f-strings, and texts that are no identifiers: words for people.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
OTHER_NAMES = {"min": "max", "argmin": "argmax", "any": "all", "minimum": "maximum", "mean": "sum"}
OTHER_NAMES |= {new: old for old, new in OTHER_NAMES.items()}
UNWRAPPED = ("sqrt", "log", "exp", "abs", "floor", "round", "sorted", "clip", "cumsum", "clip_grad_norm_")
"""Calls that are replaced by what they are called with."""
SKIPPED = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class Edit:
    """One possible change of a tree."""

    line: int
    change: str
    apply: Callable[[], None]


@dataclass(frozen=True)
class Mutant:
    """One changed module."""

    path: Path
    """Of the module, below the root of the project."""
    number: int
    """Position among the edits of the module."""
    line: int
    text: str
    """The line as it is."""
    change: str

    def code(self, root: Path) -> CodeType:
        """The compiled module with the change."""
        tree = ast.parse((root / self.path).read_text())
        list(edits(tree))[self.number].apply()
        return compile(ast.fix_missing_locations(tree), str(root / self.path), "exec")


def mutants(root: Path, path: Path) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    source = (root / path).read_text()
    lines = source.splitlines()
    found = enumerate(edits(ast.parse(source)))
    made = [Mutant(path, i, edit.line, lines[edit.line - 1].strip(), edit.change) for i, edit in found]
    return sorted(made, key=lambda mutant: (mutant.line, mutant.number))


def edits(tree: ast.Module) -> Iterator[Edit]:
    """Every edit of a tree. Applying one changes the tree that was given, so apply one only."""
    for parent, name, node in _nodes(tree):
        for change, new in _changes(node):
            yield Edit(getattr(node, "lineno", 1), change, _replacing(parent, name, node, new))


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Parent, field and node of all nodes that may be changed."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, SKIPPED) or _is_docstring(node):
                continue
            yield tree, name, node
            if not isinstance(node, ast.Raise):
                yield from _nodes(node)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _replacing(parent: ast.AST, name: str, node: ast.AST, new: ast.AST) -> Callable[[], None]:
    def apply() -> None:
        ast.copy_location(new, node)
        value = getattr(parent, name)
        if isinstance(value, list):
            value[next(i for i, item in enumerate(value) if item is node)] = new
        else:
            setattr(parent, name, new)

    return apply


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a node may become, each with a short description."""
    if isinstance(node, ast.Compare):
        yield from _comparisons(node)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield _said(node, ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.AugAssign):
        yield f"{ast.unparse(node)} → nothing", ast.Pass()
    elif isinstance(node, ast.BoolOp):
        yield _said(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield _said(node, node.operand)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.IfExp):
        yield _said(node, ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse))
    elif isinstance(node, ast.stmt):
        yield from _statements(node)


def _comparisons(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for i, op in enumerate(node.ops):
        ops = [COMPARISONS[type(op)]() if i == k else other for k, other in enumerate(node.ops)]
        yield _said(node, ast.Compare(node.left, ops, node.comparators))


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield _said(node, ast.Constant(not value))
    elif isinstance(value, int):
        yield _said(node, ast.Constant(value + 1))
    elif isinstance(value, float):
        yield _said(node, ast.Constant(2 * value if value else 1.0))
    elif isinstance(value, str) and value.isidentifier():
        yield _said(node, ast.Constant(f"{value}_"))


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    if name in OTHER_NAMES:
        other = OTHER_NAMES[name]
        new = (
            ast.Attribute(function.value, other, ast.Load())
            if isinstance(function, ast.Attribute)
            else ast.Name(other, ast.Load())
        )
        yield _said(node, ast.Call(new, node.args, node.keywords))
    elif name in UNWRAPPED and (inner := _inner(node)) is not None:
        yield _said(node, inner)


def _inner(node: ast.Call) -> ast.expr | None:
    """What a call is called with: the first argument of a function, the object of a method."""
    if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
        return node.func.value
    return node.args[0] if node.args else None


def _is_module(node: ast.expr) -> bool:
    return ast.unparse(node) in ("np", "math", "torch", "torch.nn.utils")


def _statements(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.If):
        yield _said(
            node.test,
            ast.UnaryOp(ast.Not(), node.test),
            ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse),
        )
    elif isinstance(node, ast.While):
        yield _said(node.test, ast.Constant(False), ast.While(ast.Constant(False), node.body, node.orelse))
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield f"{_short(ast.unparse(node))} → return None", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Expr | ast.Raise | ast.Break | ast.Continue) or _is_store(node):
        yield f"{_short(ast.unparse(node))} → nothing", ast.Pass()


def _is_store(node: ast.stmt) -> bool:
    """Whether a statement writes into an object, which a later line need not notice."""
    return isinstance(node, ast.Assign) and all(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)


def _said(old: ast.AST, new: ast.AST, whole: ast.AST | None = None) -> tuple[str, ast.AST]:
    return f"{_short(ast.unparse(old))} → {_short(ast.unparse(ast.fix_missing_locations(new)))}", whole or new


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."

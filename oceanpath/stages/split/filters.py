"""Filter expressions on columns of the label table, such as ``site == 'A' and age >= 60``.

Comparisons (``== != < <= > >= in not in``) of a column with texts or numbers, joined by ``and``, ``or``, ``not`` and
parentheses. Names of columns that are no identifiers are written in backticks. A text is compared with the cell as it
is, so an empty cell equals ``''``; a number is compared with the number of the cell, and an empty cell never matches.
Nothing else is evaluated.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from oceanpath.errors import ExperimentError

EXPECTED = "comparisons of columns with texts or numbers, such as site == 'A' and age >= 60"
QUOTED = re.compile(r"`([^`]+)`")
ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
EQUALITIES = (ast.Eq, ast.NotEq)
Row = Mapping[str, str]
Condition = Callable[[Row], bool]


class RowFilter:
    """A parsed expression: a function of a row, and the columns that it reads."""

    def __init__(self, text: str, key: str) -> None:
        """Parse an expression.

        Args:
            text: The expression.
            key: The settings key that has it, for messages.

        Raises: ExperimentError: it is no such expression.
        """
        self.text, self.where = text, f"[split] {key}"
        self._names = dict[str, str]()
        try:
            tree = ast.parse(QUOTED.sub(self._placeholder, text).strip(), mode="eval")
        except SyntaxError as error:
            raise self._problem(error.msg) from error
        self.columns = tuple(dict.fromkeys(self._column(node) for node in ast.walk(tree) if isinstance(node, ast.Name)))
        self._condition = self._parse(tree.body)

    def __call__(self, row: Row) -> bool:
        """Whether a row matches. Raises: ExperimentError: a cell that is compared with a number is none."""
        return self._condition(row)

    def _placeholder(self, match: re.Match[str]) -> str:
        name = f"_column_{len(self._names)}"
        self._names[name] = match[1]
        return name

    def _column(self, node: ast.Name) -> str:
        return self._names.get(node.id, node.id)

    def _problem(self, what: str) -> ExperimentError:
        return ExperimentError(f"the filter cannot be read: {what}", where=self.where, expected=EXPECTED, got=self.text)

    def _parse(self, node: ast.expr) -> Condition:
        if isinstance(node, ast.BoolOp):
            parts = [self._parse(value) for value in node.values]
            joined = all if isinstance(node.op, ast.And) else any
            return lambda row: joined(part(row) for part in parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._parse(node.operand)
            return lambda row: not inner(row)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name):
            return self._comparison(self._column(node.left), node.ops[0], node.comparators[0])
        raise self._problem(f"{ast.unparse(node)} is no comparison of a column")

    def _comparison(self, column: str, order: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(order, ast.In | ast.NotIn) and isinstance(right, ast.List | ast.Tuple):
            equal = [self._equality(column, ast.Eq, self._constant(item)) for item in right.elts]
            if isinstance(order, ast.In):
                return lambda row: any(one(row) for one in equal)
            return lambda row: not any(one(row) for one in equal)
        if type(order) not in ORDERS:
            raise self._problem("in and not in need a list, such as site in ['A', 'B']")
        value = self._constant(right)
        if isinstance(value, str) and not isinstance(order, EQUALITIES):
            raise self._problem(f"{value!r} is a text, which has no order")
        return self._equality(column, type(order), value)

    def _equality(self, column: str, order: type[ast.cmpop], value: str | float) -> Condition:
        compare = ORDERS[order]
        if isinstance(value, str):
            return lambda row: compare(row[column], value)

        def matches(row: Row) -> bool:
            return bool(row[column]) and compare(self._number(column, row[column]), value)

        return matches

    def _constant(self, node: ast.expr) -> str | float:
        try:
            value = ast.literal_eval(node)
        except ValueError as error:
            raise self._problem(f"{ast.unparse(node)} is neither a text nor a number") from error
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._problem(f"{ast.unparse(node)} is neither a text nor a number")
        return value

    def _number(self, column: str, cell: str) -> float:
        try:
            return float(cell)
        except ValueError as error:
            what = f"column '{column}' is compared with a number"
            raise ExperimentError(what, where=self.where, expected="numbers or empty cells", got=repr(cell)) from error

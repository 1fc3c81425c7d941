"""The steps of a run as a graph: where each one is drawn, and the curves between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 100, 40
"""Size of a node in units of the drawing."""
ACROSS, DOWN = WIDTH + 36, HEIGHT + 36
"""Distance of neighbouring nodes."""
BOW = 38
"""How far an edge that skips columns bends, to pass below the nodes between."""


@dataclass(frozen=True)
class Node:
    """A step of the drawing."""

    name: str
    state: str
    x: int
    y: int
    needs: tuple[str, ...]
    """Names of its parents in the run."""


@dataclass(frozen=True)
class Lineage:
    """The drawing."""

    nodes: tuple[Node, ...]
    edges: tuple[str, ...]
    """Paths of SVG, from parents to children; without those that follow from others."""
    width: int
    height: int
    node_width: int = WIDTH
    node_height: int = HEIGHT


def draw_lineage(steps: Sequence[Mapping[str, Any]], digests: Mapping[str, str]) -> Lineage:
    """The steps in columns by their longest chain of parents; steps are in plan order, so parents come first.

    `digests`: step → digest of its output, as far as it is known.
    """
    depths, rows, nodes = dict[str, int](), dict[int, int](), dict[str, Node]()
    ancestors = dict[str, set[str]]()
    steps_of = {digest: name for name, digest in digests.items()}
    for step in steps:
        needs = tuple(name for digest in _read_digests(step) if (name := steps_of.get(digest)) in depths)
        depth = depths[step["name"]] = 1 + max((depths[name] for name in needs), default=-1)
        ancestors[step["name"]] = {*needs, *(name for parent in needs for name in ancestors[parent])}
        row = rows[depth] = rows.get(depth, -1) + 1
        nodes[step["name"]] = Node(step["name"], step["state"], depth * ACROSS, row * DOWN, needs)
    edges = tuple(
        _curve(nodes[parent], node)
        for node in nodes.values()
        for parent in node.needs
        if not any(parent in ancestors[other] for other in node.needs)
    )
    columns, lines = max(depths.values(), default=0) + 1, max(rows.values(), default=0) + 1
    return Lineage(tuple(nodes.values()), edges, columns * ACROSS - ACROSS + WIDTH, lines * DOWN - DOWN + HEIGHT)


def _read_digests(step: Mapping[str, Any]) -> list[str]:
    """Digests of the results that a step reads: those of its parents, and of other variants."""
    identity = step["identity"] or {}
    others = [digest for found in identity.get("across", {}).values() for digest in found.values()]
    return list(dict.fromkeys([*identity.get("parents", {}).values(), *others]))


def _curve(start: Node, end: Node) -> str:
    x0, y0, x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2, end.x, end.y + HEIGHT // 2
    bow = BOW if x1 - x0 > ACROSS else 0
    middle = (x0 + x1) // 2
    return f"M{x0} {y0} C{middle} {y0 + bow} {middle} {y1 + bow} {x1} {y1}"

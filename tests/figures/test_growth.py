from __future__ import annotations

from pathlib import Path

from oceanpath.figures.growth import draw_growth


def test_figures_depend_only_on_the_points(tmp_path: Path) -> None:
    points = {"a": [(10.0, 1.0), (100.0, 3.0)], "b": []}
    for name, panels in {"one": {"s": points}, "two": {"s": points}, "other": {"s": {"a": [(1.0, 2.0)]}}}.items():
        draw_growth(tmp_path / name, panels, "Patches")
    one, two, other = ((tmp_path / name).read_bytes() for name in ("one", "two", "other"))
    assert one == two != other

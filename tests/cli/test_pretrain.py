"""`oceanpath pretrain --show-views`: a drawing from the experiment's store and augmentations."""

from __future__ import annotations

from pathlib import Path

import pytest

import oceanpath.stages.pretrain.show_views as drawing
from oceanpath.cli.app import run_app
from oceanpath.stages.pretrain.training import Training


@pytest.fixture
def calls(cohort, tmp_path: Path) -> list[str]:
    """The command of an experiment without a store."""
    path = tmp_path / "mine.toml"
    path.write_text(cohort.toml + "[pretrain]\n")
    return ["-e", str(path), "--workspace", str(tmp_path / "out")]


def test_a_slide_of_the_store_is_drawn_with_the_settings_of_the_experiment(calls, tmp_path: Path, capsys) -> None:
    assert run_app(["mmap", *calls, "--quiet"]) == 0
    drawn = []
    for number, sets in enumerate([[], [], ["--set", "pretrain.augment.region_drop.probability=0"]]):
        out = tmp_path / f"views{number}"
        assert run_app(["pretrain", *calls, *sets, "--show-views", "slide_03", "--out", str(out)]) == 0
        assert capsys.readouterr().out.strip() == str(out / "views.png")
        drawn.append((out / "views.png").read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]
    assert not (tmp_path / "out" / "experiments" / "mine" / "pretrain").exists()


SMALL = ("--set", "pretrain.max_steps=1", "--set", "pretrain.method.hidden=8")


@pytest.mark.parametrize(
    ("method", "disjoint"), [("vicreg", "false"), ("vicreg", "true"), ("dino", "true"), ("jepa", "false")]
)
def test_the_drawn_views_are_those_of_the_training(method, disjoint, calls, tmp_path: Path, monkeypatch) -> None:
    drawn, trained = [], {}
    monkeypatch.setattr(drawing, "draw_views", lambda *arguments: drawn.extend(arguments[-1]))
    run = Training.run

    def spy(self, *arguments):
        loader = self.data.slides.loader
        for position in range(len(loader.dataset)):
            bag = loader.bag_of(position)
            trained[bag.slide_id] = loader.augmentor.views(bag, 0, loader.settings.batching.limit)
        return run(self, *arguments)

    monkeypatch.setattr(Training, "run", spy)
    sets = ["--set", f"pretrain.method.name={method}", "--set", f"pretrain.disjoint_views={disjoint}", *SMALL]
    assert run_app(["pretrain", *calls, *sets, "--quiet"]) == 0
    slide, views = next(iter(trained.items()))
    assert run_app(["pretrain", *calls, *sets, "--show-views", slide, "--out", str(tmp_path / "views")]) == 0
    panels = [panel for panel in drawn if panel.title.startswith("view ")]
    assert len(panels) == len(views)
    for panel, view in zip(panels, views, strict=True):
        assert panel.kept.nonzero()[0].tolist() == view.rows.tolist()
        assert panel.coords[panel.kept].tolist() == view.coords.tolist()
    if disjoint == "true":
        assert sum(panel.kept for panel in panels).max() == 1


def test_what_cannot_be_drawn_is_an_error(calls, tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "views")]
    assert run_app(["pretrain", *calls, "--show-views", "slide_03", *out]) == 2
    assert "there is no store yet" in capsys.readouterr().err
    assert run_app(["mmap", *calls, "--quiet"]) == 0
    assert run_app(["pretrain", *calls, "--show-views", "slide_99", *out]) != 0
    assert "no such slide in the store" in capsys.readouterr().err
    flat = [*calls, "--set", "mmap.coords=false"]
    assert run_app(["mmap", *flat, "--quiet"]) == 0
    assert run_app(["pretrain", *flat, "--show-views", "slide_03", *out]) == 2
    assert "needs the coordinates of patches" in capsys.readouterr().err

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from oceanpath.artifacts import predictions
from oceanpath.artifacts.features.files import FeatureMeta
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.tables import read_row_groups, read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.figures import slide_map
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.explain import PatchExplainer
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.stages.analyze.attention import check_attention, explain_slides
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.classification import Classification

from ...narrowing import required
from .conftest import CLASSES, DIM

TASK = Classification(["neg", "pos"])
CPU = AnalyzeSettings(attention_slides=4, deletion_slides=0, sheet_patches=3, device="cpu")


def draw(cohort, out, settings=CPU):
    blocks = explain_slides(settings, Inputs(cohort.parents), out, Quiet())
    check_attention(out, blocks["attention"], settings.slides == "selected")
    return blocks["attention"]


@pytest.fixture
def _no_figures(monkeypatch):
    """Figures take most of the time; they are drawn by the tests that look at them."""
    for name in ("draw_heatmap", "draw_coords", "draw_sorted"):
        monkeypatch.setattr(slide_map, name, lambda path, *_: [file.write_bytes(kind) for file, kind in FILES(path)])


def FILES(path):  # noqa: N802  # a constant of its path
    return [
        (path.with_suffix(kind), magic) for kind, magic in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml"))
    ]


@pytest.mark.usefixtures("_no_figures")
def test_scores_are_those_of_the_model_that_tested_the_slide_and_sum_to_its_prediction(make, out):
    cohort = make()
    facts = draw(cohort, out)
    store, train = Store(cohort.parents["mmap"]), cohort.parents["train"]
    table = read_table(out / "attention.parquet")
    tested = predictions.read_oof(train, TASK).set_index("slide_id")["fold"]
    assert len(facts) == 4 and len(set(tested.loc[[fact["slide_id"] for fact in facts]])) == 2
    for fact in facts:
        i = store.number(fact["slide_id"])
        explainer = PatchExplainer(train / f"fold_{tested[fact['slide_id']]}/best.ckpt")
        expected = explainer.explain(store.features(i), store.coords(i))
        own = table[table["slide_id"] == fact["slide_id"]]
        assert np.allclose(own["attention"], expected.attention, atol=1e-7) and fact["fold"] == tested[fact["slide_id"]]
        assert own[["x", "y"]].to_numpy(np.int64).tolist() == required(store.coords(i)).tolist()
        logits = explainer.model(torch.from_numpy(np.array(store.features(i)))[None])[0].tolist()
        assert fact["explained"] == "log odds of pos" and fact["score"] == pytest.approx(
            logits[1] - logits[0], abs=1e-5
        )
        assert own["contribution"].sum() == pytest.approx(logits[1] - logits[0], abs=1e-5)


@pytest.mark.usefixtures("_no_figures")
def test_an_architecture_that_combines_patches_has_attention_only_and_its_name_is_reported(make, out):
    cohort = make(patients=4, footprint=512.0)
    for fold in (0, 1):
        model = WSIClassifier(parse_model({"name": "transformer", "hidden": 8, "heads": 2}), DIM, CLASSES)
        save_checkpoint(model, read_objective(TASK, {}), cohort.parents["train"] / f"fold_{fold}/best.ckpt")
    facts = draw(cohort, out)
    assert {fact["contributions"] for fact in facts} == {"transformer combines patches before it pools them"}
    assert read_table(out / "attention.parquet")["contribution"].isna().all()
    assert list(pd.read_csv(out / facts[0]["scores"][0]).columns) == ["minx", "miny", "width", "height", "attention"]


@pytest.mark.parametrize(
    ("how", "over", "files"),
    [
        ({"extract": True}, "thumbnail", 2),
        ({"footprint": 512.0}, "places", 2),
        ({"footprint": np.nan}, "places", 0),
        ({"has_coords": False, "extract": True}, "order", 0),
    ],
)
def test_it_draws_over_the_best_there_is(make, out, how, over, files):
    facts = draw(make(patients=3, **how), out, CPU.model_copy(update={"attention_slides": 1}))
    assert {fact["over"] for fact in facts} == {over}
    table = read_table(out / "attention.parquet")
    assert table["x"].isna().all() == (over == "order") and len(table) == 12
    assert [len(fact["scores"]) for fact in facts] == [files]


@pytest.mark.usefixtures("_no_figures")
def test_scores_for_viewers_have_the_size_of_the_patches_and_all_above_the_threshold(make, out):
    cohort = make(extract=True)
    everything = draw(cohort, out)
    table = pd.read_csv(out / everything[0]["scores"][0])
    assert list(table.columns) == [
        "minx", "miny", "width", "height", "attention", "contribution", "prob_neg", "prob_pos"
    ]  # fmt: skip
    assert set(table["width"]) == {512.0} and set(table["height"]) == {256.0} and len(table) == 12
    assert np.allclose(table["prob_neg"] + table["prob_pos"], 1)
    threshold = float(table["contribution"].abs().median())
    again = out / "again"
    again.mkdir()
    (fact, *_) = draw(cohort, again, CPU.model_copy(update={"patch_threshold": threshold}))
    tiles = json.loads(gzip.decompress((again / fact["scores"][1]).read_bytes()))["features"]
    assert len(tiles) == (table["contribution"].abs() >= threshold).sum() < 12
    assert len(pd.read_csv(again / fact["scores"][0])) == 12


@pytest.mark.usefixtures("_no_figures")
def test_every_test_slide_is_drawn_on_request_and_sheets_where_slides_are_there(make, out, tmp_path):
    cohort = make(patients=3, extract=True)
    (tmp_path / "slides").mkdir()
    write_aperio(tmp_path / "slides/s000.svs", np.full((4000, 2048, 3), 90, np.uint8), 0.25)
    settings = AnalyzeSettings(
        slides="all", deletion_slides=0, sheet_patches=3, slide_folder=tmp_path / "slides", device="cpu"
    )
    facts = draw(cohort, out, settings)
    assert {fact["slide_id"] for fact in facts} == set(cohort.slides["slide_id"])
    assert [fact["sheet"] for fact in facts if fact["sheet"]] == ["sheets/s000.png"]
    with Image.open(out / "sheets/s000.png") as image:
        assert image.width > 1000


@pytest.mark.usefixtures("_no_figures")
def test_a_slide_without_a_thumbnail_is_drawn_at_its_places(make, out):
    cohort = make(extract=True)
    for path in (cohort.parents["extract"] / "thumbnails").iterdir():
        path.unlink()
    assert {fact["over"] for fact in draw(cohort, out)} == {"places"}


def test_a_damaged_thumbnail_is_an_error(make, out):
    cohort = make(extract=True)
    for path in (cohort.parents["extract"] / "thumbnails").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(ArtifactError, match="thumbnail"):
        draw(cohort, out)


def test_a_patch_is_as_many_micrometres_in_y_as_in_x():
    meta = FeatureMeta("e", 6, 256, 0.5, 0.25, 0.5, "test", 512.0, 8000, 4000, "0", "0")
    assert meta.footprint == (512.0, 256.0)


def test_no_slides_asked_no_slides_drawn(make, out):
    facts = draw(make(), out, AnalyzeSettings(attention_slides=0, deletion_slides=0, device="cpu"))
    assert facts == [] and len(read_table(out / "attention.parquet")) == 0


DAMAGE = {
    "negative": lambda table: table.assign(attention=table["attention"].where(table.index > 0, -0.1)),
    "sum": lambda table: table.assign(attention=table["attention"] * 1.1),
    "contribution": lambda table: table.assign(contribution=table["contribution"] + 1e-4),
    "missing": lambda table: table.assign(contribution=table["contribution"].where(table.index > 0)),
    "slide": lambda table: table[table["slide_id"] != table["slide_id"].iloc[0]],
    "column": lambda table: table.rename(columns={"x": "column"}),
}


@pytest.mark.usefixtures("_no_figures")
def test_each_slide_is_a_row_group_so_that_one_is_in_memory(make, out):
    facts = draw(make(), out)
    groups = list(read_row_groups(out / "attention.parquet"))
    assert all(group["slide_id"].nunique() == 1 for group in groups) and len(groups) == len(facts)


@pytest.mark.usefixtures("_no_figures")
def test_the_check_misses_nothing(make, out):
    facts = draw(make(extract=True), out)
    whole = read_table(out / "attention.parquet")
    for damage in DAMAGE.values():
        write_table(damage(whole), out / "attention.parquet")
        with pytest.raises(ArtifactError):
            check_attention(out, facts, vector=True)
    write_table(whole, out / "attention.parquet")
    check_attention(out, facts, vector=True)
    for name in (facts[0]["picture"], *facts[0]["scores"]):
        kept = (out / name).read_bytes()
        (out / name).write_bytes(b"")
        with pytest.raises(ArtifactError):
            check_attention(out, facts, vector=True)
        (out / name).write_bytes(kept)

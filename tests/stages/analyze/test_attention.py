import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import predictions
from oceanpath.artifacts.features.files import FeatureMeta
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.fit.predict import predict_attention
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.analyze.attention import check_attention, draw_slides, pick_slides
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.classification import Classification

from ...narrowing import required

TASK = Classification(["neg", "pos"])
CPU = AnalyzeSettings(attention_slides=4, device="cpu")


def rows(truth, p):
    frame = pd.DataFrame({"slide_id": [f"s{i}" for i in range(len(p))], "patient_id": "p", "label": truth})
    return frame.assign(prob_neg=1 - np.array(p), prob_pos=p, fold=0, role="test")


def draw(cohort, out, settings=CPU):
    return draw_slides(settings, Inputs(cohort.parents), out, Quiet())


def test_half_are_the_worst_errors_and_the_rest_the_surest():
    frame = rows(["pos"] * 6 + ["neg"] * 2, [0.9, 0.1, 0.4, 0.3, 0.99, 0.6, 0.05, 0.2])
    found = pick_slides(frame, TASK, 4)
    assert found["slide_id"].tolist() == ["s1", "s3", "s4", "s6"]
    assert found["kind"].tolist() == ["error", "error", "correct", "correct"]
    assert found["certainty"].tolist() == pytest.approx([0.1, 0.3, 0.99, 0.95])
    assert pick_slides(frame.iloc[::-1], TASK, 4)["slide_id"].tolist() == found["slide_id"].tolist()


@pytest.mark.parametrize(("p", "errors"), [([0.9, 0.8, 0.7], 0), ([0.1, 0.2, 0.3], 3), ([0.1, 0.2, 0.9], 2)])
def test_where_one_kind_runs_out_the_other_fills_up(p, errors):
    found = pick_slides(rows(["pos"] * 3, p), TASK, 3)
    assert len(found) == 3 and (found["kind"] == "error").sum() == errors
    assert len(pick_slides(rows(["pos"] * 3, p), TASK, 10)) == 3


def test_attention_is_that_of_the_model_that_tested_the_slide(make, out):
    cohort = make()
    facts = draw(cohort, out)
    store, train = Store(cohort.parents["mmap"]), cohort.parents["train"]
    table = read_table(out / "attention.parquet")
    tested = predictions.read_oof(train, TASK).set_index("slide_id")["fold"]
    assert len(facts) == 4 and len(set(tested.loc[[fact["slide_id"] for fact in facts]])) == 2
    for fact in facts:
        i = store.number(fact["slide_id"])
        checkpoint = train / f"fold_{tested[fact['slide_id']]}/best.ckpt"
        own = table[table["slide_id"] == fact["slide_id"]]
        expected = predict_attention(checkpoint, store.features(i), store.coords(i))
        assert np.allclose(own["attention"], expected, atol=1e-7) and fact["fold"] == tested[fact["slide_id"]]
        assert own[["x", "y"]].to_numpy(np.int64).tolist() == required(store.coords(i)).tolist()
    check_attention(out, facts)


@pytest.mark.parametrize(
    ("how", "over"),
    [
        ({"extract": True}, "thumbnail"),
        ({"footprint": 512.0}, "places"),
        ({"footprint": np.nan}, "places"),
        ({"has_coords": False}, "order"),
        ({"has_coords": False, "extract": True}, "order"),
    ],
)
def test_it_draws_over_the_best_there_is(make, out, how, over):
    facts = draw(make(**how), out)
    assert {fact["over"] for fact in facts} == {over}
    check_attention(out, facts)
    table = read_table(out / "attention.parquet")
    assert table["x"].isna().all() == (over == "order") and len(table) == 48


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
    facts = draw(make(), out, AnalyzeSettings(attention_slides=0, device="cpu"))
    assert facts == [] and len(read_table(out / "attention.parquet")) == 0
    check_attention(out, facts)


DAMAGE = {
    "negative": lambda table: table.assign(attention=table["attention"].where(table.index > 0, -0.1)),
    "sum": lambda table: table.assign(attention=table["attention"] * 1.1),
    "slide": lambda table: table[table["slide_id"] != table["slide_id"].iloc[0]],
    "column": lambda table: table.rename(columns={"x": "column"}),
}


def test_the_check_misses_nothing(make, out):
    facts = draw(make(), out)
    whole = read_table(out / "attention.parquet")
    for damage in DAMAGE.values():
        write_table(damage(whole), out / "attention.parquet")
        with pytest.raises(ArtifactError):
            check_attention(out, facts)
    write_table(whole, out / "attention.parquet")
    check_attention(out, facts)
    (out / facts[0]["picture"]).unlink()
    with pytest.raises(ArtifactError, match="figure"):
        check_attention(out, facts)

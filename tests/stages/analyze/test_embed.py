import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.stages.analyze import embed
from oceanpath.stages.analyze.settings import AnalyzeSettings

SETTINGS = AnalyzeSettings()


@pytest.mark.slow
def test_two_groups_of_slides_stay_apart_and_the_seed_decides():
    rng = np.random.default_rng(0)
    far = np.concatenate([rng.normal(0, 1, (20, 8)), rng.normal(8, 1, (20, 8))]).astype(np.float32)
    xy = embed.flatten(far, SETTINGS)
    assert xy.shape == (40, 2) and xy.dtype == np.float32
    within = np.linalg.norm(xy[:20] - xy[:20].mean(axis=0), axis=1).mean()
    between = np.linalg.norm(xy[:20].mean(axis=0) - xy[20:].mean(axis=0))
    assert between > 2 * within
    assert np.array_equal(xy, embed.flatten(far, SETTINGS))
    assert not np.array_equal(xy, embed.flatten(far, AnalyzeSettings(seed=1)))
    constant = np.repeat(np.arange(6, dtype=np.float32)[:, None], 3, axis=1)
    constant[:, 1] = 5.0  # a dimension that never varies, fewer columns than PCA needs, few slides
    assert np.isfinite(embed.flatten(constant, SETTINGS)).all()
    assert np.isfinite(embed.flatten(np.ones((6, 3), np.float32), SETTINGS)).all()  # a collapsed model


@given(st.integers(3, 30), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_first_places_do_not_depend_on_last_bits_or_on_the_sign_of_an_axis(n, width, seed):
    rows = np.random.default_rng(seed).normal(size=(n, width)) * np.arange(1, width + 1)
    rows -= rows.mean(axis=0)
    places = embed.start(rows, 0)
    assert places.shape == (n, 2) and np.abs(places).max() == pytest.approx(10, abs=0.1)
    assert np.allclose(places, embed.start(rows * (1 + 1e-13), 0), atol=1e-4)
    assert np.all(places.max(axis=0) >= -places.min(axis=0) - 0.1)
    if width > 1:
        spread = places.astype(float).var(axis=0)
        assert spread[0] >= spread[1] - 0.1  # main axis first


def test_slides_that_are_all_alike_still_have_places_of_their_own():
    places = embed.start(np.zeros((6, 4)), 0)
    assert len(np.unique(places, axis=0)) == 6 and np.abs(places).max() < 0.1


def test_the_map_is_of_fold_0_and_passes_its_check(make, out, monkeypatch):
    seen = []

    def first_two(embeddings, settings):
        seen.append(embeddings)
        return embeddings[:, :2]

    monkeypatch.setattr(embed, "flatten", first_two)
    cohort = make()
    assert embed.map_slides(SETTINGS, cohort.parents["train"], out, selected=False) == ""
    assert np.array_equal(seen[0], np.load(cohort.parents["train"] / "fold_0/embeddings.npy"))
    embed.check_map(out)
    table = read_table(out / "umap.parquet")
    assert table["slide_id"].tolist() == cohort.slides["slide_id"].tolist() and set(table["fold"]) == {0}
    assert set(table["role"]) == {"train", "test"} and np.array_equal(table["umap_2"], seen[0][:, 1])


def test_too_few_slides_say_why(make, out):
    reason = embed.map_slides(SETTINGS, make(patients=2).parents["train"], out, selected=False)
    assert reason.startswith("4 slides are too few") and not list(out.iterdir())


@pytest.mark.parametrize("damage", ["nan", "twice", "column", "picture"])
def test_the_check_misses_nothing(make, out, monkeypatch, damage):
    monkeypatch.setattr(embed, "flatten", lambda embeddings, settings: embeddings[:, :2])
    embed.map_slides(SETTINGS, make().parents["train"], out, selected=True)
    table = read_table(out / "umap.parquet")
    if damage == "nan":
        table.loc[0, "umap_1"] = np.nan
    elif damage == "twice":
        table.loc[0, "slide_id"] = "s001"
    elif damage == "column":
        table = table.drop(columns="fold")
    else:
        (out / "umap.png").write_bytes(b"")
    write_table(table, out / "umap.parquet")
    with pytest.raises(ArtifactError):
        embed.check_map(out)

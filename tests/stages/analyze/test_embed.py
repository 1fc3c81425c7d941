import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.stages.analyze import embed, layout
from oceanpath.stages.analyze.aligned import align, can_align
from oceanpath.stages.analyze.settings import AnalyzeSettings

SETTINGS = AnalyzeSettings()


@pytest.mark.parametrize("method", ["pca", "tsne", pytest.param("umap", marks=pytest.mark.slow)])
def test_two_groups_of_slides_stay_apart_and_the_seed_decides(method):
    rng, chosen = np.random.default_rng(0), AnalyzeSettings(embedding=method)
    far = np.concatenate([rng.normal(0, 1, (20, 8)), rng.normal(8, 1, (20, 8))]).astype(np.float32)
    xy = layout.flatten(far, chosen)
    assert xy.shape == (40, 2) and xy.dtype == np.float32
    within = np.linalg.norm(xy[:20] - xy[:20].mean(axis=0), axis=1).mean()
    between = np.linalg.norm(xy[:20].mean(axis=0) - xy[20:].mean(axis=0))
    assert between > 2 * within
    assert np.array_equal(xy, layout.flatten(far, chosen))
    assert np.array_equal(xy, layout.flatten(far, AnalyzeSettings(embedding=method, seed=1))) == (method == "pca")
    constant = np.repeat(np.arange(6, dtype=np.float32)[:, None], 3, axis=1)
    constant[:, 1] = 5.0  # a dimension that never varies, fewer columns than PCA needs, few slides
    assert np.isfinite(layout.flatten(constant, chosen)).all()
    assert np.isfinite(layout.flatten(np.ones((6, 3), np.float32), chosen)).all()  # a collapsed model


def test_the_default_needs_no_compiler(monkeypatch):
    monkeypatch.setattr(layout, "import_umap", lambda: pytest.fail("UMAP was imported"))
    layout.flatten(np.eye(6, dtype=np.float32), SETTINGS)


def test_principal_components_keep_distances_of_flat_data():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) * (3, 1)
    flat -= flat.mean(axis=0)
    xy = layout.principal(flat @ np.linalg.qr(rng.normal(size=(5, 5)))[0][:2])
    assert np.linalg.norm(xy, axis=1) == pytest.approx(np.linalg.norm(flat, axis=1), abs=1e-3)
    assert xy.var(axis=0)[0] > xy.var(axis=0)[1]


@given(st.integers(3, 30), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_first_places_do_not_depend_on_last_bits_or_on_the_sign_of_an_axis(n, width, seed):
    rows = np.random.default_rng(seed).normal(size=(n, width)) * np.arange(1, width + 1)
    rows -= rows.mean(axis=0)
    places = layout.start(rows, 0)
    assert places.shape == (n, 2) and np.abs(places).max() == pytest.approx(10, abs=0.1)
    assert np.allclose(places, layout.start(rows * (1 + 1e-13), 0), atol=2e-4)
    assert np.all(places.max(axis=0) >= -places.min(axis=0) - 0.1)
    if width > 1:
        spread = places.astype(float).var(axis=0)
        assert spread[0] >= spread[1] - 0.1  # main axis first


def test_slides_that_are_all_alike_still_have_places_of_their_own():
    places = layout.start(np.zeros((6, 4)), 0)
    assert len(np.unique(places, axis=0)) == 6 and np.abs(places).max() < 0.1


def test_folds_that_differ_by_rotation_and_scale_are_aligned_exactly(make):
    """Every fold sees the same slides in its own coordinates; a slide that fold 1 lacks changes nothing."""
    rng = np.random.default_rng(0)
    ids = make(patients=6).slides
    first = rng.normal(size=(12, 5)).astype(np.float32)
    turned = (3 * first @ np.linalg.qr(rng.normal(size=(5, 5)))[0] + 7).astype(np.float32)
    found = align({0: (ids, first), 1: (ids, turned), 2: (ids.iloc[::-1], first[::-1].copy())})
    assert np.allclose(found[0], found[1], atol=1e-3) and np.allclose(found[0], found[2][::-1], atol=1e-3)
    assert can_align({0: (ids, first), 1: (ids, turned)}) and not can_align({0: (ids, first)})
    assert not can_align({0: (ids.iloc[:6], first[:6]), 1: (ids.iloc[4:], turned[4:])})
    without = align({0: (ids, first), 1: (ids.iloc[1:], turned[1:])})
    distances = [np.linalg.norm(xy[-11:] - xy[-11:].mean(axis=0), axis=1) for xy in without.values()]
    assert np.corrcoef(*distances)[0, 1] > 0.999


def test_the_maps_are_of_all_folds_and_pass_their_check(make, out):
    cohort = make()
    assert embed.map_slides(SETTINGS, cohort.parents["train"], out, selected=False) == ""
    embed.check_map(out)
    table = read_table(out / "embedding.parquet")
    assert table.groupby("fold")["slide_id"].agg(list).tolist() == [cohort.slides["slide_id"].tolist()] * 2
    own = layout.flatten(np.load(cohort.parents["train"] / "fold_1/embeddings.npy"), SETTINGS)
    assert np.array_equal(table.loc[table["fold"] == 1, ["axis_1", "axis_2"]].to_numpy(np.float32), own)
    assert sorted(table.loc[table["role"] == "test", "slide_id"]) == cohort.slides["slide_id"].tolist()


def test_too_few_slides_say_why(make, out):
    reason = embed.map_slides(SETTINGS, make(patients=2).parents["train"], out, selected=False)
    assert reason.startswith("4 slides are too few") and not list(out.iterdir())


def test_the_check_misses_nothing(make, out):
    embed.map_slides(SETTINGS, make().parents["train"], out, selected=True)
    whole = read_table(out / "embedding.parquet")
    twice, nan = whole.copy(), whole.copy()
    twice.loc[0, "slide_id"] = "s001"
    nan.loc[0, "aligned_1"] = np.nan
    for damaged in (twice, nan, whole.drop(columns="fold")):
        write_table(damaged, out / "embedding.parquet")
        with pytest.raises(ArtifactError):
            embed.check_map(out)
    write_table(whole, out / "embedding.parquet")
    (out / "embedding_aligned.png").write_bytes(b"")
    with pytest.raises(ArtifactError):
        embed.check_map(out)
